package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Asked again, a prompt has another seed, which is told: with it the command draws the same.
// A column that comes later is asked the same. A conversation goes on in each column, from its
// own answers or from one that is chosen, and is there after a reload; an earlier prompt can be
// changed, and all of it exported.
func testGoesOn(t *testing.T, s *served) {
	n := behind(t, s)
	p := open(t, n.URL)
	p.see("#view-chat h1")
	p.ask(1, night)
	seed := p.text(".turn-foot")
	p.click(".again")
	p.answered(1)
	if again := p.text(".turn-foot"); again == seed || !strings.HasPrefix(again, "seed ") {
		t.Errorf("asked again under %q, before %q", again, seed)
	}
	p.addColumn("words")
	p.click(".ask-too")
	p.answered(1)
	checkDraws(p, s, strings.Fields(p.text(".turn-foot"))[1])
	p.click("button[aria-label='Remove the column words']")
	p.click("#show-base")
	p.wait(`!document.querySelector('.cell[data-column=""]').checkVisibility()`)
	p.click("#show-base")
	p.greedy()
	p.click(".again")
	p.answered(1)
	p.ask(2, "The derivative of 2x^5 + 4x^3 is")
	first := map[string]string{"": generated(t, s.home, night, ""), "sums": generated(t, s.home, night, "sums")}
	checkHistories(t, n.requests(), first)
	p.seeText(`.cell[data-column="sums"] .facts-line`, "ended at the end of the line")
	p.click(`.turn:last-child .cell[data-column="sums"] .carry`)
	p.see(`.turn:last-child .cell[data-column="sums"] .carry[aria-pressed=true]`)
	checkCopied(p, first["sums"])
	p.ask(3, "And")
	checkOneHistory(t, n.requests(), first["sums"])
	p.click(".turn:nth-child(2) .edit")
	p.write(".turn:nth-child(2) textarea", "Never")
	p.press(kb.Escape)
	p.wait(`document.activeElement.matches(".turn:nth-child(2) .edit")`)
	p.click(".turn:nth-child(2) .edit")
	p.write(".turn:nth-child(2) textarea", "Once")
	p.press(kb.Enter)
	p.answered(2)
	p.wait(`document.querySelectorAll(".turn").length === 2`)
	before := p.said(2, "sums")
	p.write("#prompt", "not sent yet")
	p.do(chromedp.Reload())
	p.see(".turn:nth-child(2) .token")
	if got := p.said(2, "sums"); got != before || js[string](p, `document.querySelector("#prompt").value`) != "not sent yet" {
		t.Errorf("after a reload %q, before %q", got, before)
	}
	p.click("#kept > summary")
	p.wait(`document.querySelectorAll(".talks li").length === 2`)
	checkExports(p, before)
	p.click(".talks li:last-child .open")
	p.wait(`document.querySelectorAll(".turn").length === 3`)
	p.accessible()
	p.size(320, 800, "light")
	p.fits()
	checkDeletes(p)
}

// checkCopied copies the first answer of a column.
func checkCopied(p *tab, text string) {
	p.Helper()
	js[bool](p, `(navigator.clipboard.writeText = async (text) => { globalThis.copied = text; }, true)`)
	p.click(`.turn:first-child .cell[data-column="sums"] .copy`)
	p.wait(`globalThis.copied === ` + quoted(text) + ` && document.querySelector("#said").textContent === "copied"`)
}

// checkDeletes deletes one of two conversations and then all of them: each after a question
// that can be declined, and the focus is not lost.
func checkDeletes(p *tab) {
	p.Helper()
	p.click(".talks li:first-child .delete")
	p.see(".confirm")
	p.press(kb.Escape)
	p.wait(`!document.querySelector(".confirm") && document.querySelectorAll(".talks li").length === 2`)
	p.click(".talks li:first-child .delete")
	p.click(".confirm .main")
	p.wait(`document.querySelectorAll(".talks li").length === 1 && document.activeElement.matches(".talks .delete")`)
	p.click("#delete-all")
	p.click(".confirm .main")
	p.wait(`document.querySelectorAll(".turn").length === 0 && localStorage.getItem("bankai.chats") === "[]" && document.activeElement.matches("#kept > summary")`)
}

// checkDraws compares all answers to the first prompt with what the command draws.
func checkDraws(p *tab, s *served, seed string) {
	p.Helper()
	columns := js[[]string](p, `[...document.querySelector(".turn").querySelectorAll(".cell")].map((c) => c.dataset.column)`)
	for _, column := range columns {
		want := generated(p.TB.(*testing.T), s.home, night, column, "--seed", seed, "--temperature", "0.8", "--top-k", "40", "--top-p", "0.95", "--min-p", "0.05")
		if got := p.said(1, column); strings.TrimSuffix(got, "⏎") != want || len(columns) != 3 {
			p.Errorf("with the seed %s %q says %q, the command %q", seed, column, got, want)
		}
	}
}

// checkHistories finds in what was asked that each column has its own answer before it.
func checkHistories(t *testing.T, asked []string, first map[string]string) {
	t.Helper()
	own := map[string]string{}
	for _, body := range asked[len(asked)-2:] {
		var doc struct {
			Messages []struct{ Role, Content string }
			Compare  [][]string
		}
		if err := json.Unmarshal([]byte(body), &doc); err != nil || len(doc.Messages) != 3 || len(doc.Compare) != 1 {
			t.Fatalf("asked %s: %v", body, err)
		}
		own[strings.Join(doc.Compare[0], "+")] = doc.Messages[1].Content
	}
	for column, text := range first {
		if own[column] != text {
			t.Errorf("%q goes on from %q, want %q", column, own[column], text)
		}
	}
}

// checkOneHistory finds that all columns were asked at once, in the conversation of one.
func checkOneHistory(t *testing.T, asked []string, first string) {
	t.Helper()
	var doc struct {
		Messages []struct{ Role, Content string }
		Compare  [][]string
	}
	body := asked[len(asked)-1]
	if err := json.Unmarshal([]byte(body), &doc); err != nil || len(doc.Messages) != 5 || len(doc.Compare) != 2 || doc.Messages[1].Content != first || doc.Messages[4].Content != "And" {
		t.Errorf("asked %s: %v", body, err)
	}
}

// checkExports looks into both files that a conversation is exported to.
func checkExports(p *tab, text string) {
	p.Helper()
	dir := p.TempDir()
	tab, err := chromedp.Call(p.ctx, target.GetTargetInfo, target.GetTargetInfoParams{})
	if err != nil {
		p.Fatal(err)
	}
	command(p, cdpbrowser.SetDownloadBehavior, cdpbrowser.SetDownloadBehaviorParams{Behavior: "allow", BrowserContextID: tab.TargetInfo.BrowserContextID, DownloadPath: dir})
	content := func(button, ending string) []byte {
		p.click(button)
		var data []byte
		for end := time.Now().Add(time.Minute); len(data) == 0 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if files, _ := filepath.Glob(filepath.Join(dir, "bankai-chat-*"+ending)); len(files) == 1 {
				data, _ = os.ReadFile(files[0])
			}
		}
		return data
	}
	var talk struct {
		Turns []struct {
			Prompt  string
			Answers map[string]struct {
				Text, Model string
				Tokens      []any
			}
		}
	}
	if err := json.Unmarshal(content("#export-json", ".json"), &talk); err != nil {
		p.Fatal(err)
	}
	if a := talk.Turns[1].Answers["sums"]; a.Model != "demo:sums" || a.Text+"⏎" != text || len(a.Tokens) == 0 || talk.Turns[1].Prompt != "Once" {
		p.Errorf("exported is %+v, want %q", a, text)
	}
	md := string(content("#export-markdown", ".md"))
	for _, part := range []string{"## Prompt 2", "Once", "### demo:sums", strings.TrimSuffix(text, "⏎")} {
		if !strings.Contains(md, part) {
			p.Errorf("the Markdown has no %q:\n%s", part, md)
		}
	}
}
