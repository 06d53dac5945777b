package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// covered is how many pixels of the last turn stand under the form, or below the window.
const covered = `Math.max(0, document.querySelector(".turn:last-child").getBoundingClientRect().bottom - Math.min(innerHeight, document.querySelector(".ask").getBoundingClientRect().top))`

// A new turn is in view with its answers, also if they are long, and what a user looks at
// meanwhile stays where it is.
func testInView(t *testing.T, s *served) {
	n := behind(t, s)
	p := open(t, n.URL)
	p.see("#view-chat h1")
	p.wait(`document.activeElement.id === "prompt"`)
	inView := func() {
		t.Helper()
		if over := js[float64](p, covered); over > 1 {
			t.Errorf("%.0f pixels of the last turn are covered: %s", over, p.text(".turn:last-child .prompt"))
		}
	}
	p.size(360, 740, "light")
	p.ask(1, night)
	inView()
	if height := js[float64](p, `document.querySelector(".ask").offsetHeight`); height > 180 {
		t.Errorf("the form takes %.0f pixels of a telephone", height)
	}
	p.size(1280, 800, "light")
	p.ask(2, "2 + 2 =")
	inView()
	p.ask(3, night)
	inView()

	p.click("#settings > summary")
	p.click("#set-line")
	p.click("#settings > summary")
	n.let(20)
	p.write("#prompt", night)
	p.press(kb.Enter)
	p.see(".turn:nth-child(4) .token")
	p.wait(covered + " <= 1")
	js[bool](p, `new Promise((done) => { scrollTo({ top: 0, behavior: "instant" }); requestAnimationFrame(() => requestAnimationFrame(() => done(true))); })`)
	n.all()
	p.answered(4)
	if y := js[float64](p, "scrollY"); y != 0 {
		t.Errorf("the page scrolled to %.0f after the user scrolled up", y)
	}
	p.ask(5, night)
	inView()
}

// What cannot be a setting is said at its field, and nothing is asked with it. A prompt asked
// again has a new seed, also if one is set. A context that is full is told of.
func testSettingsAndContext(t *testing.T, s *served) {
	p := open(t, s.url)
	p.allow("400")
	p.see("#view-chat h1")
	p.click("#settings > summary")
	for field, bad := range map[string]string{"temperature": "-1", "top_p": "1.5", "max_tokens": "0", "seed": "1.5"} {
		p.write("#set-"+field, bad)
		p.seeText("#set-"+field+"-fault", "must be a ")
		p.click("#settings > summary")
		p.write("#prompt", night)
		p.press(kb.Enter)
		p.wait(`document.activeElement.id === "set-` + field + `" && !document.querySelector(".turn")`)
		p.write("#set-"+field, "")
		p.wait(`document.querySelector("#set-` + field + `-fault").hidden`)
	}
	p.write("#set-temperature", "0.85") // no step of the keys
	p.write("#set-seed", "7")
	p.ask(1, night)
	p.seeText(".turn-foot", "seed 7")
	p.seeText(".facts-line", "ended at the end of the line")
	p.seeText("#context", " of 256 tokens")
	p.click(".again")
	p.answered(1)
	if strings.HasPrefix(p.text(".turn-foot"), "seed 7 ") {
		t.Error("asked again with the same seed")
	}
	p.click("#set-line")
	p.write("#set-max_tokens", "500")
	p.accessible()
	p.ask(2, night)
	p.seeText(".turn:nth-child(2) .facts-line", "the model's context of 256 tokens is full")
	p.seeText("#context", "context: 256 of 256 tokens")
	p.ask(3, "one more")
	p.seeText("#notice", "the conversation fills the model's 256 tokens: begin a new one")
	p.click(".begin")
	p.wait(`!document.querySelector(".turn") && document.activeElement.value === "one more" && document.querySelector("#context").hidden`)
}

// beside opens a page in another tab of the same user.
func beside(p *tab, url string) *tab {
	p.Helper()
	info, err := chromedp.Call(p.ctx, target.GetTargetInfo, target.GetTargetInfoParams{})
	if err != nil {
		p.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithExistingBrowserContext(info.TargetInfo.BrowserContextID))
	p.Cleanup(func() { chromedp.Cancel(ctx); cancel() })
	q := &tab{TB: p.TB, ctx: ctx, origin: p.origin}
	q.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(url))
	return q
}

// Two tabs with one conversation lose nothing of it: what one says is there in the other, and
// where both went on it becomes two. What is open in one is nothing to the other.
func testTwoTabs(t *testing.T, s *served) {
	p := open(t, s.url)
	p.see("#view-chat h1")
	p.ask(1, night)
	q := beside(p, s.url)
	q.see(".turn:nth-child(1) .token")
	q.wait(`document.querySelectorAll(".talks .open[aria-current=true]").length === 1`)
	q.ask(2, "of q")
	p.wait(`document.querySelectorAll(".turn").length === 2 && document.querySelector(".turn:last-child .prompt").innerText.includes("of q")`)
	p.ask(3, "of p")
	q.see(".turn:nth-child(3)")
	q.click(".turn:nth-child(3) .edit") // what is being typed is not taken away
	p.ask(4, "of p again")
	q.ask(4, "of q again")
	q.seeText("#parted", "Another tab went on with this conversation")
	q.seeText("#kept > summary", "Conversations (2)")
	p.wait(`document.querySelector("#kept > summary").textContent === "Conversations (2)"`)
	p.click("#new-talk")
	for _, of := range []struct {
		tab  *tab
		last string
	}{{q, "of q again"}, {p, ""}} {
		of.tab.do(chromedp.Reload())
		of.tab.see("#send")
		if got := js[string](of.tab, `document.querySelector(".turn:nth-child(4) .prompt > .said")?.textContent ?? ""`); got != of.last {
			t.Errorf("after a reload the fourth prompt is %q, want %q", got, of.last)
		}
	}
	p.click("#kept > summary")
	p.click(".talks li:last-child .open")
	p.seeText(".turn:nth-child(4) .prompt", "of p again")
}
