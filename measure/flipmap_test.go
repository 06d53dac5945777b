package measure

import (
	"fmt"
	"strings"
	"testing"
)

// text is the map as a table, each place with its heat.
func (m FlipMap) text() string {
	var b strings.Builder
	fmt.Fprintln(&b, strings.Join(m.Columns, " "))
	place := func(c FlipMapCell) string { return fmt.Sprintf(" %s/%d", strings.Join(c.Counts, "+"), c.Heat) }
	for _, row := range m.Layers {
		fmt.Fprint(&b, row.Layer)
		for _, c := range row.Cells {
			b.WriteString(place(c))
		}
		b.WriteByte('\n')
	}
	for _, c := range m.Others {
		fmt.Fprintf(&b, "%s%s\n", c.Tensor, place(c))
	}
	return b.String() + m.Total
}

func TestFlipMap(t *testing.T) {
	gate := FlipCell{Tensor: "blk.1.ffn_gate.weight", Layer: 1, Projection: "gate_proj", Flips: 25, Rows: 25, Weights: 25 * 256}
	query := FlipCell{Tensor: "blk.2.attn_q.weight", Layer: 2, Projection: "q_proj", Flips: 9, Rows: 9, Weights: 9 * 256}
	embd := FlipCell{Tensor: "token_embd.weight", Layer: -1, Projection: "token_embd", Flips: 1, Bits: 1, Weights: 1}
	bits := gate
	bits.Bits, bits.Flips, bits.Weights = 40, 65, bits.Weights+40
	unknown := []FlipCell{gate, query}
	unknown[0].Weights, unknown[1].Weights = 0, 0
	for _, c := range []struct {
		what     string
		cells    []FlipCell
		searched []string
		layers   int
		want     string
	}{
		{"numbers alone, of one granularity", []FlipCell{gate, query}, nil, 0, "q gate\n0 /0 /0\n1 /0 25/5\n2 9/3 /0\n34 rows"},
		{"what was searched, of a model with more layers", []FlipCell{gate}, []string{"up", "gate"}, 4, "gate up\n0 /0 /0\n1 25/5 /0\n2 /0 /0\n3 /0 /0\n25 rows"},
		{"named numbers, of several", []FlipCell{bits, query, embd}, nil, 0, "q gate\n0 /0 /0\n1 /0 25 rows+40 bits/5\n2 9 rows/3 /0\ntoken_embd.weight 1 bit/1\n34 rows, 41 bits"},
		{"of unknown width", unknown, nil, 0, "q gate\n0 /0 /0\n1 /0 25/5\n2 9/3 /0\n34 rows"},
		{"nothing", nil, []string{"gate"}, 1, "gate\n0 /0\n"},
	} {
		if got := NewFlipMap(c.cells, c.searched, c.layers).text(); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.what, got, c.want)
		}
	}
}
