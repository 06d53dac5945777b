package experiment

import (
	"math"

	"bankai/internal/chart"
	"bankai/internal/text"
)

// Presentation is how a result is shown, on a terminal, in files and on a page.
type Presentation struct {
	Title    string
	Purpose  string   // what it reproduces, and how to read it
	Findings []string // what came out, a sentence or two each
	Tables   []Table
	Charts   []chart.Chart
	Notes    []string // what the figures rest on: numbers, intervals, corrections
}

// Table is figures in rows. A cell is a string, an int, a float64, a [PValue] or an
// [Estimate]; a column holds one kind, or nil where there is nothing.
type Table struct {
	Name    string // of its file, without ending
	Caption string
	Columns []string
	Rows    [][]any
	Brief   int // rows that a terminal shows; 0 for all
}

// PValue is a p-value.
type PValue float64

// CellText is a cell for people.
func CellText(cell any) string {
	switch c := cell.(type) {
	case nil:
		return ""
	case string:
		return text.Printable(c)
	case int:
		return text.Thousands(int64(c))
	case float64:
		return text.Digits(c)
	case PValue:
		return text.Probability(float64(c))
	case Estimate:
		if math.IsNaN(c.Low) || math.IsNaN(c.High) {
			return text.Digits(c.Value)
		}
		return text.Digits(c.Value) + " [" + text.Digits(c.Low) + ", " + text.Digits(c.High) + "]"
	}
	panic("a table's cell of no kind")
}
