package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// anatomyPatches puts patches into a library: "many" flips 450 rows of a matrix and a few of
// others, "few" three groups, "high" a row of the last layer.
func anatomyPatches(t *testing.T) (home string) {
	t.Helper()
	home = t.TempDir()
	var many []string
	for row := range 450 {
		many = append(many, fmt.Sprintf(`{"layer": 2, "proj": "gate_proj", "row": %d}`, 2*row))
	}
	many = append(many, `{"layer": 4, "proj": "q_proj", "row": 9}`, `{"layer": 4, "proj": "q_proj", "row": 10}`, `{"layer": 1, "proj": "down_proj", "row": 7}`)
	few := `{"layer": 3, "proj": "up_proj", "row": 5, "group": 1}, {"layer": 3, "proj": "up_proj", "row": 6, "group": 0}, {"layer": 3, "proj": "v_proj", "row": 6, "group": 0}`
	for name, flips := range map[string]string{"many": strings.Join(many, ","), "few": few, "high": `{"layer": 5, "proj": "v_proj", "row": 3}`} {
		if err := os.WriteFile(filepath.Join(home, name+".json"), []byte(`{"flips": [`+flips+`]}`), 0o666); err != nil {
			t.Fatal(err)
		}
		bankai(t, home, "patch", "convert", name+".json", "-o", name+".bankai", "--model", "demo")
		bankai(t, home, "library", "add", name+".bankai", "--name", name)
	}
	return home
}

// doc is a document that a command prints.
func doc[T any](t *testing.T, printed string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(printed), &v); err != nil {
		t.Fatalf("%v: %.200s", err, printed)
	}
	return v
}

// The anatomy part of the page, on one server and in one tab; the last part takes a patch away.
func TestAnatomy(t *testing.T) {
	t.Parallel()
	home := anatomyPatches(t)
	s := serve(t, home)
	p := open(t, s.url+"#anatomy/many")
	for _, part := range []struct {
		name string
		test func(t *testing.T, s *served, p *tab)
	}{
		{"flips", anatomyOfFlips},
		{"keyboard", anatomyByKeyboard},
		{"a text", anatomyOfAText},
		{"a long text", anatomyOfALongText},
		{"hostile texts", anatomyOfHostileTexts},
		{"a patch that goes", anatomyOfAPatchThatGoes},
	} {
		t.Run(part.name, func(t *testing.T) {
			p.TB = t
			p.size(1280, 900, "light")
			part.test(t, s, p)
		})
	}
	p.TB = t
}

// anatomyShown goes to an address of the page, and waits for the map there.
func anatomyShown(p *tab, hash string) {
	p.Helper()
	js[bool](p, "(location.hash = "+quoted(hash)+", true)")
	p.see(`#view-anatomy [data-of="` + strings.TrimPrefix(hash, "#anatomy/") + `"] #flip-map`)
}

// The map has what `bankai info` says of the patch, and a cell opens the rows of its matrix.
func anatomyOfFlips(t *testing.T, s *served, p *tab) {
	anatomyShown(p, "#anatomy/many")
	p.see("#flip-map")
	type tensor struct {
		Tensor, Proj string
		Layer, Flips int
	}
	var want []string
	for _, x := range doc[struct{ Tensors []tensor }](t, bankai(t, s.home, "info", "many.bankai", "--json")).Tensors {
		want = append(want, fmt.Sprintf("%d, %s of layer %d", x.Flips, strings.TrimSuffix(x.Proj, "_proj"), x.Layer))
	}
	if got := js[[]string](p, `[...document.querySelectorAll("#flip-map button")].map((b) => b.getAttribute("aria-label"))`); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the map has %q, info says %q", got, want)
	}
	if cells := js[int](p, `document.querySelectorAll("#flip-map td").length`); cells != 6*7 {
		t.Errorf("%d cells", cells)
	}
	p.seeText("#map-verdict", "453 rows in 3 matrices of 3 layers of 6. Most is in the gate projection of layer 2: 450 rows.")

	p.click("#flip-map button[aria-label='450, gate of layer 2']")
	p.seeText(".rows", "450 flips in 450 of 1,024 rows, 115,200 bits of 262,144.")
	if at := js[string](p, "document.activeElement.id"); at != "rows-title" {
		t.Errorf("the focus is on %q", at)
	}
	rows := func() string {
		return js[string](p, `[...document.querySelectorAll("#flip-rows tbody tr")].map((r) => r.cells[0].innerText).join()`)
	}
	if got := rows(); !strings.HasPrefix(got, "0,2,4,") || strings.Count(got, ",") != 199 {
		t.Errorf("the first rows are %s", got)
	}
	p.click("#rows-after")
	p.seeText("#rows-shown", "flips 201 to 400 of 450")
	p.click("#rows-after")
	p.seeText("#rows-shown", "flips 401 to 450 of 450")
	if got := rows(); !strings.HasPrefix(got, "800,802,") || !strings.HasSuffix(got, ",898") {
		t.Errorf("the last rows are %s", got)
	}
	p.accessible()
	for _, width := range []int64{320, 1280, 3840} {
		p.size(width, 900, "light")
		p.fits()
	}

	// The field shows the patch that is looked at, and another is put beside it.
	if got := js[string](p, `document.querySelector("#anatomy-choice-1").value`); got != "many" {
		t.Errorf("the field shows %q", got)
	}
	p.click("#anatomy-add")
	p.choose("#anatomy-choice-2", "few")
	p.seeText("#map-verdict", "453 rows, 3 groups in 5 matrices of 4 layers of 6.")
	p.seeText("#flip-map", "2 groups")
	if hash := js[string](p, "location.hash"); hash != "#anatomy/many+few" {
		t.Errorf("the address is %s", hash)
	}
	p.click("#view-anatomy button[aria-label='take many away']")
	p.seeText("#map-verdict", "3 groups in 2 matrices of 1 layer of 6. Most is in the up projection of layer 3: 2 groups.")
	if at := js[string](p, `document.activeElement.id + " " + document.activeElement.value`); at != "anatomy-choice-1 few" {
		t.Errorf("the focus is on %q", at)
	}

	// Layers in which nothing is flipped are one row, until it is opened.
	p.choose("#anatomy-choice-1", "high")
	p.seeText("#flip-map", "0–4")
	if rows := js[int](p, `document.querySelectorAll("#flip-map tbody tr").length`); rows != 2 {
		t.Errorf("the map has %d rows", rows)
	}
	p.accessible()
	p.click("#flip-map .folded button")
	p.wait(`document.querySelectorAll("#flip-map tbody tr").length === 6`)
	if at := js[string](p, `document.activeElement.closest("tr").cells[0].innerText`); at != "0" {
		t.Errorf("the focus is in row %q", at)
	}
	if low := js[int](p, `Math.floor(Math.min(...[...document.querySelectorAll("#flip-map td")].map((c) => c.getBoundingClientRect().height)))`); low < 24 {
		t.Errorf("a cell is %d pixels high", low)
	}
}

// With the keyboard alone: from cell to cell, into the rows of one, and back to it.
func anatomyByKeyboard(t *testing.T, s *served, p *tab) {
	anatomyShown(p, "#anatomy/many")
	p.see("#flip-map")
	js[bool](p, `(document.querySelector("#flip-map td").focus(), true)`)
	for range 2 {
		p.press(kb.ArrowDown)
	}
	for range 4 {
		p.press(kb.ArrowRight)
	}
	if at := js[string](p, `document.activeElement.getAttribute("aria-label")`); at != "450, gate of layer 2" {
		t.Fatalf("the focus is on %q", at)
	}
	if stops := js[int](p, `document.querySelectorAll("#flip-map [tabindex='0']").length`); stops != 1 {
		t.Errorf("the map is %d stops of the Tab key", stops)
	}
	p.press(kb.Enter)
	p.seeText(".rows", "450 flips")
	p.press(kb.Tab)
	p.press(kb.Enter) // closes
	p.wait("document.querySelector('.rows').hidden")
	p.press(kb.Enter)
	p.seeText(".rows", "450 flips")
	p.press(kb.Escape)
	p.wait("document.querySelector('.rows').hidden")
	if at := js[string](p, `document.activeElement.getAttribute("aria-label")`); at != "450, gate of layer 2" {
		t.Errorf("after closing the focus is on %q", at)
	}
	p.press(kb.Home)
	p.press(kb.PageDown)
	p.press(kb.End)
	if at := js[string](p, `((e) => e.parentElement.rowIndex + " " + e.cellIndex)(document.activeElement.closest("td"))`); at != "6 7" {
		t.Errorf("the last cell of the last row is %s", at)
	}
}

// traceDoc is what the tests read of a trace.
type traceDoc struct {
	Verdict string
	KL      []float64
	Pieces  []struct{ Text string }
	Cuts    []struct {
		Layer      *int
		Part       string
		Difference []float64
		Lens       *struct{ Base, Patched []float64 }
	}
}

const traced = "Find the derivative of 2x^5 + 4x^3: 10x^4 + 12x^2"

// A trace shows what `bankai trace` prints, as a table in which the arrow keys move.
func anatomyOfAText(t *testing.T, s *served, p *tab) {
	anatomyShown(p, "#anatomy/many+few")
	want := doc[traceDoc](t, bankai(t, s.home, "trace", traced, "--patch", "many", "--patch", "few", "--lens", "--json"))
	p.click("#trace-example")
	if text := js[string](p, `document.querySelector("#trace-prompt").value`); text != traced {
		t.Errorf("the example is %q", text)
	}
	p.click("#trace-start")
	p.see("#trace-table")
	if got := p.text("#trace-verdict"); got != want.Verdict {
		t.Errorf("got %q, want %q", got, want.Verdict)
	}
	rows := func() [][]string {
		return js[[][]string](p, `[...document.querySelectorAll("#trace-table tbody tr")].map((r) => [...r.cells].map((c) => c.innerText))`)
	}
	var differences [][]string
	for _, c := range want.Cuts {
		if c.Layer != nil && c.Part != "mlp" {
			continue
		}
		row := []string{"embedding"}
		if c.Layer != nil {
			row = []string{fmt.Sprint("layer ", *c.Layer)}
		}
		for _, d := range c.Difference {
			row = append(row, percentOf(d))
		}
		differences = append(differences, row)
	}
	if got := rows(); fmt.Sprint(got) != fmt.Sprint(differences) {
		t.Errorf("got %v, want %v", got, differences)
	}
	p.click("#trace-table tbody tr:nth-child(4) td:nth-child(3)")
	p.seeText("#trace-readout", fmt.Sprintf("Token 1, “%s”, layer 2: differs by %s %%.", strings.ReplaceAll(want.Pieces[1].Text, " ", "␣"), differences[3][2]))
	p.press(kb.ArrowRight)
	p.seeText("#trace-readout", "Token 2, ")
	p.click("#trace-blocks")
	p.seeText("#trace-table .folded", "the same to the bit") // the embedding and three blocks
	p.wait(`document.querySelectorAll("#trace-table tbody tr").length === 10`)
	p.click("#trace-table .folded button")
	p.wait(`document.querySelectorAll("#trace-table tbody tr").length === 13`)

	p.choose("#trace-measure", "said")
	p.wait(`document.querySelectorAll("#trace-table tbody tr").length === 5`)
	for i, kl := range rows()[0][1:] {
		if want := strings.Replace(strings.TrimPrefix(fmt.Sprintf("%.3f", want.KL[i]), "-"), "-", "−", 1); kl != want {
			t.Errorf("KL of token %d is %s, want %s", i, kl, want)
		}
	}
	p.choose("#trace-measure", "lens")
	p.wait(`document.querySelectorAll("#trace-table tbody tr").length === 7`)
	for i, text := range rows()[6][1:len(want.Pieces)] {
		lens := want.Cuts[12].Lens
		if by := lens.Patched[i] - lens.Base[i]; text != changeOf(by) {
			t.Errorf("token %d changes by %s, want %s", i, text, changeOf(by))
		}
	}
	p.accessible()
	for _, width := range []int64{320, 1280, 3840} {
		p.size(width, 900, "dark")
		p.fits()
	}
}

// A long text is shown in parts.
func anatomyOfALongText(t *testing.T, s *served, p *tab) {
	text := strings.Repeat("2 + 3 = 5. ", 18)
	anatomyShown(p, "#anatomy/few")
	want := doc[traceDoc](t, bankai(t, s.home, "trace", text, "--patch", "few", "--json"))
	p.choose("#trace-prompt", text)
	p.click("#trace-start")
	n := len(want.Pieces)
	p.seeText("#trace-tokens", fmt.Sprintf("tokens 0 to 63 of %d tokens", n))
	p.choose("#trace-measure", "difference")
	p.click("#trace-after")
	p.click("#trace-after")
	p.seeText("#trace-tokens", fmt.Sprintf("tokens 128 to %d of %d tokens", n-1, n))
	if !js[bool](p, `document.querySelector("#trace-after").disabled`) {
		t.Error("something is behind the last token")
	}
	if got, want := p.text("#trace-table tbody tr:last-child td:last-child"), percentOf(want.Cuts[12].Difference[n-1]); got != want {
		t.Errorf("the last token differs by %s after the last layer, want %s", got, want)
	}
}

// percentOf is a share as the table writes it.
func percentOf(d float64) string {
	switch {
	case d == 0:
		return "·"
	case 100*d < 10:
		return fmt.Sprintf("%.1f", 100*d)
	}
	return fmt.Sprintf("%.0f", 100*d)
}

// changeOf is a change of ln p as the table writes it.
func changeOf(by float64) string {
	switch text := fmt.Sprintf("%+.2f", by); {
	case by == 0:
		return "·"
	case text == "-0.00" || text == "+0.00":
		return "0.00"
	default:
		return strings.Replace(text, "-", "−", 1)
	}
}

// What is typed, or stands in the address, is text and nothing else. It stays when the server
// refuses it, and when the page is loaded again.
func anatomyOfHostileTexts(t *testing.T, s *served, p *tab) {
	const hostile = `<img src=x onerror="document.title='owned'"> שלום & "x"`
	anatomyShown(p, "#anatomy/many")
	p.allow("status of 404", "status of 400")
	p.write("#trace-prompt", hostile)
	p.click("#trace-start")
	p.see("#trace-table")
	spelled := js[string](p, `[...document.querySelectorAll("#trace-table .piece")].map((e) => e.textContent).join("")`)
	if !strings.HasPrefix(spelled, "<img␣src=x␣onerror=") {
		t.Errorf("the tokens spell %q", spelled)
	}
	js[bool](p, `(location.hash = "#anatomy/" + encodeURIComponent("<img src=x onerror=alert(1)>"), true)`)
	p.seeText("#notice", "there is no patch")
	p.seeText("#anatomy-choice-1", "<img src=x onerror=alert(1)> (not here)")
	if n := js[int](p, `document.querySelectorAll("main img").length`); n != 0 || js[string](p, "document.title") != "Anatomy · bankai · demo" {
		t.Errorf("%d elements came out of texts", n)
	}
	js[bool](p, `(location.hash = "#anatomy/many", true)`)
	p.do(chromedp.Reload())
	p.see("#trace-prompt")
	if text := js[string](p, `document.querySelector("#trace-prompt").value`); text != hostile {
		t.Errorf("after the page was loaded again the text is %q", text)
	}
	p.write("#trace-prompt", "")
	p.click("#trace-start")
	p.seeText("#notice", "the prompt has no tokens")
}

// A patch that is deleted meanwhile is said to be gone, and nothing that was typed is lost.
func anatomyOfAPatchThatGoes(t *testing.T, s *served, p *tab) {
	anatomyShown(p, "#anatomy/many")
	p.allow("status of 404")
	p.choose("#trace-prompt", traced)
	p.see("#flip-map")
	bankai(t, s.home, "library", "remove", "many")
	p.click("#flip-map button[aria-label='450, gate of layer 2']")
	p.seeText("#notice", `there is no patch "many"`)
	p.wait(`!document.querySelector("#flip-map")`)
	p.click("#trace-start")
	p.wait(`!document.querySelector("#trace-stop").checkVisibility()`)
	p.seeText("#notice", `there is no patch "many"`)
	if text := js[string](p, `document.querySelector("#trace-prompt").value`); text != traced {
		t.Errorf("the text is %q", text)
	}
	p.seeText("#anatomy-choice-1", "many (not here)")
	p.choose("#anatomy-choice-1", "few")
	p.seeText("#map-verdict", "3 groups")
	p.click("#trace-start")
	p.see("#trace-table")
}
