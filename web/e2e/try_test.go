package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// engineBuilt builds the engine for browsers, once for all tests, so that they never run an
// old one.
var engineBuilt = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(filepath.Dir(program), "engine")
	if os.Getenv("BANKAI_PROGRAM") != "" {
		var err error
		if dir, err = os.MkdirTemp("", "bankai-engine-"); err != nil {
			return "", err
		}
	}
	build := exec.Command("go", "run", "./web/try/gen", "-out", dir)
	build.Dir = root
	out, err := build.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("building the engine: %w\n%s", err, out)
	}
	return dir, err
})

// published is a page without a server, as a host of files has it: under a path, and
// reachable only while it is up.
type published struct {
	url, dir string
	home     string
	*httptest.Server
}

// publish exports the page and has a host serve it.
func publish(t *testing.T, args ...string) *published {
	t.Helper()
	if browser == nil {
		t.Skipf("SKIPPED: there is no browser: %s", whyNot)
	}
	engine, err := engineBuilt()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	dir := filepath.Join(home, "site")
	bankai(t, home, append([]string{"web", "export", dir, "--wasm", engine}, args...)...)
	files := http.StripPrefix("/some/where/", http.FileServer(http.Dir(dir)))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store") // a file that a test changes twice in a second would look the same
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return &published{s.URL + "/some/where/", dir, home, s}
}

// tried opens the page in a tab, or loads it anew there, and waits until its model is loaded.
func (p *tab) tried(s *published) {
	p.Helper()
	p.do(chromedp.Navigate(s.url))
	p.see("#ask form")
}

// TestTry drives the page without a server: one export, in one tab.
func TestTry(t *testing.T) {
	t.Parallel()
	s := publish(t)
	p := open(t, s.url)
	for _, part := range []struct {
		name string
		test func(t *testing.T, p *tab, s *published)
	}{
		{"what fails is said", failuresAreSaid},
		{"the same bits", sameBits},
		{"for people", isForPeople},
		{"patches of one's own", ownPatches},
		{"patches that do not go together", conflict},
		{"stopped", isStopped},
		{"answers, without a network", answers}, // the last: the host is gone after it
	} {
		t.Run(part.name, p.within(t, func(t *testing.T) { part.test(t, p, s) }))
	}
}

// continued waits for the answers of the newest prompt, and returns what they say.
func (p *tab) continued(cells int) (texts []string) {
	p.Helper()
	p.wait(fmt.Sprintf("document.querySelectorAll('.turn:first-child .cell').length === %d && !document.querySelector('#stop:enabled') && ![...document.querySelectorAll('.turn:first-child .facts-line')].some((e) => e.textContent === '…')", cells))
	return js[[]string](p, "[...document.querySelectorAll('.turn:first-child .cell .tokens')].map((e) => [...e.querySelectorAll('.token:not(.end)')].map((t) => t.textContent).join(''))")
}

// generated is what the command line continues a prompt with.
func (s *published) generated(t *testing.T, prompt string, patches ...string) string {
	t.Helper()
	args := []string{"generate", "--json", "--no-escape", "--prompt", prompt, "--stop", `\n`}
	for _, patch := range patches {
		args = append(args, "--patch", patch)
	}
	var doc struct{ Text string }
	if err := json.Unmarshal([]byte(bankai(t, s.home, args...)), &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Text
}

// patchOf is the file of a patch of the page's.
func (s *published) patchOf(n int) string {
	return filepath.Join(s.dir, fmt.Sprintf("patch-%d.bankai", n))
}

// The page has the same bits as the program, with and without patches.
func sameBits(t *testing.T, p *tab, s *published) {
	p.tried(s)
	var native []string
	for _, patches := range [][]string{nil, {"--patch", s.patchOf(1)}, {"--patch", s.patchOf(1), "--patch", s.patchOf(2)}} {
		file := filepath.Join(t.TempDir(), "logits")
		bankai(t, s.home, append([]string{"logits", "--prompt", "d/dx [x^3] =", "--all", "--out", file, "--json"}, patches...)...)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		native = append(native, fmt.Sprintf("%x", sha256.Sum256(data)))
	}
	got := js[[]string](p, `import(new URL("try.js", location)).then(({ app }) => app.engine.logits({ prompt: "d/dx [x^3] =", sets: [[], ["derivatives"], ["derivatives", "integrals"]] }))`)
	if fmt.Sprint(got) != fmt.Sprint(native) {
		t.Errorf("the digests of the logits are\n%v, the program's\n%v", got, native)
	}
}

// Answers are those of "bankai generate", side by side, and need no network.
func answers(t *testing.T, p *tab, s *published) {
	p.tried(s)
	s.Close() // from here on there is nothing to ask
	p.offline(true)
	for _, prompt := range []string{"The derivative of x^4 + 9x^3 is", "d/dx [2x^5 + 4x^3] =", "At night the <b>€</b> שלום"} {
		p.write("#prompt", prompt)
		p.click("#ask button.main")
		got := p.continued(4)
		want := []string{s.generated(t, prompt), s.generated(t, prompt, s.patchOf(1)), s.generated(t, prompt, s.patchOf(2)), s.generated(t, prompt, s.patchOf(1), s.patchOf(2))}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %q, the program says %q", prompt, got, want)
		}
		t.Logf("%s: %s", prompt, strings.ReplaceAll(p.text(".turn:first-child"), "\n", " | "))
	}
	for _, name := range []string{"derivatives", "integrals"} {
		p.click("input[value='" + name + "']")
	}
	p.click("#ask button.main")
	if got := p.continued(1); len(got) != 1 {
		t.Errorf("without patches there are %d answers", len(got))
	}
	// How fast it is, with answers that are long enough to tell.
	p.click("#ask summary")
	p.click("#line")
	p.write("#most", "150")
	p.write("#prompt", "At night the")
	p.click("#ask button.main")
	p.continued(1)
	t.Logf("one answer: %s", p.text(".turn:first-child .facts-line"))
	p.click("input[value='derivatives']")
	p.click("#ask button.main")
	p.continued(2)
	t.Logf("two side by side, each: %s", p.text(".turn:first-child .facts-line"))
}

// With answers everything fits, at every width, and axe finds nothing, light and dark.
func isForPeople(t *testing.T, p *tab, s *published) {
	p.tried(s)
	for _, asks := range []string{".example", "#ask button.main"} { // a button that was pressed keeps the focus
		p.click(asks)
		p.continued(4)
		if !js[bool](p, "document.activeElement.matches("+quoted(asks)+")") {
			t.Errorf("after %s the focus is on %s", asks, js[string](p, "document.activeElement.outerHTML.slice(0, 80)"))
		}
	}
	for _, width := range []int64{320, 1280, 3840} {
		p.size(width, 900, "light")
		p.fits()
	}
	p.accessible()
	p.size(1280, 900, "light")
	js[bool](p, "(scrollTo(0, 0), true)")
	p.picture("try")
}

// Patches of one's own are checked: what is none for the model is refused, with the reason,
// and whatever a file says of itself stays text.
func ownPatches(t *testing.T, p *tab, s *published) {
	p.tried(s)
	good, err := os.ReadFile(s.patchOf(1))
	if err != nil {
		t.Fatal(err)
	}
	tampered := bytes.Clone(good)
	tampered[len(tampered)/2] ^= 1
	const flips = `"flips": [{"layer": 1, "proj": "gate_proj", "row": 7}]`
	for name, c := range map[string]struct{ content, reason string }{
		"tampered.bankai": {string(tampered), "tampered: "},
		"foreign.json":    {`{` + flips + `, "metadata": {"bankai": {"base": "` + strings.Repeat("ab", 32) + `"}}}`, "made for model abababababab"},
		"beyond.json":     {`{"flips": [{"layer": 99, "proj": "gate_proj", "row": 7}]}`, "blk.99"},
		"picture.json":    {"\x89PNG", "picture: "},
	} {
		p.drop("main", map[string][]byte{name: []byte(c.content)})
		p.seeText("#refused", c.reason)
		if n := js[int](p, "document.querySelectorAll('.cards > li').length"); n != 2 {
			t.Errorf("%s: there are %d patches", name, n)
		}
	}
	const hostile = `<img src=x onerror="document.title='fooled'">`
	p.drop("main", map[string][]byte{
		"derivatives.bankai": good,
		hostile + ".json":    []byte(`{"name": "x", "description": "` + strings.ReplaceAll(hostile, `"`, `\"`) + `\u202e", ` + flips + `}`),
	})
	p.wait("document.querySelectorAll('.cards > li').length === 4")
	p.seeText("#patches", "derivatives 2")
	p.seeText("#patches", hostile)
	p.seeText("#patches", "does not say which model it is for")
	if p.text("#refused") != "" {
		t.Errorf("refused: %s", p.text("#refused"))
	}
	// What was refused is not said any more once something else is done.
	p.drop("main", map[string][]byte{"none.json": []byte("{}")})
	p.see("#refused")
	// Twice the same patch is none.
	p.click("input[value='integrals']")
	p.click(`input[value^='<img']`)
	p.write("#prompt", hostile)
	p.click("#ask button.main")
	if got := p.continued(4); got[0] != got[3] || got[1] != got[2] {
		t.Errorf("under two equal patches it says %q", got)
	}
	if p.text("#refused") != "" {
		t.Errorf("still refused: %s", p.text("#refused"))
	}
	if js[bool](p, "document.title === 'fooled' || !!document.querySelector('main img')") {
		t.Error("text became markup")
	}
	p.accessible()
}

// Patches of which one says that they do not go together are refused, and what was typed
// stays.
func conflict(t *testing.T, p *tab, s *published) {
	bankai(t, s.home, "patch", "describe", s.patchOf(1), "-o", "apart.bankai", "--conflicts-with", s.patchOf(2)+"=both spoil <i>sums</i>")
	apart, err := os.ReadFile(filepath.Join(s.home, "apart.bankai"))
	if err != nil {
		t.Fatal(err)
	}
	p.tried(s)
	p.drop("main", map[string][]byte{"apart.bankai": apart})
	p.seeText("#patches", "apart")
	p.click("input[value='derivatives']")
	p.write("#prompt", "5 + 7 =")
	p.click("#ask button.main")
	p.seeText("#notice", "apart must not be combined with integrals (both spoil <i>sums</i>): switch one of them off")
	p.click("input[value='integrals']")
	p.click("#ask button.main")
	p.continued(2)
	if p.text("#notice") != "" {
		t.Errorf("still said: %s", p.text("#notice"))
	}
}

// A long answer is stopped, by the button or by Escape, and what there is of it stays.
func isStopped(t *testing.T, p *tab, s *published) {
	p.tried(s)
	p.click("#ask summary")
	p.click("#line")
	p.write("#most", "100000")
	for _, stop := range []string{"document.querySelector('#stop').click()", "document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape' }))"} {
		// As soon as the first token is there: however fast the machine is, it is not the last.
		js[bool](p, `(() => {
			const watch = new MutationObserver(() => {
				if (!document.querySelector(".turn:first-child .token")) return;
				watch.disconnect();
				`+stop+`;
			});
			watch.observe(document.querySelector("#answers"), { childList: true, subtree: true });
			return true;
		})()`)
		p.click("#ask button.main")
		p.continued(4)
		p.seeText(".turn:first-child .cell", "stopped by you")
		if n := js[int](p, "document.querySelectorAll('.turn:first-child .cell[data-set=\"0\"] .token').length"); n == 0 {
			t.Error("nothing is left of the answer")
		}
	}
}

// What keeps the page from running is said in words.
func failuresAreSaid(t *testing.T, p *tab, s *published) {
	command(p, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: "delete globalThis[name]"})
	p.allow("404")
	for _, c := range []struct {
		name, lacks, file string
		change            func(file string) error
		reason            string
	}{
		{"no WebAssembly", "WebAssembly", "", nil, "This browser has no WebAssembly"},
		{"no DecompressionStream", "DecompressionStream", "", nil, "no DecompressionStream"},
		{"no model", "", "model.gguf", os.Remove, "model.gguf: the host answers 404"},
		{"half a model", "", "model.gguf", func(f string) error { return os.Truncate(f, 1000) }, "model.gguf has 1000 bytes, not the 880032 of the manifest"},
		{"another engine", "", "bankai.wasm.gz", func(f string) error { return os.WriteFile(f, []byte("<html>"), 0o666) }, "WebAssembly"},
		{"no manifest", "", "manifest.json", os.Remove, "manifest.json: the host answers 404"},
	} {
		t.Run(c.name, p.within(t, func(t *testing.T) {
			if c.change != nil {
				file := filepath.Join(s.dir, c.file)
				whole, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				defer os.WriteFile(file, whole, 0o666)
				if err := c.change(file); err != nil {
					t.Fatal(err)
				}
			}
			js[bool](p, "(name = "+quoted(c.lacks)+", true)") // which outlives the page
			p.do(chromedp.Navigate(s.url))
			p.seeText("#notice", c.reason)
		}))
	}
	js[bool](p, "(name = '', true)")
	t.Run("from the disk", func(t *testing.T) {
		p := open(t, s.url)
		p.allow("file://", "CORS", "elsewhere")
		p.do(chromedp.Navigate("file://" + filepath.Join(s.dir, "index.html")))
		p.seeText("#unstarted", "python3 -m http.server")
	})
}
