// Package e2e drives the page in a browser, Chromium without a window, against the real
// server: the program itself, as people start it.
//
// It is a module of its own, so that the program's has no part of it. Without Chromium
// (Debian: chromium) and axe-core (npm ci, in this folder) the tests say what they skip;
// with BANKAI_REQUIRE_BROWSER set they fail instead.
package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	cdplog "github.com/chromedp/cdproto/log"
)

var (
	program  string          // the binary under test
	browser  context.Context // nil: there is none
	whyNot   string          // there is no browser
	axe      string          // the source of axe-core; "" if it is not installed
	pictures = flag.Bool("pictures", false, "write the pictures of the documentation anew")
)

// root is the folder of the project.
const root = "../.."

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "bankai-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if program = os.Getenv("BANKAI_PROGRAM"); program == "" {
		program = filepath.Join(dir, "bankai")
		build := exec.Command("go", "build", "-o", program, "./cmd/bankai")
		build.Dir = root
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building the program: %v\n%s", err, out)
			return 1
		}
	}
	if program, err = filepath.Abs(program); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	source, _ := os.ReadFile("node_modules/axe-core/axe.min.js")
	axe = string(source)
	stop := startBrowser(dir)
	defer stop()
	if os.Getenv("BANKAI_REQUIRE_BROWSER") != "" && (browser == nil || axe == "") {
		fmt.Fprintf(os.Stderr, "there must be a browser (%s) and axe-core (%d bytes)\n", whyNot, len(axe))
		return 1
	}
	return m.Run()
}

// startBrowser starts the one browser of all tests.
func startBrowser(dir string) (stop func()) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		if path, err = exec.LookPath("google-chrome"); err != nil {
			whyNot = "neither chromium nor google-chrome is installed"
			return func() {}
		}
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.DisableGPU,
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("lang", "en-US"),
		chromedp.Flag("font-render-hinting", "none"), chromedp.Flag("user-data-dir", filepath.Join(dir, "profile")),
	}
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	all, cancelAll := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(all)
	if err := chromedp.Do(ctx); err != nil {
		whyNot = err.Error()
		cancel()
		cancelAll()
		return func() {}
	}
	browser = ctx
	return func() { chromedp.Cancel(ctx); cancel(); cancelAll() }
}

// served is a server that runs for a test.
type served struct {
	url  string // with a slash at its end
	home string // BANKAI_HOME
	stop func() // at once, as a crash would; it may be called twice
	pid  int
}

// environment is that of commands of a test: a library and settings of their own. They
// compute with one thread, as several of them, and the browser, run side by side.
func environment(home string) []string {
	return append(os.Environ(), "BANKAI_THREADS=1", "BANKAI_HOME="+home, "BANKAI_CONFIG="+filepath.Join(home, "no-config"), "BANKAI_API_KEY=", "BANKAI_MODEL=")
}

// bankai runs the program in a folder, with a library, and returns what it prints.
func bankai(t testing.TB, home string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Dir = environment(home), home
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("bankai %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// serve starts a server with the patches of a library in home, or a new one if it is "".
func serve(t testing.TB, home string, args ...string) *served {
	t.Helper()
	if browser == nil {
		t.Skipf("SKIPPED: there is no browser: %s", whyNot)
	}
	if home == "" {
		home = t.TempDir()
	}
	if !strings.Contains(strings.Join(args, " "), "--listen") {
		args = append(args, "--listen", "127.0.0.1:0")
	}
	cmd := exec.Command(program, append([]string{"serve", "--json"}, args...)...)
	cmd.Env, cmd.Dir = environment(home), home
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &served{home: home, pid: cmd.Process.Pid, stop: sync.OnceFunc(func() { cmd.Process.Kill(); cmd.Wait() })}
	t.Cleanup(func() {
		s.stop()
		if said, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("the server's log:\n%s", said)
		}
	})
	var doc struct {
		Listening string `json:"listening"`
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err := json.Unmarshal(line, &doc); err != nil {
		said, _ := os.ReadFile(log.Name())
		t.Fatalf("the server does not say where it listens: %v\n%s", err, said)
	}
	if s.url = doc.Listening + "/"; err != nil {
		t.Fatal(err)
	}
	return s
}

// tab is a page in the browser. What is an error on it, and what it loads from elsewhere,
// fails the test in the end.
type tab struct {
	testing.TB
	ctx    context.Context
	origin string

	mu      sync.Mutex
	faults  []string
	allowed []string // parts of what is no fault
}

// open opens a page in a new tab, of 1280 by 900 pixels.
func open(t testing.TB, url string) *tab {
	t.Helper()
	if browser == nil {
		t.Skipf("SKIPPED: there is no browser: %s", whyNot)
	}
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	ctx, cancelTime := context.WithTimeout(ctx, 3*time.Minute)
	p := &tab{TB: t, ctx: ctx, origin: strings.Join(strings.SplitN(url, "/", 4)[:3], "/")}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the page says:\n%s", p.text("body"))
		}
		chromedp.Cancel(ctx)
		cancelTime()
		cancel()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, f := range p.faults {
			if !slices.ContainsFunc(p.allowed, func(part string) bool { return strings.Contains(f, part) }) {
				t.Errorf("on the page: %s", f)
			}
		}
	})
	p.do(chromedp.EmulateViewport(1280, 900))
	if err := chromedp.Listen(ctx, p.note); err != nil {
		t.Fatal(err)
	}
	command(p, network.Enable, network.EnableParams{})
	command(p, runtime.Enable, cdp.Empty{})
	command(p, cdplog.Enable, cdp.Empty{})
	command(p, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true}) // as if it were the tab in front: tests run side by side
	p.do(chromedp.Navigate(url))
	return p
}

// within has a test use a tab of another one.
func (p *tab) within(t *testing.T, use func(t *testing.T)) func(t *testing.T) {
	return func(inner *testing.T) {
		p.TB = inner
		defer func() { p.TB = t }()
		use(inner)
	}
}

// note keeps what goes wrong on a page.
func (p *tab) note(ev any) {
	fault := ""
	switch e := ev.(type) {
	case *runtime.EventExceptionThrown:
		fault = "an exception: " + e.ExceptionDetails.Text
		if o := e.ExceptionDetails.Exception; o != nil {
			fault += " " + o.Description
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" || e.Type == "assert" {
			fault = fmt.Sprintf("console.%s: %v", e.Type, argsOf(e.Args))
		}
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			fault = fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		u := e.Request.URL
		if !strings.HasPrefix(u, p.origin+"/") && !strings.HasPrefix(u, "data:") && !strings.HasPrefix(u, "blob:"+p.origin) && u != "about:blank" {
			fault = "a request to elsewhere: " + u
		}
	}
	if fault == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, fault)
}

func argsOf(args []*runtime.RemoteObject) (all []string) {
	for _, a := range args {
		all = append(all, string(a.Value)+a.Description)
	}
	return all
}

// allow says that something is no fault, be it that it was already seen: the browser tells of
// every answer that is an error.
func (p *tab) allow(parts ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.allowed = append(p.allowed, parts...)
}

// do does something in the tab.
func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.Fatal(err)
	}
}

// command sends the browser a command about the tab.
func command[P, R any](p *tab, c cdp.Command[P, R], params P) {
	p.Helper()
	if _, err := chromedp.Call(p.ctx, c, params); err != nil {
		p.Fatal(err)
	}
}

// js is the value of an expression on the page, after a promise if it is one.
func js[T any](p *tab, expression string) T {
	p.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.Fatalf("%s: %v", expression, err)
	}
	return v
}

// quoted is a text as JavaScript writes it.
func quoted(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}

// wait waits until an expression is true, at most a minute.
func (p *tab) wait(expression string) {
	p.Helper()
	for end := time.Now().Add(time.Minute); ; {
		if js[bool](p, "!!("+expression+")") {
			return
		}
		if time.Now().After(end) {
			p.Fatalf("still not: %s", expression)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// find is JavaScript for the one element that a selector names and that can be seen.
func find(selector string) string {
	return "[...document.querySelectorAll(" + quoted(selector) + ")].filter((e) => e.checkVisibility()).at(0)"
}

// see waits until an element can be seen.
func (p *tab) see(selector string) { p.Helper(); p.wait(find(selector)) }

// seeText waits until an element can be seen that says something.
func (p *tab) seeText(selector, text string) {
	p.Helper()
	p.see(selector)
	p.wait(find(selector) + "?.innerText.includes(" + quoted(text) + ")")
}

// text is what is to be read in an element, "" if there is none.
func (p *tab) text(selector string) string {
	p.Helper()
	return js[string](p, find(selector)+"?.innerText ?? ''")
}

// click clicks an element with the mouse, after it was scrolled to. A page that goes on may
// move the element from under the mouse: then whatever is there instead does not get the
// click, and it is looked for again.
func (p *tab) click(selector string) {
	p.Helper()
	for end := time.Now().Add(time.Minute); ; {
		p.see(selector)
		at := js[[]float64](p, `(() => {
			const e = `+find(selector)+`;
			if (!e) return [];
			e.scrollIntoView({ block: "center", behavior: "instant" });
			const r = e.getBoundingClientRect();
			globalThis.clicked?.end();
			const types = ["pointerdown", "mousedown", "pointerup", "mouseup", "click"], clicked = { hit: false, missed: "" };
			const judge = (event) => {
				if (event.composedPath().includes(e)) return void (clicked.hit ||= event.type === "click");
				if (event.type === "click" && clicked.hit) return; // of a label, which clicks what it is for
				clicked.missed = event.target.outerHTML?.slice(0, 200);
				event.preventDefault();
				event.stopImmediatePropagation();
			};
			clicked.end = () => types.forEach((type) => removeEventListener(type, judge, true));
			types.forEach((type) => addEventListener(type, judge, true));
			globalThis.clicked = clicked;
			return [r.x + r.width / 2, r.y + r.height / 2];
		})()`)
		missed := "it was gone"
		if len(at) == 2 {
			p.do(chromedp.MouseClickXY(at[0], at[1]))
			missed = js[string](p, `(() => {
				const { clicked } = globalThis; // another page has none
				clicked?.end();
				return !clicked || clicked.hit ? "" : clicked.missed || "nothing";
			})()`)
		}
		if missed == "" {
			return
		}
		if time.Now().After(end) {
			p.Fatalf("%s cannot be clicked: %s is there", selector, missed)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// write clears a field and types a text into it.
func (p *tab) write(selector, text string) {
	p.Helper()
	p.see(selector)
	js[bool](p, "(() => { const e = "+find(selector)+"; e.focus(); e.select?.(); return true; })()")
	p.press("\b")
	if text != "" {
		p.do(chromedp.KeyEvent(text))
	}
}

// press presses keys, as those of package kb, wherever the focus is.
func (p *tab) press(keys string) { p.Helper(); p.do(chromedp.KeyEvent(keys)) }

// choose chooses an option of a select by its value, as soon as it is there.
func (p *tab) choose(selector, value string) {
	p.Helper()
	p.see(selector)
	p.wait("[..." + find(selector) + ".options].some((o) => o.value === " + quoted(value) + ")")
	js[bool](p, "(() => { const e = "+find(selector)+"; e.value = "+quoted(value)+"; e.dispatchEvent(new Event('input', {bubbles: true})); e.dispatchEvent(new Event('change', {bubbles: true})); return true; })()")
}

// drop drops files on an element, each with its name and content.
func (p *tab) drop(selector string, files map[string][]byte) {
	p.Helper()
	p.see(selector)
	data, _ := json.Marshal(files) // bytes become base64
	js[bool](p, `(() => {
		const all = new DataTransfer();
		for (const [name, content] of Object.entries(`+string(data)+`))
			all.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name));
		const e = `+find(selector)+`;
		for (const type of ["dragenter", "dragover", "drop"]) e.dispatchEvent(new DragEvent(type, { dataTransfer: all, bubbles: true, cancelable: true }));
		return true;
	})()`)
}

// size gives the page another size, and a look: "light" or "dark".
func (p *tab) size(width, height int64, look string) {
	p.Helper()
	p.do(chromedp.EmulateViewport(width, height))
	command(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
}

// fits fails if the page is wider than the window.
func (p *tab) fits() {
	p.Helper()
	if over := js[int](p, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
		wide := js[[]string](p, `[...document.querySelectorAll("main *")].filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll")).map((e) => e.tagName + "." + e.className).slice(0, 8)`)
		p.Errorf("the page is %d pixels wider than the window: %v", over, wide)
	}
}

// accessible fails with whatever axe finds on the page as it is now, light and dark.
func (p *tab) accessible() {
	p.Helper()
	if axe == "" {
		p.Log("SKIPPED: axe-core is not installed (npm ci, in web/e2e)")
		return
	}
	if !js[bool](p, "!!globalThis.axe") {
		js[bool](p, "(() => {"+axe+"\nreturn true; })()")
	}
	for look, rules := range map[string]string{"light": "", "dark": "{runOnly: ['color-contrast']}"} { // colours are all that differs
		command(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
		for _, v := range js[[]string](p, `axe.run(`+rules+`).then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.target.join(" ") + ": " + n.failureSummary.replaceAll("\n", " "))))`) {
			p.Errorf("axe, %s: %s", look, v)
		}
	}
}

// told fails where the reader's own colours, which the system forces on pages, take away what
// elements tell: each that a selector names has a background of its own then, or a line
// around or below it. There must be some.
func (p *tab) told(selectors ...string) {
	p.Helper()
	command(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "forced-colors", Value: "active"}}})
	defer command(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{})
	for _, selector := range selectors {
		all := js[[]string](p, `(() => {
			const canvas = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g).slice(0, 3).join();
			const filled = (color) => { const [r, g, b, a = "1"] = color.match(/[\d.]+/g); return Number(a) > 0 && [r, g, b].join() !== canvas; };
			const line = (s, name) => s[name + "Style"] !== "none" && parseFloat(s[name + "Width"]) > 0;
			return [...document.querySelectorAll(`+quoted(selector)+`)].map((e) => {
				const s = getComputedStyle(e);
				const told = filled(s.backgroundColor) || line(s, "outline") || line(s, "borderTop") || s.textDecorationLine.includes("underline");
				return told ? "" : e.outerHTML.slice(0, 80);
			});
		})()`)
		if len(all) == 0 {
			p.Errorf("there is no %s", selector)
		}
		if lost := slices.DeleteFunc(all, func(s string) bool { return s == "" }); len(lost) > 0 {
			p.Errorf("in forced colours %d of %s tell nothing: %s", len(lost), selector, lost[0])
		}
	}
}

// picture writes what the page shows into docs/page, with -pictures.
func (p *tab) picture(name string) {
	p.Helper()
	if !*pictures {
		return
	}
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(root, "docs/page"), 0o777); err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "docs/page", name+".png"), png, 0o666); err != nil {
		p.Fatal(err)
	}
}

// cutOff are the parameters of Network.emulateNetworkConditionsByRule with the one that
// Chromium up to 148 wants and later ones have no more.
type cutOff struct {
	network.EmulateNetworkConditionsByRuleParams
	Offline bool `json:"offline"`
}

// offline cuts the page off from the network, or connects it again.
func (p *tab) offline(off bool) {
	p.Helper()
	command(p, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: off, DownloadThroughput: -1, UploadThroughput: -1})
	rules := network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{{Offline: off, DownloadThroughput: -1, UploadThroughput: -1}}}
	command(p, cdp.Command[cutOff, network.EmulateNetworkConditionsByRuleResult](network.EmulateNetworkConditionsByRule), cutOff{rules, off})
}
