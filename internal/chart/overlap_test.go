package chart

import "testing"

// The label beside an area, written upwards, ends with the area: it does not run
// through the heading above it, however few rows there are.
func TestLabelStaysBesideItsArea(t *testing.T) {
	for _, rows := range [][]string{{"a", "b"}, {"a", "b", "c"}, {"a", "b", "c", "d", "e", "f"}} {
		values := make([][]float64, len(rows))
		for i := range values {
			values[i] = make([]float64, len(rows))
		}
		for _, label := range []string{"right answers with", "incomprehensibilities", "p"} {
			c := Chart{Panels: []Panel{&Heat{Title: "Head to head", X: "less those with", Y: label, Rows: rows, Cols: rows, Values: values}}}
			d, err := c.layout(&printed)
			if err != nil {
				t.Fatal(err)
			}
			k := d.tiles[0]
			if tall := widest(k.yLabel(), labelFont); tall > k.height {
				t.Errorf("%d rows: the label %q is %.0f points tall beside an area of %.0f", len(rows), label, tall, k.height)
			}
		}
	}
}
