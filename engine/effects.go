package engine

// WholeRow as a group means all columns of a row.
const WholeRow = -1

// effectRows is the number of rows of a projection that a worker derives at a time.
const effectRows = 64

// AddEffects adds, for every row of slopes t, what flipping row r of projection k
// would change F by: to sums[slots[t]·rows+r], in the order of t. Only the columns of
// one group are flipped, unless group is [WholeRow]. A negative slot leaves t out.
//
// That is the first-order change in what the flip does at its own site: y_r becomes
// y_r − 2·p_r, p being the flipped columns' part of y, so F changes by −2·p·∂F/∂y.
// The hidden units of an MLP change by a known amount: those of an up row in
// proportion, those of a gate row to silu(gate − 2p)·up. So for these it is the
// first-order change in the hidden unit, times ∂F/∂h.
func (s *Slopes) AddEffects(k, group int, slots []int, sums []float32) {
	g, p := s.g, s.Projections[k]
	rows := len(p.Y) / len(s.Questions)
	part := p.Y
	if group != WholeRow {
		g.effect = resize(g.effect, len(p.Y))
		part = g.effect
		s.Partial(k, group, part)
	}
	gate := s.Hidden != nil && k == 0
	g.b.team.run(rows, effectRows, func(worker, lo, end int) {
		for ; lo < end; lo += effectRows {
			n := min(effectRows, end-lo)
			for t, slot := range slots {
				if slot < 0 {
					continue
				}
				at := t*rows + lo
				sum := sums[slot*rows+lo:][:n]
				if gate {
					g.addGate(worker, sum, s, at, part[at:at+n])
					continue
				}
				y := part[at : at+n]
				for i, d := range p.DY[at : at+n] {
					sum[i] -= 2 * float32(d*y[i])
				}
			}
		}
	})
}

// addGate adds to sum what flipping parts of gate's outputs changes, at places of the
// slopes from at on.
func (g *gradient) addGate(worker int, sum []float32, s *Slopes, at int, part []float32) {
	n := len(sum)
	gate, up := s.Projections[0].Y[at:at+n], s.Projections[1].Y[at:at+n]
	h, dh := s.Hidden[at:at+n], s.DHidden[at:at+n]
	flipped := g.rows[worker][:2*n]
	for i, p := range part {
		flipped[n+i] = gate[i] - 2*p
	}
	g.m.kernel.SwiGLU(flipped[:n], flipped[n:], up)
	for i, d := range dh {
		sum[i] += float32(d * (flipped[i] - h[i]))
	}
}

// Weights writes row r of projection k's matrix to dst, as it is patched in place.
func (s *Slopes) Weights(k, r int, dst []float32) {
	s.g.m.matrices[s.Projections[k].Tensor].Row(dst, r)
}
