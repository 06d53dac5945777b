package kernel

import "math"

// genericTransposeFast: for a token and RowGroup rows, v = dy·d is quantised as
// genericQuantize does, and dx += scale·I where I = Σ(2b−1)q is an exact integer
// below 2^14.
func genericTransposeFast(dx []float32, w *Matrix, dy []float32, tokens, g int) {
	for t := range tokens {
		out := dx[t*w.Cols+g*GroupSize:][:GroupSize]
		for r := 0; r < w.Rows; r += RowGroup {
			n := min(RowGroup, w.Rows-r)
			q, scale := quantizeRows(dy[t*w.Rows+r:][:n], w, r, g)
			for c := range out {
				var sum int32
				for i := range n {
					word, bit := bitOf(i%Lanes, c)
					sign := int32(w.group(r+i, g)[word]>>bit&1)*2 - 1
					sum += sign * int32(q[i])
				}
				out[c] += float32(scale * float32(sum))
			}
		}
	}
}

// quantizeRows quantises the gradients of len(dy) rows from r on, each times the
// scale of its row in group g.
func quantizeRows(dy []float32, w *Matrix, r, g int) (q [RowGroup]int8, scale float32) {
	var v [RowGroup]float32
	var most, inv float32
	for i, f := range dy {
		v[i] = f * scaleOf(w.group(r+i, g), (r+i)%Lanes)
		most = max(most, float32(math.Abs(float64(v[i]))))
	}
	if most >= tinyMax {
		inv, scale = 127/most, most/127
	}
	for i, f := range v {
		q[i] = int8(math.RoundToEven(float64(f * inv)))
	}
	return q, scale
}

// genericExpand writes the weights of a group of a tile, row after row.
func genericExpand(rows *[Lanes * GroupSize]float32, w *[tileWords]uint64) {
	for r := range Lanes {
		expandRow(rows[r*GroupSize:][:GroupSize], w[:], r)
	}
}
