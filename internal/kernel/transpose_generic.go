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
			var sum [GroupSize]int32
			var block [BlockBytes]byte
			for i := range n {
				w.block(&block, r+i, g)
				for c := range sum {
					if positive(&block, c) {
						sum[c] += int32(q[i])
					} else {
						sum[c] -= int32(q[i])
					}
				}
			}
			for c, s := range sum {
				out[c] += float32(scale * float32(s))
			}
		}
	}
}

// quantizeRows quantises the gradients of len(dy) rows from r on, each times the
// scale of its row in group g.
func quantizeRows(dy []float32, w *Matrix, r, g int) (q [RowGroup]int8, scale float32) {
	var v [RowGroup]float32
	var most, inv float32
	var block [BlockBytes]byte
	for i, f := range dy {
		w.block(&block, r+i, g)
		v[i] = f * scaleOf(&block)
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
func genericExpand(rows []float32, w *Matrix, tile, g int) {
	var block [BlockBytes]byte
	lo := tile * w.layout.rows
	for r := lo; r < min(lo+w.layout.rows, w.Rows); r++ {
		w.block(&block, r, g)
		expandBlock(rows[(r-lo)*GroupSize:][:GroupSize], &block)
	}
}
