package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"bankai/internal/text"
)

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

// write writes the table with aligned columns, numbers to the right.
func (t *Table) write(b *strings.Builder) {
	rows := t.Rows
	if t.Brief > 0 {
		rows = rows[:min(t.Brief, len(rows))]
	}
	all := text.Table{Rows: [][]string{nil}}
	right := make([]bool, len(t.Columns))
	for i, name := range t.Columns {
		all.Rows[0] = append(all.Rows[0], CellText(name))
		right[i] = !t.isText(i)
	}
	for _, row := range rows {
		line := make([]string, len(row))
		for i, cell := range row {
			line[i] = text.Clip(CellText(cell), mostCell)
		}
		all.Rows = append(all.Rows, line)
	}
	for n, columns := range t.parts(all.Widths()) {
		if n > 0 {
			b.WriteByte('\n')
		}
		part := text.Table{Indent: text.Gap, Right: chosen(right, columns)}
		for _, line := range all.Rows {
			part.Rows = append(part.Rows, chosen(line, columns))
		}
		b.WriteString(part.String())
	}
	if left := len(t.Rows) - len(rows); left > 0 {
		fmt.Fprintf(b, "  … and %d more\n", left)
	}
}

// chosen is the items at some places.
func chosen[T any](items []T, at []int) []T {
	some := make([]T, len(at))
	for i, j := range at {
		some[i] = items[j]
	}
	return some
}

// mostCell is how many characters of a cell a terminal shows.
const mostCell = 48

// parts divides the columns of a table that is too wide among several, of which each
// begins with the names of the rows: the first column, and the next if it has words too.
func (t *Table) parts(widths []int) (parts [][]int) {
	var names []int
	room := lineWidth
	for i := 0; i < min(2, len(widths)) && t.isText(i); i++ {
		names = append(names, i)
		room -= len(text.Gap) + widths[i]
	}
	left := room
	var columns []int
	for i := len(names); i < len(widths); i++ {
		need := len(text.Gap) + widths[i]
		if len(columns) > 0 && need > left {
			parts = append(parts, slices.Concat(names, columns))
			columns, left = nil, room
		}
		columns, left = append(columns, i), left-need
	}
	return append(parts, slices.Concat(names, columns))
}

// isText reports whether a column holds words.
func (t *Table) isText(column int) bool {
	for _, row := range t.Rows {
		if row[column] != nil {
			_, words := row[column].(string)
			return words
		}
	}
	return false
}
