package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
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

// narrow stands between the page and a server. It lets pieces of answers through as it is
// told to, so that a test can look at the page in the middle of one.
type narrow struct {
	*httptest.Server
	mu    sync.Mutex
	to    *url.URL
	left  int           // pieces of one answer that come through; below 0: all
	more  chan struct{} // closed: the rest comes, too
	asked []string      // the bodies of requests for answers
}

func behind(t *testing.T, s *served) *narrow {
	t.Helper()
	n := &narrow{left: -1}
	n.turnTo(t, s)
	n.Server = httptest.NewServer(&httputil.ReverseProxy{
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // answers are cut off on purpose
		Rewrite: func(r *httputil.ProxyRequest) {
			n.mu.Lock()
			defer n.mu.Unlock()
			r.SetURL(n.to)
			if strings.HasPrefix(r.In.URL.Path, "/v1/") && r.In.Body != nil {
				body, _ := io.ReadAll(r.In.Body)
				n.asked = append(n.asked, string(body))
				r.Out.Body = io.NopCloser(bytes.NewReader(body))
			}
		},
		ModifyResponse: func(a *http.Response) error {
			n.mu.Lock()
			defer n.mu.Unlock()
			if n.left >= 0 && strings.HasPrefix(a.Header.Get("Content-Type"), "text/event-stream") {
				a.Body = &pieces{a.Body, n.left, n.more, a.Request.Context().Done()}
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	t.Cleanup(func() { n.all(); n.CloseClientConnections(); n.Close() })
	return n
}

func (n *narrow) turnTo(t *testing.T, s *served) {
	t.Helper()
	to, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.to = to
}

// let lets so many pieces of each answer through.
func (n *narrow) let(pieces int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.left, n.more = pieces, make(chan struct{})
}

// all lets everything through.
func (n *narrow) all() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.more != nil {
		close(n.more)
	}
	n.left, n.more = -1, nil
}

// requests are those for answers so far.
func (n *narrow) requests() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.asked)
}

// pieces is the body of an answer that stands still after some of its events.
type pieces struct {
	io.ReadCloser
	left int
	more <-chan struct{}
	gone <-chan struct{}
}

func (p *pieces) Read(to []byte) (int, error) {
	if p.left <= 0 {
		select {
		case <-p.more:
		case <-p.gone:
			return 0, io.ErrUnexpectedEOF
		}
	}
	n, err := p.ReadCloser.Read(to[:min(len(to), 1<<9)])
	p.left -= bytes.Count(to[:n], []byte("\n\n"))
	return n, err
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

// A chat with two patches and both of them: what stands on the page is what the command
// prints, the marks are where it differs, and a token tells its numbers.
func TestChatWithTwoPatches(t *testing.T) {
	s := chatServer(t)
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
	p.picture("chat")
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
		Title  string
		Marks  int
	}
	got = js[struct {
		Before string
		First  string
		Title  string
		Marks  int
	}](p, fmt.Sprintf(`(() => {
		const line = document.querySelector('.cell[data-column="%s"] .tokens'), first = line.querySelector(".first");
		let before = "";
		for (const t of line.children) { if (t.classList.contains("differs")) break; before += t.textContent; }
		return { Before: before, First: first.textContent, Title: first.title, Marks: line.querySelectorAll(".differs").length };
	})()`, column))
	// The token may begin before the place where the texts part.
	if len(got.Before) > parted || len(got.Before)+len(got.First) <= parted || got.Marks == 0 || !strings.Contains(got.Title, "the base has") {
		p.Errorf("%q is marked after %q at %q (%s), %d marks; it parts from the base after %q", column, got.Before, got.First, got.Title, got.Marks, text[:parted])
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
	p.click(`.cell[data-column="sums"] .first`)
	p.seeText("#chat-token", "the base has")
	p.press(kb.Escape)
}

func minus(v float64) string { return strings.Replace(fmt.Sprintf("%.4f", v), "-", "−", 1) }

// Asked again, a prompt has another seed, which is told: with it the command draws the same.
// A column that comes later is asked the same. A conversation goes on in each column, from its own answers or from one that is chosen, and
// is there after a reload; an earlier prompt can be changed, and all of it exported.
func TestChatGoesOn(t *testing.T) {
	s := chatServer(t)
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
	checkDraws(p, s, strings.Fields(p.text(".turn-foot"))[1])
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
	p.seeText(`.cell[data-column="sums"] .facts-line`, "ended by itself")
	p.click(`.turn:last-child .cell[data-column="sums"] .carry`)
	p.ask(3, "And")
	checkOneHistory(t, n.requests(), first["sums"])
	p.click(".turn:nth-child(2) .edit")
	p.write(".turn:nth-child(2) textarea", "Once")
	p.click(".ask-edited")
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
	p.click("#delete-all")
	p.click("#delete-all")
	p.wait(`document.querySelectorAll(".turn").length === 0 && localStorage.getItem("bankai.chats") === "[]"`)
}

// checkDraws compares all answers to the first prompt with what the command draws.
func checkDraws(p *tab, s *served, seed string) {
	p.Helper()
	columns := js[[]string](p, `[...document.querySelector(".turn").querySelectorAll(".cell")].map((c) => c.dataset.column)`)
	for _, column := range columns {
		want := generated(p.TB.(*testing.T), s.home, night, column, "--seed", seed, "--temperature", "0.8", "--top-k", "40", "--top-p", "0.95", "--min-p", "0.05")
		if got := p.said(1, column); strings.TrimSuffix(got, "⏎") != want || len(columns) < 2 {
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

// In the middle of an answer it can be stopped, and the server can go: what came stays, and
// the same is asked again when it is back.
func TestChatInTheMiddle(t *testing.T) {
	s := chatServer(t)
	n := behind(t, s)
	p := open(t, n.URL)
	p.see("#view-chat h1")
	p.greedy()
	n.let(8)
	p.write("#prompt", night)
	p.press(kb.Enter)
	p.see(".token")
	p.click("#stop")
	p.answered(1)
	p.seeText(".facts-line", "stopped by you")
	n.all()
	n.let(8)
	p.write("#prompt", night)
	p.press(kb.Enter)
	p.see(".turn:nth-child(2) .token")
	p.press(kb.Escape)
	p.answered(2)
	n.all()

	n.let(8)
	p.write("#prompt", "The derivative of 2x^5 + 4x^3 is")
	p.press(kb.Enter)
	p.see(".turn:nth-child(3) .token")
	came := p.said(3, "")
	p.allow("Failed to load resource", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_INTERNET_DISCONNECTED", "502")
	s.stop()
	n.CloseClientConnections()
	p.answered(3)
	p.seeText("#notice", "broke off")
	p.seeText(".turn:nth-child(3) .facts-line", "broken off")
	if got := p.said(3, ""); came == "" || !strings.HasPrefix(got, came) {
		t.Errorf("what came was %q, now it is %q", came, got)
	}
	n.all()
	p.offline(true)
	p.click(".retry")
	p.answered(3)
	p.seeText("#notice", "cannot be reached")
	p.accessible()
	p.offline(false)
	n.turnTo(t, chatServer(t))
	p.click(".retry")
	p.answered(3)
	p.wait(`document.querySelector("#notice").hidden && !document.querySelector(".retry")`)
	p.seeText(".turn:nth-child(3) .facts-line", "ended by itself")
}

// Whatever is written is shown as it was, in every script, and nothing of it is markup.
func TestChatShowsTextsAsTheyAre(t *testing.T) {
	p := open(t, chatServer(t).url)
	p.see("#view-chat h1")
	for i, prompt := range []string{
		"Füße über Öl – straßenweise", "مرحبا، كيف حالك؟", "👩‍👩‍👧 🇩🇪 é", `<script>globalThis.bad = 1</script>`, `<img src=x onerror="globalThis.bad = 1">`,
	} {
		p.ask(i+1, prompt)
		if got := js[string](p, `[...document.querySelectorAll(".prompt > .said")].at(-1).textContent`); got != prompt {
			t.Errorf("%q is shown as %q", prompt, got)
		}
		if p.said(i+1, "") == "" {
			t.Errorf("%q has no answer", prompt)
		}
	}
	if js[bool](p, `"bad" in globalThis || document.querySelector("main script, main img") !== null`) {
		t.Error("a prompt became markup")
	}
	if dir := js[string](p, `getComputedStyle(document.querySelectorAll(".prompt > .said")[1]).direction`); dir != "rtl" {
		t.Errorf("Arabic is written %s", dir)
	}
	p.accessible()
}

// Tokens that are parts of a character make one piece of the text, and what a model says is
// no markup either. The tokens are such as the server sends.
func TestChatTokensOfBytes(t *testing.T) {
	p := open(t, serve(t, "").url)
	p.see("#view-chat h1")
	got := js[[]string](p, `import("./page/chat-tokens.js").then(({ TokenLine }) => {
		const token = (text, bytes) => [text, -0.5, [[text, -0.5]], ...(bytes ? [bytes] : [])];
		const base = new TokenLine("base"), line = new TokenLine("patch", base);
		for (const t of [token("a"), token("bytes:\\xf0\\x9f", [0xf0, 0x9f]), token("bytes:\\x98\\x80", [0x98, 0x80]), token("<b>x</b>"), token("c")]) line.push(t);
		for (const t of [token("a"), token("bytes:\\xf0\\x9f", [0xf0, 0x9f]), token("bytes:\\x98\\x81", [0x98, 0x81]), token("<b>x</b>")]) base.push(t);
		base.end("");
		line.end("");
		return [...line.element.children].map((e) => e.className + "|" + e.textContent + "|" + e.title).concat(line.verdict());
	})`)
	want := []string{
		"token|a|", `token differs first|😀|the base has bytes:\x98\x81 here`, "token|<b>x</b>|", "token differs|c|the base has ended before",
		`differs first at token 3: “bytes:\x98\x80”, the base has “bytes:\x98\x81”`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	checkManyTokens(p)
}

// checkManyTokens finds that a thousand tokens are compared once each, so that they take time
// in proportion to their number.
func checkManyTokens(p *tab) {
	p.Helper()
	steps := js[[]int](p, `import("./page/chat-tokens.js").then(({ TokenLine }) => {
		const base = new TokenLine("base"), lines = [1, 2, 3, 4, 5].map(() => new TokenLine("patch", base));
		let compared = 0;
		for (const line of lines) Object.defineProperty(line, "checked", { get() { return this.at ?? 0; }, set(v) { this.at = v; compared++; } });
		for (let i = 0; i < 1000; i++) for (const line of [...lines, base]) line.push([" t" + i % (line === base ? 7 : 8), -1, []]);
		return [compared, lines[4].element.childElementCount];
	})`)
	if steps[0] != 5*1000 || steps[1] != 1000 {
		p.Errorf("%d comparisons, %d elements", steps[0], steps[1])
	}
}

// A server that wants a key is asked for with one, once, and what was typed stays.
func TestChatWithKey(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte("open-sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := chatServer(t, "--api-key-file", keys)
	p := open(t, "about:blank")
	p.origin = strings.TrimSuffix(s.url, "/")
	p.allow("401")
	p.do(chromedp.Navigate(s.url))
	p.see("#key-value")
	p.accessible()
	p.write("#key-value", "wrong")
	p.click("#key-use")
	p.seeText("#key-why", "key")
	p.wait(`document.querySelector("#key").open && document.querySelector("#key-value").value === ""`)
	p.write("#key-value", "open-sesame")
	p.click("#key-use")
	p.see("#view-chat h1")
	p.ask(1, night)
	p.seeText(".facts-line", "ended by itself")
}
