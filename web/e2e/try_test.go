package e2e

import (
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
	s := httptest.NewServer(http.StripPrefix("/some/where/", http.FileServer(http.Dir(dir))))
	t.Cleanup(s.Close)
	return &published{s.URL + "/some/where/", dir, home, s}
}

// tried opens the page and waits until its model is loaded.
func tried(t *testing.T, s *published) *tab {
	t.Helper()
	p := open(t, s.url)
	p.see("#ask form")
	return p
}

// answered waits for the answers of the newest prompt, and returns what they say.
func (p *tab) answered(cells int) (texts []string) {
	p.Helper()
	p.wait(fmt.Sprintf("document.querySelectorAll('.turn:first-child .cell').length === %d && !document.querySelector('#stop:enabled') && document.querySelector('.turn:first-child .summary').textContent", cells))
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
func TestTrySameBits(t *testing.T) {
	s := publish(t)
	p := tried(t, s)
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
func TestTryAnswers(t *testing.T) {
	s := publish(t)
	p := tried(t, s)
	s.Close() // from here on there is nothing to ask
	p.offline(true)
	for _, prompt := range []string{"The derivative of x^4 + 9x^3 is", "d/dx [2x^5 + 4x^3] =", "At night the <b>€</b> שלום"} {
		p.write("#prompt", prompt)
		p.click("#ask button.main")
		got := p.answered(2)
		want := []string{s.generated(t, prompt), s.generated(t, prompt, s.patchOf(1), s.patchOf(2))}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %q, the program says %q", prompt, got, want)
		}
		t.Logf("%s: %s", prompt, strings.ReplaceAll(p.text(".turn:first-child"), "\n", " | "))
	}
	for _, name := range []string{"derivatives", "integrals"} {
		p.click("input[value='" + name + "']")
	}
	p.click("#ask button.main")
	if got := p.answered(1); len(got) != 1 {
		t.Errorf("without patches there are %d answers", len(got))
	}
	t.Logf("base alone: %s", p.text(".turn:first-child .facts-line"))
}

// Everything fits, at every width, light and dark, and axe finds nothing: while it loads,
// when it is loaded, and with answers.
func TestTryIsForPeople(t *testing.T) {
	s := publish(t)
	p := tried(t, s)
	p.click(".example")
	p.answered(2)
	for _, width := range []int64{320, 1280, 3840} {
		p.size(width, 900, "light")
		p.fits()
	}
	p.size(1280, 1100, "light")
	p.accessible()
	p.picture("try")
}
