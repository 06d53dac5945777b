package kernel

func (s *Set) MatMulT(dx []float32, w *Matrix, dy []float32, tokens int, exact bool, group0, group1 int) {
	row := make([]float32, w.Cols)
	for t := range tokens {
		clear(dx[t*w.Cols+group0*GroupSize : t*w.Cols+group1*GroupSize])
	}
	for r := range w.Rows {
		w.Row(row, r)
		for t := range tokens {
			for c := group0 * GroupSize; c < group1*GroupSize; c++ {
				dx[t*w.Cols+c] += float32(dy[t*w.Rows+r] * row[c])
			}
		}
	}
}

func (s *Set) SwiGLUGrad(dgate, dup, dh, gate, up []float32) {
	for i, g := range gate {
		sigma := 1 / (1 + Exp(-g))
		silu := float32(g * sigma)
		slope := sigma + float32(silu*(1-sigma))
		dgate[i] = float32(dh[i]*up[i]) * slope
		dup[i] = float32(dh[i] * silu)
	}
}
