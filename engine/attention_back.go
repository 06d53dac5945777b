package engine

// attentionBack is what going back through an attention computes on: [tokens, width]
// unless said.
type attentionBack struct {
	q, dq     []float32 // queries as they enter the scores, Heads·HeadDim
	out, dOut []float32 // the attention's output
	k, dk     []float32 // keys as they enter the scores: [KVHeads, tokens, HeadDim]
	v, dv     []float32
	dqRow     []float32 // ∂F/∂ the projections' outputs, [tokens, rows]
	dkRow     []float32
	dvRow     []float32
	negSin    []float32 // for turning back: [positions, Rotary/2]

	gated, dGated []float32 // what gates let through of out; without any, out itself
}

// resize makes room for n tokens.
func (m *attentionBack) resize(a *attention, n int) {
	for _, s := range []*[]float32{&m.q, &m.dq, &m.out, &m.dOut} {
		*s = resize(*s, n*a.o.Cols)
	}
	m.dqRow = resize(m.dqRow, n*a.q.Rows)
	if a.gated {
		m.gated, m.dGated = resize(m.gated, n*a.o.Cols), resize(m.dGated, n*a.o.Cols)
	} else {
		m.gated, m.dGated = m.out, m.dOut
	}
	for _, s := range []*[]float32{&m.k, &m.dk, &m.v, &m.dv, &m.dkRow, &m.dvRow} {
		*s = resize(*s, n*a.k.Rows)
	}
}

func (a *attention) back(g *gradient, p *pass) error {
	g.attentionBack.resize(a, len(g.questions))
	g.setNegSin(p.sin)
	g.added(a.below)
	g.input(a.below, a.norm)
	g.matMulT(g.dGated, a.o.Matrix, g.dx, len(g.questions))
	g.b.each(len(g.questions), func(_, r int) { a.turn(g, p, r) })
	clear(g.dk)
	clear(g.dv)
	kvHeads := g.m.config.KVHeads
	g.b.team.run(len(g.trees)*kvHeads, 1, func(worker, lo, hi int) {
		for j := lo; j < hi; j++ {
			a.attendBack(g, worker, g.trees[j/kvHeads], j%kvHeads)
		}
	})
	g.b.each(len(g.questions), func(worker, r int) { a.turnBack(g, worker, p, r) })
	s := &LayerGradient{
		g: g, Layer: a.layer, Last: g.last, Questions: g.questions,
		Projections: []Projection{
			{a.q.tensor, g.x, g.tape.output(a.below, 0), g.dqRow},
			{a.k.tensor, g.x, g.tape.output(a.below, 1), g.dkRow},
			{a.v.tensor, g.x, g.tape.output(a.below, 2), g.dvRow},
			{a.o.tensor, g.gated, g.y, g.dx},
		},
	}
	if a.gated {
		s.behind = []behind{{add: a.behindQueries(g)}, {}, {}, {}}
	}
	if err := g.visit(s); err != nil {
		return err
	}
	g.through(a.below, a.norm, []projection{a.q, a.k, a.v}, [][]float32{g.dqRow, g.dkRow, g.dvRow})
	return nil
}

// behindQueries is what follows q when it has gates: their σ. What follows the queries is
// no function of one of them alone.
func (a *attention) behindQueries(g *gradient) func(worker, row, at int, part, sum []float32) {
	c, k, y := g.m.config, g.m.kernel, g.tape.output(a.below, 0)
	queries := linear(g.dqRow)
	return func(worker, row, at int, part, sum []float32) {
		for len(part) > 0 {
			n := min(len(part), c.HeadDim-row%c.HeadDim) // of one query or gate
			if place := at / c.HeadDim; place%2 == 0 {
				queries(worker, row, at, part[:n], sum)
			} else {
				from := place/2*c.HeadDim + row%c.HeadDim
				through, flipped := g.rows[worker][:n], g.rows[worker][n:2*n]
				for i, p := range part[:n] {
					flipped[i] = y[at+i] - 2*p
				}
				copy(through, g.out[from:])
				k.Gate(through, flipped)
				for i, x := range through {
					sum[i] += float32(g.dGated[from+i] * (x - g.gated[from+i]))
				}
			}
			row, at, part, sum = row+n, at+n, part[n:], sum[n:]
		}
	}
}

// queryOf and gateOf are those of the i-th head of all tokens in the outputs of q.
func (a *attention) queryOf(y []float32, i, dim int) []float32 {
	if a.gated {
		i *= 2
	}
	return head(y, i, dim)
}

func (a *attention) gateOf(y []float32, i, dim int) []float32 { return head(y, 2*i+1, dim) }

// turn sets row r of the queries, keys and values as they enter the scores, and of the
// derivatives by what gates let through.
func (a *attention) turn(g *gradient, p *pass, r int) {
	m, c, n := g.m, g.m.config, len(g.questions)
	q, k, v := g.tape.output(a.below, 0), g.tape.output(a.below, 1), g.tape.output(a.below, 2)
	cos, sin := p.angles(r, c.Rotary/2)
	for h := range c.Heads {
		i := r*c.Heads + h
		m.query(head(g.q, i, c.HeadDim), a.queryOf(q, i, c.HeadDim), a.qNorm, cos, sin)
		if a.gated {
			copy(head(g.dOut, i, c.HeadDim), head(g.dGated, i, c.HeadDim))
			m.kernel.Gate(head(g.dOut, i, c.HeadDim), a.gateOf(q, i, c.HeadDim))
		}
	}
	for h := range c.KVHeads {
		i := r*c.KVHeads + h
		m.key(head(g.k, h*n+r, c.HeadDim), head(k, i, c.HeadDim), a.kNorm, cos, sin)
		copy(head(g.v, h*n+r, c.HeadDim), head(v, i, c.HeadDim))
	}
}

// gateBack lets through of the attention's output what the i-th head's gate does, and
// derives by the gate: σ′(x) = σ(x)·σ(−x).
func (a *attention) gateBack(g *gradient, worker, i int) {
	k, n := g.m.kernel, g.m.config.HeadDim
	gate, out := a.gateOf(g.tape.output(a.below, 0), i, n), head(g.out, i, n)
	gated := head(g.gated, i, n)
	copy(gated, out)
	k.Gate(gated, gate)
	dy, minus := a.gateOf(g.dqRow, i, n), g.rows[worker][:n]
	for j, x := range gate {
		minus[j] = -x
	}
	k.Scaled(dy, head(g.dGated, i, n), gated, 1)
	k.Gate(dy, minus)
}

// turnBack carries row r of dq, dk and dv to the projections' outputs.
func (a *attention) turnBack(g *gradient, worker int, p *pass, r int) {
	m, c, n := g.m, g.m.config, len(g.questions)
	q, k := g.tape.output(a.below, 0), g.tape.output(a.below, 1)
	cos, _ := p.angles(r, c.Rotary/2)
	back := head(g.negSin, p.tokens[r].pos, c.Rotary/2)
	for h := range c.Heads {
		i := r*c.Heads + h
		d := head(g.dq, i, c.HeadDim)
		m.kernel.Rotate(d, cos, back, m.queryScale)
		for j := c.Rotary; j < c.HeadDim; j++ {
			d[j] *= m.queryScale
		}
		dy := a.queryOf(g.dqRow, i, c.HeadDim)
		clear(dy)
		g.normBack(worker, dy, a.queryOf(q, i, c.HeadDim), a.qNorm, d)
		if a.gated {
			a.gateBack(g, worker, i)
		}
	}
	for h := range c.KVHeads {
		i := r*c.KVHeads + h
		d := head(g.dk, h*n+r, c.HeadDim)
		m.kernel.Rotate(d, cos, back, 1)
		dy := head(g.dkRow, i, c.HeadDim)
		clear(dy)
		g.normBack(worker, dy, head(k, i, c.HeadDim), a.kNorm, d)
		copy(head(g.dvRow, i, c.HeadDim), head(g.dv, h*n+r, c.HeadDim))
	}
}

// attendBack goes through the attention of one question and kv head: from dOut to
// dq, dk and dv, with out on the way.
func (a *attention) attendBack(g *gradient, worker int, t tree, kvHead int) {
	for r := t.prompt.lo; r < t.prompt.hi; r++ {
		g.attendRow(worker, kvHead, r, [2]rowRange{{t.prompt.lo, r + 1}})
	}
	for _, b := range t.answers {
		for r := b.lo; r < b.hi; r++ {
			g.attendRow(worker, kvHead, r, [2]rowRange{t.prompt, {b.lo, r + 1}})
		}
	}
}

// attendRow goes through that of row r, which sees the rows of two ranges. With scores s,
// p = softmax(s) and out = Σ p_j·v_j: ds_j = p_j·(dout·v_j − dout·out).
func (g *gradient) attendRow(worker, kvHead, r int, seen [2]rowRange) {
	c, k, all := g.m.config, g.m.kernel, len(g.questions)
	first := seen[0].hi - seen[0].lo
	n := first + seen[1].hi - seen[1].lo
	p, ds := g.rows[worker][:n], g.rows[worker][n:2*n]
	parts := func(x []float32) [2][]float32 { return [2][]float32{x[:first], x[first:]} }
	rows := func(x []float32, i int) []float32 {
		return x[(kvHead*all+seen[i].lo)*c.HeadDim : (kvHead*all+seen[i].hi)*c.HeadDim]
	}
	heads := c.Heads / c.KVHeads
	for h := range heads {
		i := r*c.Heads + kvHead*heads + h
		q, out := head(g.q, i, c.HeadDim), head(g.out, i, c.HeadDim)
		dOut, dq := head(g.dOut, i, c.HeadDim), head(g.dq, i, c.HeadDim)
		clear(out)
		clear(dq)
		for s, part := range parts(p) {
			k.Dots(part, q, rows(g.k, s))
		}
		sum := k.ExpSum(p, k.Max(p))
		for s, part := range parts(p) {
			k.WeightedSum(out, part, rows(g.v, s))
		}
		for j := range out {
			out[j] /= sum
		}
		for s, part := range parts(ds) {
			k.Dots(part, dOut, rows(g.v, s))
		}
		mean := k.Dot(dOut, out)
		for j := range p {
			p[j] /= sum
			ds[j] = float32(p[j] * (ds[j] - mean))
		}
		for s, part := range parts(ds) {
			k.WeightedSum(dq, part, rows(g.k, s))
			dk, dv := rows(g.dk, s), rows(g.dv, s)
			for j := range part {
				k.WeightedSum(head(dk, j, c.HeadDim), part[j:j+1], q)
				k.WeightedSum(head(dv, j, c.HeadDim), parts(p)[s][j:j+1], dOut)
			}
		}
	}
}

// setNegSin makes the table of −sin cover the positions of a pass.
func (g *gradient) setNegSin(sin []float32) {
	for i := len(g.negSin); i < len(sin); i++ {
		g.negSin = append(g.negSin, -sin[i])
	}
}
