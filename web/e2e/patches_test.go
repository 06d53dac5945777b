package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// claimed is a claim in a patch file.
type claimed struct {
	Name   string  `json:"name"`
	Total  int     `json:"total"`
	Before int     `json:"before"`
	After  int     `json:"after"`
	Fixed  int     `json:"fixed"`
	Broke  int     `json:"broke"`
	PValue float64 `json:"p_value"`
}

// said is what a patch file says of itself.
type said struct {
	name, about, author, base string
	claims                    []claimed
	conflicts                 []map[string]string
}

// jsonPatch is a patch of whole rows of the demo model in the JSON form.
func jsonPatch(t testing.TB, of said, rows ...int) []byte {
	t.Helper()
	flips := []map[string]any{}
	for _, r := range rows {
		flips = append(flips, map[string]any{"layer": 1, "proj": "up_proj", "row": r})
	}
	own := map[string]any{"claims": of.claims}
	if of.base != "" {
		own["base"] = of.base
	}
	meta := map[string]any{"author": of.author, "bankai": own}
	if of.conflicts != nil {
		meta["conflicts"] = of.conflicts
	}
	data, err := json.Marshal(map[string]any{"version": 1, "format": "bankai_row_xor_v1", "name": of.name, "description": of.about, "flips": flips, "metadata": meta})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// compact is a patch in the compact form, bound to the demo model, in the home of a test as
// NAME.bankai.
func compact(t testing.TB, home, name string, of said, rows ...int) []byte {
	t.Helper()
	in := filepath.Join(home, name+".in.json")
	if err := os.WriteFile(in, jsonPatch(t, of, rows...), 0o666); err != nil {
		t.Fatal(err)
	}
	bankai(t, home, "patch", "convert", in, "-o", name+".bankai", "--model", "demo")
	return content(t, filepath.Join(home, name+".bankai"))
}

func content(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// info is what the command line tells of a patch.
type info struct {
	Flips   int    `json:"flips"`
	Rows    int    `json:"rows"`
	Bits    int    `json:"bits"`
	Bytes   int    `json:"bytes"`
	Content int    `json:"content_bytes"`
	Base    string `json:"base"`
	Digest  string `json:"digest"`
	Tensors []struct {
		Flips int `json:"flips"`
		Bits  int `json:"bits"`
	} `json:"tensors"`
}

func infoOf(t testing.TB, home, path string) (doc info) {
	t.Helper()
	if err := json.Unmarshal([]byte(bankai(t, home, "info", path, "--model", "demo", "--json")), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// thousands writes a number as the page does.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size is how the page tells the numbers of the command line.
func (i info) size() string {
	noun := func(n int, what string) string {
		if n == 1 {
			return "1 " + what
		}
		return thousands(n) + " " + what + "s"
	}
	return fmt.Sprintf("%s, %s, %s", noun(i.Flips, "flip"), noun(i.Bits, "bit"), noun(i.Content, "byte"))
}

func rowsTo(n int) (rows []int) {
	for i := range n {
		rows = append(rows, i)
	}
	return rows
}

var good = said{
	name: "sums", about: "adds up", author: "Ada",
	claims: []claimed{{"held-out", 1400, 774, 1164, 430, 40, 1.228994700574214e-83}, {"validation", 9, 3, 5, 3, 1, 0.625}},
}

// openPatches opens the page at its patches.
func openPatches(t *testing.T, s *served) *tab {
	p := open(t, s.url+"#patches")
	p.see(zone + " .examples") // they come last, and what is below them moves
	return p
}

const zone = "#view-patches .drop"

func entry(file string) string { return `#view-patches .checked > li[data-file="` + file + `"]` }

func cardOf(name string) string { return `#view-patches .grid > li[data-name="` + name + `"]` }

// What the page does with patches, on one server and in one tab, which each part finds without
// patches. The last fills the library.
func TestPatches(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	p := openPatches(t, s)
	for _, part := range []struct {
		name string
		test func(t *testing.T, s *served, p *tab)
	}{
		{"dropped files", droppedFilesAreChecked},
		{"examples", examplesAreOffered},
		{"add, replace, delete", addReplaceDelete},
		{"hostile texts", hostileTexts},
		{"combine", combineIsCompose},
		{"by keyboard", patchesByKeyboard},
		{"a thousand", thousandPatches},
		{"library and signatures", libraryAndSignatures},
	} {
		t.Run(part.name, func(t *testing.T) {
			p.TB = t
			js[bool](p, `fetch("api/patches").then((r) => r.json()).then((l) => Promise.all(l.patches.map((q) => fetch("api/patches/" + q.name, { method: "DELETE" })))).then(() => { location.hash = "#patches"; return true; })`)
			p.size(1280, 900, "light")
			p.do(chromedp.Reload())
			p.see(zone + " .examples")
			p.seeText("#view-patches .grid", "There are no patches yet")
			part.test(t, s, p)
		})
	}
	p.TB = t
}

// saved is a patch in the JSON form, in the home of a test as NAME.json.
func saved(t testing.TB, home, name string, of said, rows ...int) []byte {
	t.Helper()
	data := jsonPatch(t, of, rows...)
	if err := os.WriteFile(filepath.Join(home, name+".json"), data, 0o666); err != nil {
		t.Fatal(err)
	}
	return data
}

// A file that is dropped is looked at and shown with the command line's numbers, and nothing
// is added. What is no patch of this model is refused in words, alone.
func droppedFilesAreChecked(t *testing.T, s *served, p *tab) {
	data := compact(t, s.home, "sums", good, rowsTo(1001)...)
	tampered := slices.Clone(data)
	tampered[len(tampered)/2] ^= 1
	p.allow("status of 400", "status of 409")
	p.drop(zone, map[string][]byte{
		"sums.bankai": data, "tampered.bankai": tampered, "truncated.bankai": data[:len(data)-9], "text.bankai": []byte("hello"), "empty.json": {},
		"foreign.json": jsonPatch(t, said{base: strings.Repeat("ab", 32)}, 1), "tall.json": jsonPatch(t, said{}, 1<<20), "rows.json": jsonPatch(t, said{name: "rows"}, 1, 2),
		"model.json": []byte("GGUF\x03\x00\x00\x00"),
	})
	for file, why := range map[string]string{
		"tampered.bankai": "cannot be read", "truncated.bankai": "cannot be read", "text.bankai": "cannot be read", "empty.json": "the file is empty",
		"foreign.json": "does not fit the model", "tall.json": "row 1048576 is out of range", "model.json": "this is a GGUF model, not a patch",
	} {
		p.seeText(entry(file), "Refused: the patch")
		p.seeText(entry(file), why)
		if js[bool](p, "!!"+find(entry(file)+" form")) {
			t.Errorf("%s can be added", file)
		}
	}
	said := infoOf(t, s.home, "sums.bankai")
	p.seeText(entry("sums.bankai"), said.size()+"; its file has "+thousands(said.Bytes)+" bytes")
	p.seeText(entry("sums.bankai"), "for "+said.Base[:12])
	p.seeText(entry("sums.bankai"), "774 → 1,164 of 1,400 right, fixed 430, broke 40")
	p.seeText(entry("sums.bankai"), "not signed")
	p.seeText(entry("rows.json"), "by its shape alone")
	p.wait(`document.querySelector("#said").textContent.includes("files")`)
	p.seeText(entry("foreign.json"), "it was made for model abababababab…, and this server has another, "+said.Base[:12])
	if told := js[string](p, `document.querySelector("#said").textContent`); told != "9 files: 2 can be added, 7 refused" {
		t.Errorf("who hears the page is told %q", told)
	}
	p.seeText("#view-patches .grid", "There are no patches yet")
	p.accessible()
	for _, width := range []int64{320, 1280, 3840} {
		p.size(width, 900, "light")
		p.fits()
	}
	// One that is larger than the server reads is refused before it is sent.
	js[bool](p, `(() => {
		const all = new DataTransfer();
		all.items.add(new File([new Uint8Array((16 << 20) + 1)], "large.bankai"));
		`+find(zone)+`.dispatchEvent(new DragEvent("drop", { dataTransfer: all, bubbles: true, cancelable: true }));
		return true;
	})()`)
	p.seeText(entry("large.bankai"), "it has 16,777,217 bytes, and a server takes patches of up to 16,777,216")
}

// builtIn is the file of a patch that the program has for its own model.
func builtIn(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, "models/demo/derivatives.bankai"))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// The built-in model's patches are offered while the server does not have them, and go the way
// of files that are dropped.
func examplesAreOffered(t *testing.T, s *served, p *tab) {
	p.see(zone + " .examples")
	offered := func() string { return p.text(zone + " .examples") }
	for _, name := range []string{"derivatives", "integrals"} {
		if !strings.Contains(offered(), name) {
			t.Fatalf("offered are %q", offered())
		}
	}
	p.click(zone + " .examples button:first-of-type")
	p.seeText(entry("derivatives.bankai"), "for "+infoOf(t, s.home, builtIn(t)).Base[:12])
	p.wait("document.activeElement.matches(" + quoted(entry("derivatives.bankai")+" form button") + ")")
	p.accessible()
	p.press("\r")
	p.see(cardOf("derivatives"))
	p.wait("!" + find(zone+" .examples") + ".innerText.includes('derivatives')")
	p.click(zone + " .examples button")
	p.see(entry("integrals.bankai") + " form")
	p.press("\r")
	p.see(cardOf("integrals"))
	p.wait("!" + find(zone+" .examples"))
	p.click(cardOf("integrals") + " a[href='#evaluation/integrals']")
	p.see("#view-evaluation h1")
}

// A patch is added under a name that may be changed, replaced by another, and deleted after a
// question; its card and its page have the numbers of the command line.
func addReplaceDelete(t *testing.T, s *served, p *tab) {
	p.drop(zone, map[string][]byte{"sums.bankai": compact(t, s.home, "sums", good, rowsTo(1001)...)})
	p.write(entry("sums.bankai")+" form input", "Bad Name")
	p.allow("status of 400")
	p.click(entry("sums.bankai") + " form button")
	p.seeText(entry("sums.bankai"), "names have the characters a-z")
	p.write(entry("sums.bankai")+" form input", "adds")
	p.press("\r")
	p.see(cardOf("adds"))
	first := infoOf(t, s.home, "sums.bankai")
	for _, want := range []string{"sums", first.size(), "for " + first.Base[:12], "774 → 1,164 of 1,400 right, fixed 430, broke 40, p = 1e-12 or less", "a gain that is unlikely to be chance", "3 → 5 of 9 right, fixed 3, broke 1, p = 0.62"} {
		p.seeText(cardOf("adds"), want)
	}
	if got := js[string](p, find(cardOf("adds")+" .whisk")+".getAttribute('aria-label')"); got != "before 55.3 % (52.7 to 57.9), after 83.1 % (81.1 to 85), with intervals of 95 %" {
		t.Errorf("the intervals are %s", got)
	}
	p.seeText("#view-patches .key.marks", "lines are intervals of 95 %")
	p.drop(zone, map[string][]byte{"adds.bankai": compact(t, s.home, "adds", said{name: "other"}, 1, 3)})
	second := infoOf(t, s.home, "adds.bankai")
	p.seeText(entry("adds.bankai"), "This replaces the patch adds that is here ("+first.size()+", "+first.Digest[:12])
	p.click(entry("adds.bankai") + " form button")
	p.seeText(cardOf("adds"), second.size())
	p.seeText(cardOf("adds"), "It claims nothing.")
	p.click(cardOf("adds") + " h2 a")
	p.seeText("#view-patches .one h1", "adds")
	for _, want := range []string{second.size() + "; all flips are of whole rows", second.Digest, second.Base, "demo:adds", "other"} {
		p.seeText("#view-patches .one", want)
	}
	p.click("#view-patches .one a[href='#patches']")
	p.click(cardOf("adds") + " button[aria-label='delete adds']")
	p.seeText("dialog.confirm", "Delete adds?")
	p.accessible()
	p.press(kb.Escape)
	p.wait("!document.querySelector('dialog.confirm')")
	p.click(cardOf("adds") + " button[aria-label='delete adds']")
	p.click("dialog.confirm button[value=yes]")
	p.seeText("#view-patches .grid", "There are no patches yet")
}

// Names of files, and whatever patches say of themselves, are text: no markup, no script,
// whatever their length and direction.
func hostileTexts(t *testing.T, s *served, p *tab) {
	const evil = `<img src=x onerror="globalThis.hacked=1"><script>globalThis.hacked=1</script>`
	const rtl = "תיקון לחשבון"
	hostile := said{name: evil, about: evil + strings.Repeat(" W", 5000) + strings.Repeat("w", 500), author: "javascript:globalThis.hacked=1 " + evil, claims: []claimed{{evil, 9, 3, 5, 3, 1, 0.625}, {strings.Repeat("x", 300), 9, 3, 5, 3, 1, 0.01}}}
	file := `<img src=x onerror=globalThis.hacked=1>.json`
	p.drop(zone, map[string][]byte{file: jsonPatch(t, hostile, 1), rtl + ".json": jsonPatch(t, said{name: rtl, about: rtl, author: rtl}, 2)})
	p.seeText(entry(file), evil)
	p.drop(zone, map[string][]byte{"rlo.json": jsonPatch(t, said{name: "\u202egnp.exe" + strings.Repeat("x", 100_000), author: "\u202eeve"}, 3)})
	p.see(entry("rlo.json") + " form")
	if n := len(p.text(entry("rlo.json"))); n > 2000 {
		t.Errorf("%d bytes are shown of a title of 100,008", n)
	}
	if got := js[string](p, "getComputedStyle("+find(entry("rlo.json")+" .title > span")+").unicodeBidi"); got != "isolate" {
		t.Errorf("a title is %s", got)
	}
	p.click(entry("rlo.json") + " button.all")
	p.wait(find(entry("rlo.json")+" .title > span") + ".textContent.length === 100_008")
	p.click(entry("rlo.json") + " button[aria-label^=dismiss]")
	p.seeText(entry(file), "of 3 fixed and 1 broken p is 0.62, not 0.01")
	if name := js[string](p, find(entry(file)+" form input")+".value"); name != "img-src-x-onerror-globalthis.hacked-1" {
		t.Errorf("the name is %q", name)
	}
	p.click(entry(file) + " form button")
	p.write(entry(rtl+".json")+" form input", "rtl")
	p.press("\r")
	p.seeText(cardOf("rtl"), rtl)
	if got := js[string](p, "getComputedStyle("+find(cardOf("rtl")+" .title")+").direction"); got != "rtl" {
		t.Errorf("a Hebrew title runs %s", got)
	}
	p.click(cardOf("img-src-x-onerror-globalthis.hacked-1") + " h2 a")
	p.seeText("#view-patches .one", "globalThis.hacked")
	for _, width := range []int64{320, 1280, 3840} {
		p.size(width, 900, "dark")
		p.fits()
	}
	p.accessible()
	p.click("#view-patches .one a[href='#patches']")
	p.see(cardOf("rtl"))
	p.size(320, 900, "light")
	p.fits()
	p.accessible()
	if js[bool](p, "'hacked' in globalThis || !!document.querySelector('main img, main script')") {
		t.Error("a text became markup")
	}
}

// What comes of several patches is what the command line makes of them: compose writes the
// flips, bits and bytes that the page tells, and the file that the page offers flips the same.
func combineIsCompose(t *testing.T, s *served, p *tab) {
	files := map[string][]byte{}
	for name, rows := range map[string][]int{"first": rowsTo(1001), "second": {5, 6, 1010}, "same": rowsTo(1001)} {
		files[name+".json"] = saved(t, s.home, name, said{}, rows...)
	}
	foe := []map[string]string{{"content": infoOf(t, s.home, "second.json").Digest, "why": "<b>both</b> forget sums"}}
	files["foe.json"] = saved(t, s.home, "foe", said{conflicts: foe}, 9)
	p.drop(zone, files)
	for file := range files {
		p.click(entry(file) + " form button")
		p.see(cardOf(strings.TrimSuffix(file, ".json")))
	}
	pick := func(name string) { p.click(cardOf(name) + " input[type=checkbox]") }
	pick("first")
	p.seeText(".combine", "choose another to see what comes of both")
	pick("second")
	bankai(t, s.home, "patch", "compose", "first.json", "second.json", "-o", "both.bankai", "--model", "demo")
	both := infoOf(t, s.home, "both.bankai")
	sum := fmt.Sprintf("Together: %s flips, %s bits, %s bytes.", thousands(both.Flips), thousands(both.Bits), thousands(both.Content))
	p.seeText(".combine", sum)
	if told := js[string](p, `document.querySelector("#said").textContent`); !strings.HasPrefix(told, sum) {
		t.Errorf("who hears the page is told %q", told)
	}
	for _, part := range []string{"chat", "anatomy", "evaluation"} {
		p.see(".combine a[href='#" + part + "/first+second']")
	}
	p.seeText(".combine", "first, second: overlap: what both flip cancels")
	p.accessible()
	got := js[string](p, `fetch("api/patches/combine?form=bankai", { method: "POST", body: JSON.stringify({ patches: ["first", "second"] }) }).then((r) => r.arrayBuffer()).then((b) => [...new Uint8Array(b)].map((x) => x.toString(16).padStart(2, "0")).join(""))`)
	var raw []byte
	fmt.Sscanf(got, "%x", &raw)
	if err := os.WriteFile(filepath.Join(s.home, "page.bankai"), raw, 0o666); err != nil {
		t.Fatal(err)
	}
	if page := infoOf(t, s.home, "page.bankai"); page.Digest != both.Digest || page.Content != both.Content {
		t.Errorf("the page's file is %+v, and compose makes %+v", page, both)
	}
	pick("foe")
	p.seeText(".combine", "foe must not be combined: <b>both</b> forget sums")
	p.click(".combine button.quiet")
	pick("first")
	pick("same")
	p.seeText(".combine", "They cancel to nothing: all "+thousands(infoOf(t, s.home, "first.json").Bits)+" bits that they flip stay as they were.")
	p.seeText(".combine", "No request can have them together")
	p.size(320, 900, "light")
	p.fits()
}

// Patches of the library are there as soon as the page looks again, with who signed them;
// their names may have tags. A signature that is dropped with its patch counts.
func libraryAndSignatures(t *testing.T, s *served, p *tab) {
	compact(t, s.home, "math", good, 1, 2)
	data := compact(t, s.home, "units", said{}, 3)
	compact(t, s.home, "own", said{}, 4)
	key := bankai(t, s.home, "keygen", "--no-password", "--json")
	var made struct {
		ID string `json:"key_id"`
	}
	if err := json.Unmarshal([]byte(key), &made); err != nil {
		t.Fatal(err)
	}
	bankai(t, s.home, "keygen", "-o", "ann.key", "--no-password")
	bankai(t, s.home, "library", "trust", "ann.pub", "--name", "<b>ann</b>")
	bankai(t, s.home, "patch", "sign", "units.bankai", "--key", "ann.key")
	bankai(t, s.home, "library", "add", "math.bankai", "--name", "math:v2")
	bankai(t, s.home, "library", "add", "own.bankai")
	bankai(t, s.home, "patch", "sign", "own")
	p.click("#view-patches .tools button")
	p.seeText(cardOf("math:v2"), "of the library")
	p.seeText(cardOf("own"), "signed by me "+made.ID)
	p.click(cardOf("math:v2") + " h2 a")
	p.seeText("#view-patches .one h1", "math:v2")
	p.seeText("#view-patches .one", "demo:math:v2")
	p.click("#view-patches .one a[href='#patches']")
	sig := content(t, filepath.Join(s.home, "units.bankai.minisig"))
	p.drop(zone, map[string][]byte{"units.bankai": data, "units.bankai.minisig": sig})
	p.seeText(entry("units.bankai"), "signed by <b>ann</b>")
	p.click(entry("units.bankai") + " form button")
	p.seeText(cardOf("units"), "signed by <b>ann</b>")
	p.allow("status of 403")
	p.drop(zone, map[string][]byte{"other.bankai": compact(t, s.home, "other", said{}, 8), "other.bankai.minisig": sig})
	p.seeText(entry("other.bankai"), "the patch was changed after the key")
	p.drop(zone, map[string][]byte{"nobody.bankai.minisig": sig})
	p.seeText("#notice", "nobody.bankai, is not here: drop both together")
	p.click(cardOf("own") + " button[aria-label='delete own']")
	p.seeText("dialog.confirm", "It stays in the library")
	p.click("dialog.confirm button[value=yes]")
	p.wait("!" + find(cardOf("own")))
	if list := bankai(t, s.home, "library", "list"); !strings.Contains(list, "own") {
		t.Errorf("the library has\n%s", list)
	}
}

// Of what the server withholds it is said why.
func TestWithheldPatches(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	compact(t, home, "math", said{}, 1)
	bankai(t, home, "library", "add", "math.bankai")
	p := openPatches(t, serve(t, home, "--require-signed"))
	p.allow("status of 403")
	p.click("#view-patches .out summary")
	p.seeText("#view-patches .out", "1 patch is withheld")
	p.seeText("#view-patches .out", "the patch is not signed")
	p.drop(zone, map[string][]byte{"more.json": jsonPatch(t, said{}, 2)})
	p.seeText(entry("more.json"), "Refused: the patch is not signed, and this server takes only patches that are")
}

// A thousand patches are searched and sorted, and drawn as far as they are looked at.
func thousandPatches(t *testing.T, s *served, p *tab) {
	var all sync.WaitGroup
	for part := range 4 {
		all.Go(func() {
			for i := part; i < 1000; i += 4 {
				put(t, s, fmt.Sprintf("p%03d", i), jsonPatch(t, said{name: fmt.Sprintf("title %d", i*7)}, rowsTo(i%40+1)...))
			}
		})
	}
	all.Wait()
	p.click("#view-patches .tools button")
	p.seeText("#view-patches .tools", "1,000 patches")
	cards := func() int { return js[int](p, "document.querySelectorAll('#view-patches .grid > li').length") }
	if n := cards(); n < 10 || n > 300 {
		t.Errorf("%d cards are there at once", n)
	}
	for range 3 {
		before := cards()
		js[bool](p, "(() => { scrollTo(0, document.body.scrollHeight); return true; })()")
		p.wait(fmt.Sprintf("document.querySelectorAll('#view-patches .grid > li').length > %d", before))
	}
	p.write("#view-patches input[type=search]", "TITLE 6993")
	p.seeText("#view-patches .tools", "1 of 1,000 patches")
	p.see(cardOf("p999"))
	p.write("#view-patches input[type=search]", "")
	p.choose("#view-patches .tools select", "flips")
	p.seeText("#view-patches .grid > li:first-child", "40 flips")
}

// put gives the server a patch, as other programs do.
func put(t testing.TB, s *served, name string, data []byte) {
	t.Helper()
	q, err := http.NewRequest("PUT", s.url+"api/patches/"+name, bytes.NewReader(data))
	if err != nil {
		t.Error(err)
		return
	}
	got, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Error(err)
		return
	}
	io.Copy(io.Discard, got.Body) // so that the connection is used again
	got.Body.Close()
	if got.StatusCode >= 300 {
		t.Errorf("PUT %s: %s", name, got.Status)
	}
}

// Everything goes by keyboard: a file is chosen, added, combined with another and deleted.
func patchesByKeyboard(t *testing.T, s *served, p *tab) {
	saved(t, s.home, "sums", good, 1, 2)
	put(t, s, "other", jsonPatch(t, said{}, 7))
	p.click("#view-patches .tools button")
	p.see(cardOf("other"))
	p.do(chromedp.SetUploadFiles("#view-patches .drop input", []string{filepath.Join(s.home, "sums.json")}))
	p.see(entry("sums.json") + " form")
	js[bool](p, "(() => { "+find("#view-patches .drop input")+".focus(); return true; })()")
	to := func(what string) {
		t.Helper()
		for range 60 {
			if p.press(kb.Tab); js[bool](p, "document.activeElement.matches("+quoted(what)+")") {
				return
			}
		}
		t.Fatalf("the tab key does not come to %s", what)
	}
	to(entry("sums.json") + " form button")
	p.press("\r")
	p.see(cardOf("sums"))
	p.wait("document.activeElement.matches(" + quoted(cardOf("sums")+" h2 a") + ")")
	p.seeText("#said", "sums was added")
	to(cardOf("sums") + " input[type=checkbox]")
	p.press(" ")
	js[bool](p, "(() => { "+find("#view-patches .tools select")+".focus(); return true; })()")
	to(cardOf("other") + " input[type=checkbox]")
	p.press(" ")
	p.seeText(".combine", "Together: ")
	to(cardOf("other") + " button[aria-label='delete other']")
	p.press("\r")
	p.see("dialog.confirm")
	p.press(kb.Tab)
	p.press("\r")
	p.wait("!" + find(cardOf("other")))
	p.seeText(".combine", "sums is chosen: choose another")
}

// Who may not change patches is told so, and what to do; what was dropped is there still when
// there is a key, and when the server is.
func TestPatchesTakeAnAdminKey(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	for name, key := range map[string]string{"keys": "user", "admin": "root"} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := serve(t, home, "--api-key-file", "keys", "--admin-key-file", "admin")
	p := open(t, s.url+"page/icon.svg") // which takes no key: nothing fails before it is allowed to
	p.allow("favicon", "401", "403", "ERR_INTERNET_DISCONNECTED")
	p.do(chromedp.Navigate(s.url + "#patches"))
	p.write("#key-value", "user")
	p.press("\r")
	p.seeText("#view-patches", "takes an admin key of the server")
	p.drop(zone, map[string][]byte{"rows.json": jsonPatch(t, said{}, 1)})
	p.seeText("#key-why", "takes an admin key")
	p.press(kb.Escape)
	p.seeText(entry("rows.json"), "Refused: changing patches takes an admin key")
	p.click(entry("rows.json") + " button:not([aria-label])")
	p.write("#key-value", "root")
	p.press("\r")
	p.see(entry("rows.json") + " form")
	p.offline(true)
	p.click(entry("rows.json") + " form button")
	p.seeText(entry("rows.json"), "the server cannot be reached")
	p.offline(false)
	p.click(entry("rows.json") + " form button")
	p.see(cardOf("rows"))
}

// A server that starts anew with another model and without its patches is seen as it is by then.
// What was about to be added is looked at again, and nothing that was typed is lost.
func TestPatchesOfAnotherModel(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	bankai(t, home, "patch", "apply", "demo", "--patch", builtIn(t), "-o", "other.gguf")
	s := serve(t, home)
	put(t, s, "sums", jsonPatch(t, said{}, 1))
	p := open(t, s.url+"#patches/sums")
	p.seeText("#view-patches .one h1", "sums")
	p.click("#view-patches .one a[href='#patches']")
	p.drop(zone, map[string][]byte{"rows.json": jsonPatch(t, said{}, 2)})
	p.write(entry("rows.json")+" form input", "mine")
	before := p.text(entry("rows.json") + " code")
	s.stop()
	serve(t, home, "--listen", strings.TrimSuffix(strings.TrimPrefix(s.url, "http://"), "/"), "--model", "other.gguf")
	p.click("#view-patches .tools button")
	p.seeText("#view-patches .grid", "There are no patches yet")
	p.seeText("#notice", "The server has another model now")
	p.wait(find(entry("rows.json")+" form") + " && " + find(entry("rows.json")+" code") + ".innerText !== " + quoted(before))
	if name := js[string](p, find(entry("rows.json")+" form input")+".value"); name != "mine" {
		t.Errorf("the name is %q", name)
	}
	p.wait("!" + find(zone+" .examples")) // which are for the other model
	js[bool](p, `(location.hash = "#patches/sums", true)`)
	p.allow("status of 404")
	p.seeText("#view-patches .one", "It cannot be shown.")
}
