package experiment

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"bankai/internal/text"
)

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

// The widths of a table on a terminal, in characters.
const (
	lineWidth = 100
	mostCell  = 48 // the end of a longer text is left out
)

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

// isEstimate reports whether a column holds estimates.
func (t *Table) isEstimate(column int) bool {
	for _, row := range t.Rows {
		if _, ok := row[column].(Estimate); ok {
			return true
		}
	}
	return false
}

// WriteCSV writes the table with all digits. An estimate takes up four columns:
// its value, the ends of its interval, and the number of values behind it. What
// is not defined is empty.
func (t *Table) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	var head []string
	for i, name := range t.Columns {
		head = append(head, name)
		if t.isEstimate(i) {
			head = append(head, name+" low", name+" high", name+" n")
		}
	}
	if err := out.Write(head); err != nil {
		return err
	}
	for _, row := range t.Rows {
		var line []string
		for i, cell := range row {
			line = append(line, plain(cell))
			if e, ok := cell.(Estimate); ok {
				line = append(line, plain(e.Low), plain(e.High), plain(e.N))
			} else if t.isEstimate(i) {
				line = append(line, "", "", "")
			}
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// plain is a cell for machines.
func plain(cell any) string {
	switch c := cell.(type) {
	case string:
		return c
	case int:
		return strconv.Itoa(c)
	case float64:
		if math.IsNaN(c) || math.IsInf(c, 0) {
			return ""
		}
		return strconv.FormatFloat(c, 'g', -1, 64)
	case PValue:
		return plain(float64(c))
	case Estimate:
		return plain(c.Value)
	}
	return ""
}

// WriteJSON writes a result as Read takes it.
func WriteJSON(w io.Writer, r Result) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(Sealed{r})
}
