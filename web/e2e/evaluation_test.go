package e2e

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// hostile is what people and models may write. On the page it is text.
const hostile = `<img src=x onerror="document.title='pwned'">"><script>document.title='pwned'</script>`

// withPatches is a library that has two patches, of which each breaks some answers of the
// built-in model.
func withPatches(t testing.TB) (home string) {
	t.Helper()
	home = t.TempDir()
	for i, name := range []string{"units", "math"} {
		var flips []string
		for row := range 150 {
			flips = append(flips, fmt.Sprintf(`{"layer": %d, "proj": "up_proj", "row": %d}`, 1+i, 6*row))
		}
		path := filepath.Join(home, name+".json")
		if err := os.WriteFile(path, []byte(`{"flips": [`+strings.Join(flips, ",")+`]}`), 0o666); err != nil {
			t.Fatal(err)
		}
		bankai(t, home, "patch", "convert", path, "-o", name+".bankai", "--model", "demo")
		bankai(t, home, "library", "add", name+".bankai")
	}
	return home
}

// evaluated is the document of bankai eval, as far as it is on the page.
type evaluated struct {
	Total  int      `json:"total"`
	Before int      `json:"before"`
	After  int      `json:"after"`
	Fixed  []string `json:"fixed"`
	Broke  []string `json:"broke"`
}

// evaluate evaluates what a form of the page says, and waits for the result.
func (p *tab) evaluate(probes string, limit int, patches ...string) {
	p.Helper()
	p.click("header nav a[href='#evaluation']")
	p.wait("document.querySelector(\"#evaluation-set option[value='" + probes + "']\")")
	p.choose("#evaluation-set", probes)
	for _, name := range patches {
		p.click(".ev-patches input[value='" + name + "']")
	}
	if limit > 0 {
		p.write("#evaluation-limit", fmt.Sprint(limit))
	}
	p.click("#evaluation-start")
	p.see(".ev-result")
}

// What the page shows of an evaluation is what the command line finds, to the last digit
// of every word.
func TestEvaluationIsTheCommandLines(t *testing.T) {
	t.Parallel()
	home := withPatches(t)
	s := serve(t, home)
	p := open(t, s.url)
	p.wait("document.querySelector('#view-chat h1')")
	p.evaluate("demo:heldout", 40, "math", "units")

	args := []string{"eval", "--probes", "demo:heldout", "--limit", "40", "--patch", "math", "--patch", "units"}
	var want evaluated
	if err := json.Unmarshal([]byte(bankai(t, home, append(args, "--json")...)), &want); err != nil {
		t.Fatal(err)
	}
	if want.Total != 40 || len(want.Broke) == 0 {
		t.Fatalf("the patches should break something: %+v", want)
	}
	tiles := js[[]string](p, `[...document.querySelectorAll(".ev-result .tile b")].map((e) => e.innerText)`)
	if got, want := fmt.Sprint(tiles), fmt.Sprintf("[%d of 40 %d of 40 %d %d]", want.Before, want.After, len(want.Fixed), len(want.Broke)); got != want {
		t.Errorf("the page counts %s, want %s", got, want)
	}
	// The command line says the same in the same words.
	said := strings.Join(strings.Fields(bankai(t, home, append(args, "--all")...)), " ")
	for _, words := range js[[]string](p, `[...document.querySelectorAll("#evaluation-verdict p")].flatMap((e) => e.innerText.split(" (McNemar")[0].split(". "))`) {
		if !strings.Contains(said, strings.TrimSuffix(strings.TrimSpace(words), ".")) {
			t.Errorf("the command line does not say %q:\n%s", words, said)
		}
	}

	// It is the document that a report takes, and its command line is that of the page.
	id := js[string](p, `location.hash.split("/")[1]`)
	text := js[string](p, `fetch("api/evaluations/`+id+`/result").then((r) => r.text())`)
	if err := os.WriteFile(filepath.Join(home, "eval.json"), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	bankai(t, home, "report", "eval.json", "-o", "eval.html")
	if command := "bankai " + strings.Join(args, " "); !strings.Contains(text, quoted(command)) {
		t.Errorf("no command %s in %.300s", command, text)
	}

	p.accessible()
	for _, width := range []int64{320, 1280, 3840} {
		p.size(width, 900, "light")
		p.fits()
		if over := js[int](p, `(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector(".ev-result .cats").parentElement)`); over > 0 {
			p.Errorf("at %d pixels the categories run over by %d", width, over)
		}
	}
}

// A file with probes is evaluated, and one that cannot be read is refused with its place;
// what was chosen stays. Names, prompts and categories are texts.
func TestEvaluationOfAFile(t *testing.T) {
	t.Parallel()
	s := serve(t, withPatches(t))
	p := open(t, s.url)
	p.allow("400 (Bad Request)")
	p.click("header nav a[href='#evaluation']")
	p.drop(".ev-form", map[string][]byte{"latin.csv": []byte("prompt,correct,wrong\nFran\xe7ais,1,2\n")})
	p.seeText("#notice", "latin.csv: is no text in UTF-8")
	p.drop(".ev-form", map[string][]byte{"bad.jsonl": []byte("{\"prompt\": \"1 + 1 =\", \"correct\": \" 2\", \"wrong\": \" 3\"}\n{\"prompt\": 7}\n")})
	p.seeText("#evaluation-named", "bad.jsonl")
	if names := js[string](p, `document.querySelector("#evaluation-set").innerText`); strings.Contains(names, "null") {
		t.Errorf("the sets are %s", names)
	}
	p.seeText("#evaluation-will", "all probes of bad.jsonl, without a patch: the model alone")
	p.write("#evaluation-limit", "5")
	p.seeText("#evaluation-will", "at most 5 probes of bad.jsonl")
	p.click("#evaluation-start")
	p.seeText("#notice", "bad.jsonl: line 2")
	if got := js[string](p, `document.querySelector("#evaluation-limit").value`); got != "5" {
		t.Errorf("the limit was lost: %q", got)
	}

	// What was wrong is said until something else happens, and what is no probes is not taken.
	p.choose("#evaluation-set", "demo:heldout")
	p.wait(`document.querySelector("#notice").hidden`)
	p.drop(".ev-form", map[string][]byte{"icon.svg": []byte("<svg/>")})
	p.seeText("#notice", "icon.svg: is no file of probes")
	p.seeText("#evaluation-will", "5 of the 1,400 probes of demo:heldout")

	long := strings.Repeat("long ", 60_000)
	probes, _ := json.Marshal([]map[string]string{
		{"name": "long", "category": long, "prompt": "1 + 1 =", "correct": " 2", "wrong": " 3"},
		{"name": hostile, "category": hostile, "prompt": "5 + 7 =" + hostile, "correct": " 12", "wrong": " 13"},
		{"name": "arabic", "category": "שלום", "prompt": "كم يساوي 5 + 7؟", "correct": " 12", "wrong": " 13"},
	})
	name := `<b onmouseover=alert(1)>x.json`
	p.drop(".ev-form", map[string][]byte{name: probes})
	p.seeText("#evaluation-named", name)
	p.click(".ev-patches input[value='math']")
	p.click("#evaluation-start")
	p.see(".ev-result")
	p.seeText(".ev-result .cats", hostile)
	p.seeText(".ev-grid tbody", "كم يساوي")
	if high := js[int](p, "document.documentElement.scrollHeight"); high > 5000 {
		t.Errorf("the page is %d pixels high", high)
	}
	p.click(".ev-grid tbody tr[aria-rowindex='3']")
	p.seeText("dialog.ev-details h2", hostile)
	p.press(kb.Escape)
	p.unharmed()
	if got, want := js[string](p, `document.querySelector(".ev-result h2").innerText`), name+" under math"; got != want {
		t.Errorf("the result is called %q, want %q", got, want)
	}

	// A patch that no library has is a file of the command line, which the page tells where to get.
	put(t, s, "given", jsonPatch(t, said{}, rowsTo(2)...))
	for i := range 80 {
		put(t, s, fmt.Sprintf("p%d", i), jsonPatch(t, said{}, rowsTo(1)...))
	}
	js[bool](p, "(location.hash = '#chat', true)")
	p.do(chromedp.Reload())
	p.click("header nav a[href='#evaluation']")
	p.seeText(".ev-form fieldset", "60 of 83 are shown")
	p.write("#evaluation-find", "p79")
	p.click(".ev-patches input[value=p79]")
	p.write("#evaluation-find", "given")
	p.wait("[...document.querySelectorAll('.ev-patches input')].map((e) => e.value).join() === 'math,p79,given' || [...document.querySelectorAll('.ev-patches input')].map((e) => e.value).join() === 'given,math,p79'")
	for _, name := range []string{"math", "p79", "given"} {
		p.click(".ev-patches input[value=" + name + "]")
	}
	p.seeText("#evaluation-will", "without a patch and under given.")
	p.choose("#evaluation-set", "demo:control_few")
	p.write("#evaluation-limit", "")
	p.click("#evaluation-start")
	p.seeText(".ev-result h2", "demo:control_few under given")
	p.wait(`document.activeElement.matches(".ev-result h2")`)
	p.click(".ev-result details summary")
	p.seeText(".ev-result dl", "bankai eval --probes demo:control_few --patch given.bankai")
	p.see(".ev-result dl a[href='#patches/given']")
}

// unharmed fails if what was written into the page has become part of it.
func (p *tab) unharmed() {
	p.Helper()
	if n := js[int](p, `document.querySelectorAll("main img, main script, main b[onmouseover]").length`); n > 0 || js[string](p, "document.title") == "pwned" {
		p.Errorf("%d elements were written into the page; its title is %s", n, js[string](p, "document.title"))
	}
}

// manyAnswers is a result with n answers, as bankai eval --json would print it. In each
// hundred 70 stayed right, 15 were fixed, 5 broke and 10 stayed wrong.
func manyAnswers(n int) []byte {
	type output struct {
		Name        string `json:"name"`
		Category    string `json:"category"`
		Prompt      string `json:"prompt"`
		Correct     string `json:"correct"`
		Before      string `json:"before"`
		After       string `json:"after"`
		RightBefore bool   `json:"right_before"`
		RightAfter  bool   `json:"right_after"`
	}
	type counts struct {
		Total  int `json:"total"`
		Before int `json:"before"`
		After  int `json:"after"`
		Fixed  int `json:"fixed"`
		Broke  int `json:"broke"`
	}
	fixed, broke, outputs := []string{}, []string{}, []output{}
	by, all, stayed := map[string]counts{}, counts{}, 0
	for i := range n {
		o := output{fmt.Sprintf("p%d", i), []string{"sums", "facts", hostile}[i%3], fmt.Sprintf("%d + %d =", i, i+1), fmt.Sprint(2*i + 1), fmt.Sprint(2*i + 1), fmt.Sprint(2*i + 1), true, true}
		c := by[o.Category]
		switch k := i % 100; {
		case k < 70:
			stayed++
		case k < 85:
			o.Before, o.RightBefore = hostile, false
			fixed = append(fixed, o.Name)
			c.Fixed++
		case k < 90:
			o.After, o.RightAfter = "=2+2", false
			broke = append(broke, o.Name)
			c.Broke++
		default:
			o.Before, o.After, o.RightBefore, o.RightAfter = "none", "nothing", false, false
		}
		c.Total++
		if o.RightBefore {
			c.Before++
			all.Before++
		}
		if o.RightAfter {
			c.After++
			all.After++
		}
		by[o.Category], outputs = c, append(outputs, o)
	}
	rest, _ := json.Marshal(map[string]any{
		"total": n, "before": all.Before, "after": all.After, "fixed": fixed, "broke": broke, "stayed_right": stayed, "stayed_wrong": n - stayed - len(fixed) - len(broke),
		"p_value": pOfMany, "by_category": by, "outputs": outputs, "patches": []string{hostile}, "precision": "fast", "tool": "bankai", "command": "bankai eval",
		"model": map[string]string{"name": "demo", "path": "demo", "digest": strings.Repeat("0", 64)},
		"set":   map[string]any{"source": hostile, "digest": strings.Repeat("0", 64), "probes": n},
	})
	sum := sha256.Sum256(append([]byte("bankai result 1\n"), rest...))
	return fmt.Appendf(nil, `{"checksum":"%x",%s`, sum, rest[1:])
}

// pOfMany is the p-value of 1,500 fixed and 500 broken answers, which the server reckons again.
const pOfMany = 1.474397522976895e-115

// Ten thousand answers are there at once, of which only those that can be seen are on the
// page; they are filtered, sorted and gone through with the keyboard.
func TestEvaluationOfTenThousand(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	p := open(t, s.url)
	p.allow("400 (Bad Request)")
	p.click("header nav a[href='#evaluation']")
	whole := manyAnswers(10_000)
	p.drop(".ev-form", map[string][]byte{"changed.json": []byte(strings.Replace(string(whole), `"after":8500`, `"after":8501`, 1))})
	p.seeText("#notice", "changed.json: the document is not a whole result of eval: it does not match its checksum")

	p.drop(".ev-form", map[string][]byte{"many.json": whole})
	p.seeText(".ev-counted", "10,000 answers")
	p.seeText("#evaluation-verdict", "The gain is unlikely to be chance.")
	if rows := js[int](p, `document.querySelectorAll(".ev-grid tbody tr").length`); rows == 0 || rows > 100 {
		t.Errorf("%d rows are on the page", rows)
	}
	if got := js[string](p, `document.querySelector(".ev-grid").getAttribute("aria-rowcount")`); got != "10001" {
		t.Errorf("it says that it has %s rows", got)
	}
	if got := js[[]float64](p, `[document.querySelector(".ev-grid tbody tr").getBoundingClientRect().height, 2.25 * parseFloat(getComputedStyle(document.documentElement).fontSize)]`); got[0] != got[1] {
		t.Errorf("a row is %v pixels high, and reckoned with %v", got[0], got[1])
	}

	// Keys go to any row, and the row is there.
	js[bool](p, `(document.querySelector(".ev-grid").focus(), true)`)
	p.press(kb.End)
	p.wait(`document.getElementById(document.querySelector(".ev-grid").getAttribute("aria-activedescendant"))?.innerText.includes("9999 + 10000 =")`)
	p.press(kb.ArrowUp)
	p.press(kb.Enter)
	p.seeText("dialog.ev-details h2", "p9998")
	p.seeText("dialog.ev-details", "9,999 of 10,000")
	p.press(kb.Escape)
	p.wait(`document.activeElement.matches(".ev-grid")`)
	p.press(kb.Home)
	p.wait(`document.getElementById(document.querySelector(".ev-grid").getAttribute("aria-activedescendant"))?.innerText.includes("70 + 71 =")`) // the first that was fixed

	// The middle, as with a mouse wheel: 2,000 changed answers and 3,000 others are above.
	js[bool](p, `(document.querySelector(".ev-rows").scrollTop = 5000 * 36, true)`)
	p.wait(`document.querySelector("#answer-5000")?.innerText.includes("3740 + 3741 =")`)

	p.click(".ev-result button.tile.broke")
	p.seeText(".ev-counted", "500 of 10,000 answers")
	p.choose("[aria-label='category']", "of "+hostile)
	p.seeText(".ev-counted", "167 of 10,000 answers")
	p.write("input[type=search]", "985 +")
	p.seeText(".ev-counted", "3 of 10,000 answers")
	p.click(".ev-grid th button[title=sort]")
	p.see(".ev-grid th[aria-sort=ascending]")
	p.write("input[type=search]", "nowhere")
	p.seeText(".ev-result", "No answer is like that")

	// A page that people see and hear, whatever is in it.
	p.write("input[type=search]", "")
	p.unharmed()
	p.accessible()
	for _, width := range []int64{320, 1280, 3840} {
		p.size(width, 900, "dark")
		p.fits()
	}

	// In the CSV nothing is a formula.
	csv := js[string](p, `import("./page/csv.js").then(({ csv }) => csv(["a", "b"], [["=2+2", "x,\"y\""], ["-1", true], [" @x", 7]]))`)
	if want := "a,b\r\n'=2+2,\"x,\"\"y\"\"\"\r\n'-1,true\r\n' @x,7\r\n"; csv != want {
		t.Errorf("CSV %q, want %q", csv, want)
	}
}

// Neither a page that is loaded again nor one without a network loses an evaluation; it can
// be cancelled, and then the next one comes.
func TestEvaluationGoesOn(t *testing.T) {
	t.Parallel()
	s := serve(t, withPatches(t), "--threads", "1")
	p := open(t, s.url)
	p.allow("ERR_INTERNET_DISCONNECTED", "Failed to load resource")
	p.click("header nav a[href='#evaluation']")
	p.wait(`document.querySelector("#evaluation-set option[value='demo:heldout']")`)
	p.choose("#evaluation-set", "demo:heldout")
	p.click(".ev-patches input[value='math']")
	p.click("#evaluation-start")
	p.seeText(".ev-run", "of 1,400 probes")

	// Two wait, of which one is cancelled.
	p.click("header nav a[href='#evaluation']")
	p.write("#evaluation-limit", "20")
	p.click("#evaluation-start")
	p.seeText(".ev-run", "It comes next")
	second := js[string](p, "location.hash")
	p.click("#evaluation-start")
	p.wait("location.hash !== " + quoted(second))
	p.seeText(".ev-run", "1 other comes before it")
	p.accessible()
	p.click(".ev-run button") // cancels it
	p.wait("location.hash === '#evaluation'")
	p.wait("document.querySelectorAll('.ev-list li').length === 2")

	js[bool](p, "(location.hash = "+quoted(second)+", true)")
	p.seeText(".ev-run", "It comes next")
	p.do(chromedp.Reload())
	p.seeText(".ev-run", "It comes next")
	p.click("header nav a[href='#evaluation']")
	p.see(".ev-list")
	p.offline(true)
	p.click(".ev-list a[href='" + second + "']")
	p.seeText(".ev-run", "cannot be reached")
	// The first one is cancelled elsewhere, and the second one is done meanwhile.
	ids := s.evaluations(t)
	s.delete(t, ids[len(ids)-1])
	s.untilDone(t, strings.TrimPrefix(second, "#evaluation/"))
	p.offline(false)
	p.seeText(".ev-result", "of 20")
	p.seeText(".ev-result h2", "demo:heldout, 20 of 1,400 probes, under math")
	p.wait("document.querySelectorAll('.ev-list li').length === 1")

	// Nothing is deleted that nobody wants to lose, and the focus stays in the page.
	p.click(".ev-list button")
	p.seeText("dialog.confirm", "demo:heldout, 20 of 1,400")
	p.press(kb.Escape)
	p.wait(`document.activeElement.matches(".ev-list button")`)
	p.click(".ev-list button")
	p.click("dialog.confirm button[value=yes]")
	p.wait("location.hash === '#evaluation' && !document.querySelector('.ev-list li')")
	p.wait(`document.activeElement.matches("#view-evaluation h1")`)

	// Other parts of the page lead here with patches.
	js[bool](p, "(location.hash = '#evaluation/units', true)")
	p.wait("[...document.querySelectorAll('.ev-patches input:checked')].map((e) => e.value).join() === 'units'")
}

// An evaluation ends with its server, which the page says; it can be measured again as it was
// asked.
func TestEvaluationEndsWithTheServer(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	s := serve(t, home, "--threads", "1")
	p := open(t, s.url)
	p.allow("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED", "Failed to load resource")
	p.click("header nav a[href='#evaluation']")
	p.wait(`document.querySelector("#evaluation-set option[value='demo:heldout']")`)
	p.choose("#evaluation-set", "demo:heldout")
	p.click("#evaluation-start")
	p.seeText(".ev-run", "of 1,400 probes")
	p.wait(`document.activeElement.matches(".ev-run h2")`)
	old := js[string](p, "location.hash")
	if err := syscall.Kill(s.pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.seeText(".ev-run", "The server ended, and with it this evaluation.")
	if js[bool](p, `document.querySelector(".ev-run progress").checkVisibility()`) {
		t.Error("the bar moves on")
	}
	p.seeText("#evaluation-runs", "The server cannot be reached.")
	s.stop()
	serve(t, home, "--threads", "1", "--listen", strings.Trim(strings.TrimPrefix(s.url, "http://"), "/"))
	p.click(".ev-run button") // measures it again
	p.wait("location.hash !== " + quoted(old))
	p.seeText(".ev-run", "of 1,400 probes")
	p.click(".ev-run button") // cancels it
	p.wait("location.hash === '#evaluation'")
	js[bool](p, "(location.hash = "+quoted(old)+", true)")
	p.seeText(".ev-run", "The server does not have this evaluation")
	p.seeText(".ev-run button", "Measure again")
	p.wait("!document.querySelector('.ev-list li')")
}

// evaluations are the ids of those that the server has, the newest first.
func (s *served) evaluations(t testing.TB) (ids []string) {
	t.Helper()
	var doc struct {
		Evaluations []struct{ ID, State string }
	}
	s.get(t, "api/evaluations", &doc)
	for _, e := range doc.Evaluations {
		ids = append(ids, e.ID)
	}
	return ids
}

// untilDone waits until an evaluation is done.
func (s *served) untilDone(t testing.TB, id string) {
	t.Helper()
	answer, err := http.Get(s.url + "api/evaluations/" + id + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if all, err := io.ReadAll(answer.Body); err != nil || !strings.Contains(string(all), `"state":"done"`) {
		t.Fatalf("the evaluation ends otherwise: %s, %v", all, err)
	}
}

func (s *served) get(t testing.TB, path string, doc any) {
	t.Helper()
	answer, err := http.Get(s.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(doc); err != nil {
		t.Fatal(err)
	}
}

func (s *served) delete(t testing.TB, id string) {
	t.Helper()
	q, _ := http.NewRequest("DELETE", s.url+"api/evaluations/"+id, nil)
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Body.Close(); answer.StatusCode != http.StatusNoContent {
		t.Fatal(answer.Status)
	}
}
