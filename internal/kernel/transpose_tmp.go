package kernel

func (s *Set) SwiGLUGrad(dgate, dup, dh, gate, up []float32) {
	for i, g := range gate {
		sigma := 1 / (1 + Exp(-g))
		silu := float32(g * sigma)
		slope := sigma + float32(silu*(1-sigma))
		dgate[i] = float32(dh[i]*up[i]) * slope
		dup[i] = float32(dh[i] * silu)
	}
}
