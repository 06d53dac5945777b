package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"bankai/internal/chart"
)

// Presentation is how a result is shown, on a terminal, in files and on a page.
type Presentation struct {
	Title    string
	Purpose  string   // what it reproduces, and how to read it
	Findings []string // what came out, a sentence or two each
	Tables   []Table
	Charts   []chart.Chart
	Changes  []Changes // answers side by side, on a page alone
	Notes    []string  // what the figures rest on: numbers, intervals, corrections
}

// WriteText writes a presentation for a person to read.
func (p *Presentation) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintln(&b, CellText(p.Title))
	for _, t := range p.Tables {
		fmt.Fprintf(&b, "\n%s\n", CellText(t.Caption))
		t.write(&b)
	}
	fmt.Fprintln(&b)
	for _, line := range slices.Concat(p.Findings, p.Notes) {
		fmt.Fprintln(&b, CellText(line))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
