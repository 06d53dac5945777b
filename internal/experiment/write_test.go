package experiment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bankai/engine"
)

// someTable has a cell of every kind.
func someTable() *Table {
	none := math.NaN()
	return &Table{
		Name: "some", Caption: "Some figures", Columns: []string{"name", "n", "x", "p", "mean"}, Brief: 2,
		Rows: [][]any{
			{"first, \"quoted\"", 4096, 0.5, PValue(0.00003), Estimate{1.5, 1.25, 1.75, 3}},
			{"second", nil, none, nil, Estimate{2, none, none, 1}},
			{"third", 1, 2.0, PValue(1), nil},
		},
	}
}

func TestTableText(t *testing.T) {
	p := Presentation{Title: "A title", Findings: []string{"It holds."}, Notes: []string{"n = 3."}, Tables: []Table{*someTable()}}
	var b strings.Builder
	if err := p.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	const want = `A title

Some figures
  name                 n       x      p                  mean
  first, "quoted"  4,096  0.5000  3e-05  1.500 [1.250, 1.750]
  second                       –                        2.000
  … and 1 more

It holds.
n = 3.
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

// Nothing that a file may hold steers a terminal: colours, titles, lines of its own.
func TestTextDoesNotSteerTheTerminal(t *testing.T) {
	const steer = "\x1b]0;x\a\r\n\x7f\u009b31m"
	p := Presentation{
		Title: "title" + steer, Findings: []string{"finding" + steer}, Notes: []string{"note" + steer},
		Tables: []Table{{Caption: "caption" + steer, Columns: []string{"column" + steer}, Rows: [][]any{{"cell" + steer}}}},
	}
	var b strings.Builder
	if err := p.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	const shown = "·]0;x·····31m\n"
	if want := "title" + shown + "\ncaption" + shown + "  column" + shown + "  cell" + shown + "\nfinding" + shown + "note" + shown; b.String() != want {
		t.Errorf("got\n%q\nwant\n%q", b.String(), want)
	}
}

func TestTableCSV(t *testing.T) {
	var b strings.Builder
	if err := someTable().WriteCSV(&b); err != nil {
		t.Fatal(err)
	}
	const want = `name,n,x,p,mean,mean low,mean high,mean n
"first, ""quoted""",4096,0.5,3e-05,1.5,1.25,1.75,3
second,,,,2,,,1
third,1,2,1,,,,
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestUndefinedFiguresGoThroughJSON(t *testing.T) {
	type both struct {
		E Estimate
		N []NullFloat
	}
	in := both{Estimate{1.5, math.NaN(), math.Inf(1), 1}, []NullFloat{2, NullFloat(math.NaN())}}
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"E":{"value":1.5,"low":null,"high":null,"n":1},"N":[2,null]}`; string(data) != want {
		t.Errorf("got %s, want %s", data, want)
	}
	var out both
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	if e := out.E; e.Value != 1.5 || !math.IsNaN(e.Low) || !math.IsNaN(e.High) || e.N != 1 || !math.IsNaN(float64(out.N[1])) {
		t.Errorf("got %+v", out)
	}
}

func TestReadRefuses(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"", "is no result of an experiment"},
		{"[]", "is no result of an experiment"},
		{`{"total": 3}`, "is no result of an experiment"},
		{`{"experiment": "alchemy"}`, `is of an experiment "alchemy" that this program does not know`},
		{`{"experiment": "perplexity", "window": "wide"}`, "is not a whole result of perplexity"},
	} {
		if _, err := Read(strings.NewReader(c.file), Own); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want …%s…", c.file, err, c.want)
		}
	}
}

// somePerplexity is a result without a model.
func somePerplexity() *Perplexity {
	o := TextOptions{Name: "a <b>text</b>", Window: 8, Stride: 4, Patch: Patching{Overlay: &engine.Overlay{}, Name: "fix.bankai"}}
	p := o.result([]int{0, 4}, []window{
		{Before: []float64{-1, -2, -0.5}, After: []float64{-1.5, -2, -0.25}, KL: []float64{0.1, 0, 0.2}, RightBefore: 2, RightAfter: 1},
		{Before: []float64{-1, -1, -3}, After: []float64{-1, -1.5, -3}, KL: []float64{0.3, 0, 0.1}, RightBefore: 1, RightAfter: 1},
	})
	p.About = About{Experiment: "perplexity", Command: "bankai experiment perplexity --text 'a <b>'", Tool: "bankai", Model: "demo", Digest: "0f", Precision: "fast", Seed: 1, Seconds: 2}
	return p
}

// putFile writes a file plainly.
func putFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// What is written can be read again, and shows the same.
func TestResultsGoThroughFiles(t *testing.T) {
	dir := t.TempDir()
	p := somePerplexity()
	files, err := Save(dir, p, putFile)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, filepath.Base(f))
	}
	if want := []string{"perplexity.json", "perplexity.csv", "perplexity-windows.csv", "perplexity.svg", "perplexity.html"}; !slices.Equal(names, want) {
		t.Errorf("wrote %v, want %v", names, want)
	}
	f, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	again, err := Read(f, Own)
	if err != nil {
		t.Fatal(err)
	}
	sameFiles(t, p, again)
}

// sameFiles fails unless two results write the same files.
func sameFiles(t *testing.T, a, b Result) {
	t.Helper()
	dirs := [2]string{t.TempDir(), t.TempDir()}
	var files [2][]string
	for i, r := range []Result{a, b} {
		var err error
		if files[i], err = Save(dirs[i], r, putFile); err != nil {
			t.Fatal(err)
		}
	}
	if len(files[0]) != len(files[1]) {
		t.Fatalf("wrote %v and %v", files[0], files[1])
	}
	for i := range files[0] {
		x, errX := os.ReadFile(files[0][i])
		y, errY := os.ReadFile(files[1][i])
		if errX != nil || errY != nil || !bytes.Equal(x, y) {
			t.Errorf("%s differs: %v, %v", filepath.Base(files[0][i]), errX, errY)
		}
	}
}

// A page stands alone, and says what came from files as text.
func TestPageStandsAlone(t *testing.T) {
	var b strings.Builder
	if err := WriteHTML(&b, By, somePerplexity(), somePerplexity()); err != nil {
		t.Fatal(err)
	}
	html := b.String()
	for _, bad := range []string{"<b>", "<script", "http://", "https://", "<img", "<link", "ZgotmplZ"} {
		if strings.Contains(strings.ReplaceAll(html, "http://www.w3.org/", ""), bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	for _, want := range []string{"2 experiments", "a &lt;b&gt;text&lt;/b&gt;", "<svg", `href="#r1"`, `id="r1"`, "4.123", "fix.bankai"} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// A table that is too wide comes in parts that fit, each with the names of its rows; no
// column is left out.
func TestWideTablesComeInParts(t *testing.T) {
	table := Table{Columns: []string{"patch", "words"}}
	row := []any{"a patch", strings.Repeat("w", 30)}
	for i := range 12 {
		table.Columns = append(table.Columns, fmt.Sprintf("column %d", i))
		row = append(row, Estimate{float64(i), -1, 1, 5})
	}
	table.Rows = [][]any{row}
	var b strings.Builder
	table.write(&b)
	heads := 0
	for line := range strings.Lines(b.String()) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > lineWidth {
			t.Errorf("%d columns: %s", n, line)
		}
		if strings.HasPrefix(line, "  patch ") {
			heads++
		}
	}
	if heads < 2 {
		t.Errorf("%d parts:\n%s", heads, b.String())
	}
	for i := range 12 {
		if !strings.Contains(b.String(), fmt.Sprintf("column %d", i)) {
			t.Errorf("column %d is not there:\n%s", i, b.String())
		}
	}
}
