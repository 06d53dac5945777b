package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp/kb"
)

// Two patches that change what the demo model says of a night: whole rows of one projection.
var chatPatches = map[string]string{"words": rowsOf(5, "v_proj", 64), "sums": rowsOf(4, "o_proj", 100)}

// rowsOf is a patch file that flips the first n rows of a projection.
func rowsOf(layer int, proj string, n int) string {
	var rows []string
	for i := range n {
		rows = append(rows, fmt.Sprintf(`{"layer":%d,"proj":%q,"row":%d}`, layer, proj, i))
	}
	return `{"flips":[` + strings.Join(rows, ",") + `]}`
}

const night = "At night the"

// chatServer is a server with the patches, which lie in its home, too.
func chatServer(t *testing.T, more ...string) *served {
	t.Helper()
	home := t.TempDir()
	for name, patch := range chatPatches {
		file := filepath.Join(home, name+".json")
		if err := os.WriteFile(file, []byte(patch), 0o666); err != nil {
			t.Fatal(err)
		}
		more = append(more, "--patch", file)
	}
	return serve(t, home, more...)
}

// said are the tokens of a column's answer to a prompt, as they stand on the page.
func (p *tab) said(turn int, column string) string {
	p.Helper()
	return js[string](p, fmt.Sprintf(`[...document.querySelectorAll(".turn")].at(%d).querySelector('.cell[data-column="%s"] .tokens').textContent`, turn-1, column))
}

// answered waits for the end of all answers to a prompt.
func (p *tab) answered(turn int) {
	p.Helper()
	p.wait(fmt.Sprintf(`[...document.querySelectorAll(".turn")].at(%d)?.getAttribute("aria-busy") === "false"`, turn-1))
}

// ask types a prompt, sends it and waits for the answers.
func (p *tab) ask(turn int, prompt string) {
	p.Helper()
	p.write("#prompt", "")
	command(p, input.InsertText, input.InsertTextParams{Text: prompt}) // characters that no key has, too
	p.press(kb.Enter)
	p.answered(turn)
}

// addColumn chooses patches and adds their column.
func (p *tab) addColumn(patches ...string) {
	p.Helper()
	p.click("#columns-more > summary")
	for _, name := range patches {
		p.click(`#columns-more input[value="` + name + `"]`)
	}
	p.click("#add-column")
}

// greedy sets that the likeliest token is always taken.
func (p *tab) greedy() {
	p.Helper()
	p.click("#settings > summary")
	p.click("#set-greedy")
	p.click("#settings > summary")
}

// generated is what the command says of a prompt under patches, "base" for none and
// "sums+words" for two.
func generated(t *testing.T, home, prompt, column string, more ...string) string {
	t.Helper()
	var doc struct{ Text string }
	args := append([]string{"generate", prompt, "--stop", `\n`, "--json", "-q"}, more...)
	for name := range chatPatches {
		if slices.Contains(strings.Split(column, "+"), name) {
			args = append(args, "--patch", name+".json")
		}
	}
	out := bankai(t, home, args...)
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Text
}

// Chat, against one server.
func TestChat(t *testing.T) {
	t.Parallel()
	s := chatServer(t)
	for _, test := range []struct {
		name string
		does func(t *testing.T, s *served)
	}{
		{"two patches", testTwoPatches},
		{"goes on", testGoesOn},
		{"texts as they are", testTextsAsTheyAre},
		{"tokens of bytes", testTokensOfBytes},
		{"aligned", testAligned},
		{"begins", testBegins},
		{"kept in another shape", testKeptShapes},
		{"a patch that is gone", testPatchGone},
		{"in view", testInView},
		{"settings and context", testSettingsAndContext},
		{"two tabs", testTwoTabs},
	} {
		t.Run(test.name, func(t *testing.T) { test.does(t, s) })
	}
}

// A chat with two patches and both of them: what stands on the page is what the command
// prints, the marks are where it differs, and a token tells its numbers.
func testTwoPatches(t *testing.T, s *served) {
	p := open(t, s.url)
	p.see("#view-chat h1")
	p.greedy()
	p.addColumn("words")
	p.addColumn("sums", "words")
	p.seeText(".chips", "sums+words")
	p.ask(1, night)
	texts := map[string]string{}
	for _, column := range []string{"", "sums", "words", "sums+words"} {
		texts[column] = generated(t, s.home, night, column)
		if got := p.said(1, column); got != texts[column]+"⏎" {
			t.Errorf("%q says %q, the command %q", column, got, texts[column])
		}
	}
	if texts[""] == texts["words"] || texts[""] == texts["sums"] {
		t.Fatalf("the patches change nothing: %q", texts)
	}
	for _, column := range []string{"words", "sums", "sums+words"} {
		checkMarks(p, column, texts[""], texts[column])
	}
	checkToken(p, s)
	for _, width := range []int64{320, 3840} {
		p.size(width, 900, "dark")
		p.fits()
	}
	p.size(1280, 900, "light")
}

// checkMarks compares the marks with where two texts part.
func checkMarks(p *tab, column, ofBase, text string) {
	p.Helper()
	parted := 0
	for parted < min(len(ofBase), len(text)) && ofBase[parted] == text[parted] {
		parted++
	}
	var got struct {
		Before string // the text before the first mark
		First  string // the token that is marked as the first
		Name   string
		Marks  int
	}
	got = js[struct {
		Before string
		First  string
		Name   string
		Marks  int
	}](p, fmt.Sprintf(`(() => {
		const line = document.querySelector('.cell[data-column="%s"] .tokens'), first = line.querySelector(".first");
		let before = "";
		for (const t of line.children) { if (t.classList.contains("differs")) break; before += t.textContent; }
		return { Before: before, First: first.textContent, Name: first.ariaLabel, Marks: line.querySelectorAll(".differs").length };
	})()`, column))
	// The token may begin before the place where the texts part.
	if len(got.Before) > parted || len(got.Before)+len(got.First) <= parted || got.Marks == 0 || !strings.Contains(got.Name, "the first difference, the base has") {
		p.Errorf("%q is marked after %q at %q (%s), %d marks; it parts from the base after %q", column, got.Before, got.First, got.Name, got.Marks, text[:parted])
	}
	if verdict := p.text(`.cell[data-column="` + column + `"] .verdict-line`); !strings.Contains(verdict, "differs first at token") {
		p.Errorf("%q: %q", column, verdict)
	}
}

// checkToken looks at what a token tells, by the keyboard and by the mouse, and compares it
// with the API.
func checkToken(p *tab, s *served) {
	p.Helper()
	answer, err := http.Post(s.url+"v1/chat/completions", "application/json",
		strings.NewReader(`{"messages":[{"role":"user","content":"`+night+`"}],"patches":["sums"],"temperature":0,"max_tokens":3,"logprobs":true,"top_logprobs":5}`))
	if err != nil {
		p.Fatal(err)
	}
	defer answer.Body.Close()
	var doc struct {
		Choices []struct {
			LogProbs struct {
				Content []struct {
					Token   string
					LogProb float64
					Top     []struct {
						Token   string
						LogProb float64
					} `json:"top_logprobs"`
				}
			}
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&doc); err != nil {
		p.Fatal(err)
	}
	third := doc.Choices[0].LogProbs.Content[2]
	js[bool](p, `(document.querySelector(".cell[data-column=sums] .token").focus(), true)`)
	p.press(kb.ArrowRight)
	p.press(kb.ArrowRight)
	p.see("#chat-token")
	told := p.text("#chat-token")
	want := []string{fmt.Sprintf("token 3: %.2f %%, log-probability %s", 100*math.Exp(third.LogProb), minus(third.LogProb))}
	for _, o := range third.Top {
		want = append(want, minus(o.LogProb))
	}
	for _, text := range want {
		if !strings.Contains(told, text) {
			p.Errorf("the token tells %q, not %q", told, text)
		}
	}
	if n := js[int](p, `document.querySelectorAll(".cell[data-column=sums] .token[tabindex='0']").length`); n != 1 {
		p.Errorf("a column has %d tab stops", n)
	}
	p.accessible()
	p.press(kb.Escape)
	p.wait(`document.querySelector("#chat-token").hidden`)
	checkPopover(p)
	checkHeard(p)
}

// checkPopover moves the pointer from a token onto what is told of it, which stands above it
// and stays until Escape is pressed, wherever the focus is.
func checkPopover(p *tab) {
	p.Helper()
	p.click(`.cell[data-column="sums"] .first`)
	p.seeText("#chat-token", "the base has")
	js[bool](p, `(document.querySelector("#prompt").focus(), true)`)
	at := js[[4]float64](p, `(() => {
		const token = document.querySelector(".cell[data-column=words] .first");
		token.scrollIntoView({ block: "end" });
		const r = token.getBoundingClientRect();
		return [r.x + r.width / 2, r.y + r.height / 2, r.top, r.x + 2];
	})()`)
	move := func(x, y float64) {
		command(p, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: "mouseMoved", X: x, Y: y})
	}
	move(at[0], at[1])
	p.seeText("#chat-token", "the base has")
	if bottom := js[float64](p, `document.querySelector("#chat-token").getBoundingClientRect().bottom`); bottom > at[2]+1 {
		p.Errorf("what is told of a token ends at %.0f, below the token's top at %.0f", bottom, at[2])
	}
	move(at[3], at[2]-20)
	// Long enough for it to go, if it would.
	if js[bool](p, `new Promise((done) => setTimeout(() => done(document.querySelector("#chat-token").hidden), 500))`) {
		p.Error("what is told of a token is gone when it is pointed at")
	}
	p.press(kb.Escape)
	p.wait(`document.querySelector("#chat-token").hidden`)
}

// checkHeard finds in the tree that is read to people each answer as one text, and its tokens
// as items with names.
func checkHeard(p *tab) {
	p.Helper()
	heard := js[[]string](p, `[...document.querySelectorAll(".cell")].map((c) => {
		const group = c.querySelector("[role=group]"), list = group.querySelector("[role=listbox]"), options = [...list.querySelectorAll("[role=option]")];
		const text = options.filter((o) => !o.classList.contains("end")).map((o) => o.textContent).join("");
		if (group.querySelector(".whole").textContent !== text) return "the whole text is " + group.querySelector(".whole").textContent;
		const unnamed = options.findIndex((o, i) => !o.ariaLabel.startsWith("token " + (i + 1) + ": "));
		return unnamed < 0 && options.every((o) => !o.title) ? "" : "token " + (unnamed + 1) + " has no name";
	})`)
	for i, fault := range heard {
		if fault != "" {
			p.Errorf("column %d: %s", i, fault)
		}
	}
}

func minus(v float64) string { return strings.Replace(fmt.Sprintf("%.4f", v), "-", "−", 1) }
