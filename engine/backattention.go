package engine

// turn sets row r of the queries, keys and values as they enter the scores.
func (g *gradient) turn(p *pass, l *layer, t *tapeLayer, r int) {
	m, c, n := g.m, g.m.config, len(g.questions)
	cos, sin := p.angles(r, c.HeadDim/2)
	for h := range c.Heads {
		i := r*c.Heads + h
		m.query(head(g.q, i, c.HeadDim), head(t.q, i, c.HeadDim), l.qNorm, cos, sin)
	}
	for h := range c.KVHeads {
		i := r*c.KVHeads + h
		m.key(head(g.k, h*n+r, c.HeadDim), head(t.k, i, c.HeadDim), l.kNorm, cos, sin)
		copy(head(g.v, h*n+r, c.HeadDim), head(t.v, i, c.HeadDim))
	}
}

// turnBack carries row r of dq, dk and dv to the projections' outputs.
func (g *gradient) turnBack(worker int, p *pass, l *layer, t *tapeLayer, r int) {
	m, c, n := g.m, g.m.config, len(g.questions)
	cos, _ := p.angles(r, c.HeadDim/2)
	back := head(g.negSin, p.tokens[r].pos, c.HeadDim/2)
	for h := range c.Heads {
		i := r*c.Heads + h
		d := head(g.dq, i, c.HeadDim)
		m.kernel.Rotate(d, cos, back, m.queryScale)
		dy := head(g.dqRow, i, c.HeadDim)
		clear(dy)
		g.normBack(worker, dy, head(t.q, i, c.HeadDim), l.qNorm, d)
	}
	for h := range c.KVHeads {
		i := r*c.KVHeads + h
		d := head(g.dk, h*n+r, c.HeadDim)
		m.kernel.Rotate(d, cos, back, 1)
		dy := head(g.dkRow, i, c.HeadDim)
		clear(dy)
		g.normBack(worker, dy, head(t.k, i, c.HeadDim), l.kNorm, d)
		copy(head(g.dvRow, i, c.HeadDim), head(g.dv, h*n+r, c.HeadDim))
	}
}

// attend goes through the attention of one question and kv head: from dOut to
// dq, dk and dv, with out on the way.
func (g *gradient) attend(worker int, t tree, kvHead int) {
	for r := t.prompt.lo; r < t.prompt.hi; r++ {
		g.attendRow(worker, kvHead, r, [2]rowRange{{t.prompt.lo, r + 1}})
	}
	for _, b := range t.answers {
		for r := b.lo; r < b.hi; r++ {
			g.attendRow(worker, kvHead, r, [2]rowRange{t.prompt, {b.lo, r + 1}})
		}
	}
}

// attendRow does so for row r, which sees the rows of two ranges. With scores s,
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
