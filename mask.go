package bankai

import (
	"iter"
	"slices"
)

// mask is the set of inverted bits of one tensor, kept as the sorted list of
// edges: the places where inverting starts and stops. XOR of two masks is the
// symmetric difference of their edges, which makes the canonical form (sorted,
// equal pairs cancelled, neighbours merged) fall out of one sort.
type mask struct {
	tensor string
	width  uint32   // columns of the tensor, 0 if unknown
	edges  []uint64 // row<<32 | column; an even number in every row
}

// maxColumns bounds the width of a tensor. No model comes near; it keeps every
// finite end of a flip apart from ToEnd. A flip beyond it is moved to the last
// column, where Resolve refuses it.
const maxColumns = 1 << 31

// edge packs a place; its order is that of rows, then columns, ToEnd last.
func edge(row, col uint32) uint64 { return uint64(row)<<32 | uint64(col) }

// edges returns where f starts and stops inverting; equal for an empty flip.
func (f Flip) edges() (start, stop uint64) {
	col := min(f.Col, maxColumns-1)
	end := uint32(min(uint64(f.Col)+uint64(f.N), maxColumns))
	switch f.N {
	case 0:
		end = col
	case ToEnd:
		end = ToEnd
	}
	return edge(f.Row, col), edge(f.Row, end)
}

// flips yields the intervals of m in order.
func (m mask) flips() iter.Seq[Flip] {
	return func(yield func(Flip) bool) {
		for i := 0; i < len(m.edges); i += 2 {
			start, stop := m.edges[i], m.edges[i+1]
			f := Flip{Tensor: m.tensor, Row: uint32(start >> 32), Col: uint32(start), N: ToEnd}
			if end := uint32(stop); end != ToEnd {
				f.N = end - f.Col
			}
			if !yield(f) {
				return
			}
		}
	}
}

// byRow yields the columns of the edges, row by row. The slice is valid until
// the next row.
func (m mask) byRow() iter.Seq2[uint32, []uint32] {
	return func(yield func(uint32, []uint32) bool) {
		var cols []uint32
		for i := 0; i < len(m.edges); {
			row := uint32(m.edges[i] >> 32)
			cols = cols[:0]
			for ; i < len(m.edges) && uint32(m.edges[i]>>32) == row; i++ {
				cols = append(cols, uint32(m.edges[i]))
			}
			if !yield(row, cols) {
				return
			}
		}
	}
}

// cancel sorts edges in place and removes equal pairs.
func cancel(edges []uint64) []uint64 {
	slices.Sort(edges)
	kept := edges[:0]
	for _, e := range edges {
		if n := len(kept); n > 0 && kept[n-1] == e {
			kept = kept[:n-1]
		} else {
			kept = append(kept, e)
		}
	}
	return kept
}

// fit returns m for a tensor of the given width: an end at the width becomes
// ToEnd. A finite edge beyond the width is a *RangeError.
func (m mask) fit(width uint32) (mask, error) {
	if m.width == width {
		return m, nil
	}
	if m.width != 0 {
		return mask{}, &RangeError{Tensor: m.tensor, What: "width", Got: m.width, Limit: width}
	}
	edges := slices.Clone(m.edges)
	for i, e := range edges {
		row, col := uint32(e>>32), uint32(e)
		switch {
		case col == ToEnd || col < width:
		case col == width:
			edges[i] = edge(row, ToEnd)
		default:
			if i%2 == 1 {
				col-- // an end: the column before it is the flip's last
			}
			return mask{}, &RangeError{Tensor: m.tensor, What: "column", Row: row, Got: col, Limit: width}
		}
	}
	return mask{tensor: m.tensor, width: width, edges: cancel(edges)}, nil
}

// xor returns the symmetric difference of two masks of one tensor.
func (m mask) xor(o mask) (mask, error) {
	m, o, err := m.alike(o)
	if err != nil {
		return mask{}, err
	}
	m.edges = cancel(slices.Concat(m.edges, o.edges))
	return m, nil
}

// and returns the bits of both of two masks of one tensor.
func (m mask) and(o mask) (mask, error) {
	m, o, err := m.alike(o)
	if err != nil {
		return mask{}, err
	}
	var both []uint64
	for a, b := m.edges, o.edges; len(a) > 0 && len(b) > 0; {
		if start, stop := max(a[0], b[0]), min(a[1], b[1]); start < stop {
			both = append(both, start, stop)
		}
		if a[1] < b[1] {
			a = a[2:]
		} else {
			b = b[2:]
		}
	}
	m.edges = both
	return m, nil
}

// alike returns two masks of one tensor with the width that either knows.
func (m mask) alike(o mask) (mask, mask, error) {
	var err error
	if m.width == 0 && o.width != 0 {
		m, err = m.fit(o.width)
	} else if m.width != 0 && o.width != m.width {
		o, err = o.fit(m.width)
	}
	return m, o, err
}
