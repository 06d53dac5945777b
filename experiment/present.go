package experiment

import (
	"math"
	"strconv"
	"strings"

	"bankai/evaluate"
	"bankai/internal/chart"
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

// Table is figures in rows. A cell is a string, an int, a float64, a [P] or an
// [Estimate]; a column holds one kind, or nil where there is nothing.
type Table struct {
	Name    string // of its file, without ending
	Caption string
	Columns []string
	Rows    [][]any
	Brief   int // rows that a terminal shows; 0 for all
}

// P is a p-value.
type P float64

// text is a cell for people.
func text(cell any) string {
	switch c := cell.(type) {
	case nil:
		return ""
	case string:
		return strings.Map(printable, c)
	case int:
		return evaluate.Thousands(int64(c))
	case float64:
		return Digits(c)
	case P:
		return evaluate.Probability(float64(c))
	case Estimate:
		if math.IsNaN(c.Low) || math.IsNaN(c.High) {
			return Digits(c.Value)
		}
		return Digits(c.Value) + " [" + Digits(c.Low) + ", " + Digits(c.High) + "]"
	}
	panic("a table's cell of no kind")
}

// printable replaces what would end a line or steer a terminal: cells may hold
// what a model generated, and a result file whatever was written to it.
func printable(r rune) rune {
	if r < ' ' || 0x7f <= r && r < 0xa0 {
		return '·'
	}
	return r
}

// Digits writes a figure with four significant digits: 2.406, 0.01235, 15,330.
func Digits(x float64) string {
	switch size := math.Abs(x); {
	case math.IsNaN(x):
		return "–"
	case math.IsInf(x, 0):
		return strconv.FormatFloat(x, 'f', 0, 64)
	case size >= 1e7 || size < 1e-4 && size > 0:
		return strconv.FormatFloat(x, 'e', 2, 64)
	case size >= 1000:
		return evaluate.Thousands(int64(math.Round(x)))
	case size == 0:
		return "0"
	default:
		whole := 1 + evaluate.Decade(size) // digits before the point
		return strconv.FormatFloat(x, 'f', max(0, 4-whole), 64)
	}
}
