package kernel

// DeltaRule carries the memory of a head over one token. s is [len(k)][len(v)], a row
// for every dimension of keys. The memory fades by alpha, what it then has wrong about
// the key k is mended by the part beta, and it is read with the query q:
//
//	r = v − alpha·sᵀk
//	s = alpha·s + k·(beta·r)ᵀ
//	o = sᵀq
//
// Every column of s stands for itself, and its sums are made in the order of the rows.
func (set *Set) DeltaRule(o, s, q, k, v []float32, alpha, beta float32) {
	set.deltaRule(o, s, q, k, v, alpha, beta)
}

// Gate replaces x by x·σ(g), σ(g) = 1/(1+e^−g).
func (set *Set) Gate(x, g []float32) { set.gate(x, g) }

func genericDeltaRule(o, s, q, k, v []float32, alpha, beta float32) {
	deltaColumns(o, s, q, k, v, alpha, beta, 0)
}

// deltaColumns is DeltaRule for the columns from the first on.
func deltaColumns(o, s, q, k, v []float32, alpha, beta float32, first int) {
	n := len(v)
	for d := first; d < n; d++ {
		var had float32 // at key k
		for i, x := range k {
			had += float32(x * s[i*n+d])
		}
		r := beta * (v[d] - float32(alpha*had))
		var out float32
		for i, x := range k {
			now := float32(alpha*s[i*n+d]) + float32(x*r)
			s[i*n+d] = now
			out += float32(q[i] * now)
		}
		o[d] = out
	}
}

func genericGate(x, g []float32) {
	for i, v := range g {
		x[i] /= 1 + Exp(-v)
	}
}
