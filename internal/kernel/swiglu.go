package kernel

// SwiGLU writes h = silu(gate)·up, silu(g) = g·σ(g) with σ(g) = 1/(1+e^−g).
func (s *Set) SwiGLU(h, gate, up []float32) { s.swiglu(h, gate, up) }

// SwiGLUGrad writes the derivatives of a function through SwiGLU, given dh, the
// one by h: dgate = dh·up·silu′(gate) and dup = dh·silu(gate), where
// silu′(g) = σ + g·σ·(1−σ). All have one length; dgate and dup overlap no other.
func (s *Set) SwiGLUGrad(dgate, dup, dh, gate, up []float32) { s.swigluGrad(dgate, dup, dh, gate, up) }

func genericSwiGLU(h, gate, up []float32) {
	for i, g := range gate {
		h[i] = float32(g/(1+Exp(-g))) * up[i]
	}
}

// genericSwiGLUGrad takes 1−σ as e^−g·σ: where σ is near 1, a difference would
// have lost its digits.
func genericSwiGLUGrad(dgate, dup, dh, gate, up []float32) {
	for i, g := range gate {
		e := Exp(-g)
		sigma := 1 / (1 + e)
		silu := float32(g * sigma)
		slope := float32(silu*float32(e*sigma)) + sigma
		dgate[i] = float32(dh[i]*up[i]) * slope
		dup[i] = dh[i] * silu
	}
}
