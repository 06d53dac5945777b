package text

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Table is rows of cells that are written in columns, each as wide as the widest of
// its cells. Cells are written as [Printable] has them.
type Table struct {
	Indent string // before every row
	Right  []bool // the columns aligned to the right; the others, and those beyond, are to the left
	Rows   [][]string
}

// Gap is what stands between the columns of a table.
const Gap = "  "

// RightAligned are columns of numbers, all aligned to the right.
func RightAligned(columns int) []bool { return slices.Repeat([]bool{true}, columns) }

// Add adds a row. Cells are written as fmt.Sprint does.
func (t *Table) Add(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = fmt.Sprint(c)
	}
	t.Rows = append(t.Rows, row)
}

// Widths are those of the columns, in characters.
func (t *Table) Widths() (widths []int) {
	for _, row := range t.Rows {
		for i := range row {
			cell := Printable(row[i])
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

// Narrow cuts cells where rows would be wider than a number of characters: those of
// the widest column first.
func (t *Table) Narrow(most int) {
	widths := t.Widths()
	total := utf8.RuneCountInString(t.Indent) + len(Gap)*(len(widths)-1)
	for _, w := range widths {
		total += w
	}
	for ; total > most; total-- {
		widest := 0
		for i, w := range widths {
			if w > widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= 1 {
			break // no cell can give way
		}
		widths[widest]--
	}
	for _, row := range t.Rows {
		for i := range row {
			row[i] = Clip(Printable(row[i]), widths[i])
		}
	}
}

// String is the table, with a newline after each row and no spaces before it but
// those of a cell.
func (t *Table) String() string {
	var b strings.Builder
	widths := t.Widths()
	for _, row := range t.Rows {
		line, pad := "", t.Indent
		for i := range row {
			cell := Printable(row[i])
			room := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			before, after := "", room
			if i < len(t.Right) && t.Right[i] {
				before, after = room, ""
			}
			if cell != "" { // what pads the end of a row is left out
				line += pad + before + cell
				pad, before = "", ""
			}
			pad += before + after + Gap
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}
