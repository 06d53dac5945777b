package report

import (
	"fmt"
	"math"
	"strings"
	"testing"
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
