package report

import (
	"encoding/csv"
	"io"
	"math"
	"strconv"
)

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
