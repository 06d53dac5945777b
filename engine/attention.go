package engine

import (
	"bankai/internal/kernel"
	"bankai/internal/weights"
)

// attention is grouped-query attention: softmax(q·kᵀ/√d)·v, projected by o. Queries
// and keys are normalised by head and turned by their positions. If it is gated, what a
// head gives is multiplied by σ(gate) first.
type attention struct {
	sublayer
	kvLayer      int // its place among the blocks that have keys and values
	gated        bool
	qNorm, kNorm []float32 // [HeadDim]

	q    projection // [Heads·HeadDim, Hidden]; with gates, those of a head are behind its queries
	k, v projection // [KVHeads·HeadDim, Hidden]
	o    projection // [Hidden, Heads·HeadDim]
}

// attention adds the one of a layer to the model.
func (w *wiring) attention(layer int) {
	const part = weights.Attention
	w.add(&attention{
		sublayer: w.sublayer(part, layer), kvLayer: w.kvLayers, gated: w.config.Gated,
		qNorm: w.vector(part, layer, "q_norm"), kNorm: w.vector(part, layer, "k_norm"),
		q: w.matrix(part, layer, "q"), k: w.matrix(part, layer, "k"),
		v: w.matrix(part, layer, "v"), o: w.matrix(part, layer, "o"),
	})
	w.kvLayers++
}

func (a *attention) projections() []projection { return []projection{a.q, a.k, a.v, a.o} }

func (a *attention) mixes() bool { return true }

func (a *attention) work(in, out int64) int64 {
	return in*(weightsOf(a.k.Matrix)+weightsOf(a.v.Matrix)) + out*(weightsOf(a.q.Matrix)+weightsOf(a.o.Matrix))
}

func (a *attention) taped() int { return a.q.Rows + a.k.Rows + a.v.Rows }

// attentionMemory is what an attention computes on: [tokens, width] unless said.
type attentionMemory struct {
	q, k, v []float32        // projections, and the attention's output in q
	gated   []float32        // queries and gates by head, as they are projected
	scores  [][]float32      // per worker: of the heads that share keys, and their sums
	queries []kernel.Queries // per worker: those heads' queries as int8
}

// resize makes room for n tokens.
func (m *attentionMemory) resize(a *attention, n int) {
	m.q, m.k, m.v = resize(m.q, n*a.o.Cols), resize(m.k, n*a.k.Rows), resize(m.v, n*a.v.Rows)
	if a.gated {
		m.gated = resize(m.gated, n*a.q.Rows)
	}
}

func (a *attention) forward(b *Batch, p *pass) {
	m, c := b.model, b.model.config
	b.attentionMemory.resize(a, len(p.tokens))
	b.normed(len(p.tokens), everyRow, a.norm)
	b.project(b.k, a.k.Matrix, p.overlaid)
	b.project(b.v, a.v.Matrix, p.overlaid)
	if p.grad != nil {
		p.grad.tape.keep(a.below, 1, b.k)
		p.grad.tape.keep(a.below, 2, b.v)
	}
	b.each(len(p.tokens), func(_, t int) { a.remember(b, p, t) })
	b.fillFar(p, a.kvLayer)
	if a.below == m.mixing && p.grad == nil {
		p.narrow(b.x, c.Hidden)
		b.normed(len(p.tokens), everyRow, a.norm)
	}
	projected := b.q
	if a.gated {
		projected = b.gated
	}
	b.project(projected, a.q.Matrix, p.overlaid)
	if p.grad != nil {
		p.grad.tape.keep(a.below, 0, projected)
	}
	b.each(len(p.tokens), func(_, t int) {
		cos, sin := p.angles(t, c.Rotary/2)
		for h := range c.Heads {
			i := t*c.Heads + h
			q := head(b.q, i, c.HeadDim)
			if a.gated {
				copy(q, head(b.gated, 2*i, c.HeadDim))
			}
			m.query(q, q, a.qNorm, cos, sin)
		}
	})
	a.attend(b, p)
	width := c.Heads * c.HeadDim
	b.inputs(len(p.tokens), width)
	b.each(len(p.tokens), func(_, t int) {
		for i := t * c.Heads; a.gated && i < (t+1)*c.Heads; i++ {
			m.kernel.Gate(head(b.q, i, c.HeadDim), head(b.gated, 2*i+1, c.HeadDim))
		}
		b.setInput(t, b.q[t*width:(t+1)*width])
	})
	b.project(b.y, a.o.Matrix, p.overlaid)
	b.addResidual(p)
}

// angles are cos and sin of token t's rotation.
func (p *pass) angles(t, half int) (cos, sin []float32) {
	pos := p.tokens[t].pos
	return head(p.cos, pos, half), head(p.sin, pos, half)
}

// remember normalises and rotates the keys of token t, and puts its keys and
// values into the cache of its sequence and of the forks that wait for it.
func (a *attention) remember(b *Batch, p *pass, t int) {
	m, c := b.model, b.model.config
	cos, sin := p.angles(t, c.Rotary/2)
	k, v := b.k[t*c.KVHeads*c.HeadDim:], b.v[t*c.KVHeads*c.HeadDim:]
	for h := range c.KVHeads {
		m.key(head(k, h, c.HeadDim), head(k, h, c.HeadDim), a.kNorm, cos, sin)
	}
	s, pos := &p.spans[p.tokens[t].span], p.tokens[t].pos
	s.seq.kv().put(a.kvLayer, pos, k, v)
	for _, f := range s.forks {
		if kv := f.kv(); pos < f.n && pos/kvBlockLen == kv.own {
			kv.put(a.kvLayer, pos, k, v)
		}
	}
}

// key normalises a head's keys and rotates the first of them.
func (m *Model) key(out, k, norm, cos, sin []float32) {
	m.rmsNorm(out, k, norm)
	m.kernel.Rotate(out, cos, sin, 1)
}

// query normalises a head's queries and rotates the first of them. They then carry the
// 1/√d of the scores.
func (m *Model) query(out, q, norm, cos, sin []float32) {
	m.rmsNorm(out, q, norm)
	m.kernel.Rotate(out, cos, sin, m.queryScale)
	for i := 2 * len(cos); i < len(out); i++ {
		out[i] *= m.queryScale
	}
}

// attendWork is about how many multiplications of the attention a worker takes
// at a time.
const attendWork = 1 << 17

// attend replaces the queries by the attention's output.
func (a *attention) attend(b *Batch, p *pass) {
	c := b.model.config
	work := 1
	for _, k := range p.tokens {
		work += 2 * (k.pos + 1) * c.Heads * c.HeadDim
	}
	n := len(p.tokens) * c.KVHeads
	b.team.run(n, max(1, n*attendWork/work), func(worker, lo, hi int) {
		for j := lo; j < hi; j++ {
			a.attendHeads(b, p, worker, j/c.KVHeads, j%c.KVHeads)
		}
	})
}

// attendHeads replaces those of token t that share the keys and values of a kv head.
func (a *attention) attendHeads(b *Batch, p *pass, worker, t, kvHead int) {
	c, k := b.model.config, b.model.kernel
	seq, n := p.spans[p.tokens[t].span].seq.kv(), p.tokens[t].pos+1
	heads, at := c.Heads/c.KVHeads, seq.cache.at(a.kvLayer, kvHead)
	q := b.q[(t*c.Heads+kvHead*heads)*c.HeadDim:][:heads*c.HeadDim] // and the output
	b.scores[worker] = resize(b.scores[worker], heads*(p.longest+1))
	scores, sums := b.scores[worker][:heads*n], b.scores[worker][heads*n:heads*(n+1)]
	far, first := seq.cache.farBlocks(n-1), seq.cache.head(a.kvLayer, kvHead)
	if far > 0 {
		queries := &b.queries[worker]
		queries.Reset(heads, c.HeadDim)
		for h := range heads {
			k.SetQuery(queries, h, head(q, h, c.HeadDim))
		}
		seq.far.each(first, far, func(pos int, r *kernel.KVRun, blocks int, next *kernel.KVRun) {
			k.Scores(scores[pos:], n, queries, r, blocks, next)
		})
	}
	for h := range heads {
		for lo := far * kvBlockLen; lo < n; lo += kvBlockLen {
			hi := min(lo+kvBlockLen, n)
			k.Dots(scores[h*n+lo:h*n+hi], head(q, h, c.HeadDim), seq.blocks[lo/kvBlockLen].floats.k[at:])
		}
		all := scores[h*n : (h+1)*n]
		sums[h] = k.ExpSum(all, k.Max(all))
	}
	clear(q)
	seq.far.each(first, far, func(pos int, r *kernel.KVRun, blocks int, next *kernel.KVRun) {
		k.AddValues(q, scores[pos:], n, heads, r, blocks, next)
	})
	for h := range heads {
		out := head(q, h, c.HeadDim)
		for lo := far * kvBlockLen; lo < n; lo += kvBlockLen {
			hi := min(lo+kvBlockLen, n)
			k.WeightedSum(out, scores[h*n+lo:h*n+hi], seq.blocks[lo/kvBlockLen].floats.v[at:])
		}
		for j := range out {
			out[j] /= sums[h]
		}
	}
}

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
}

// resize makes room for n tokens.
func (m *attentionBack) resize(a *attention, n int) {
	for _, s := range []*[]float32{&m.q, &m.dq, &m.out, &m.dOut, &m.dqRow} {
		*s = resize(*s, n*a.q.Rows)
	}
	for _, s := range []*[]float32{&m.k, &m.dk, &m.v, &m.dv, &m.dkRow, &m.dvRow} {
		*s = resize(*s, n*a.k.Rows)
	}
}

func (a *attention) back(g *gradient, p *pass) error {
	if a.gated {
		return errNoWayBack
	}
	g.attentionBack.resize(a, len(g.questions))
	g.setNegSin(p.sin)
	g.added(a.below)
	g.input(a.below, a.norm)
	g.matMulT(g.dOut, a.o.Matrix, g.dx, len(g.questions))
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
	err := g.visit(&LayerGradient{
		g: g, Layer: a.layer, Last: g.last, Questions: g.questions,
		Projections: []Projection{
			{a.q.tensor, g.x, g.tape.output(a.below, 0), g.dqRow},
			{a.k.tensor, g.x, g.tape.output(a.below, 1), g.dkRow},
			{a.v.tensor, g.x, g.tape.output(a.below, 2), g.dvRow},
			{a.o.tensor, g.out, g.y, g.dx},
		},
	})
	if err != nil {
		return err
	}
	g.through(a.below, a.norm, []projection{a.q, a.k, a.v}, [][]float32{g.dqRow, g.dkRow, g.dvRow})
	return nil
}

// turn sets row r of the queries, keys and values as they enter the scores.
func (a *attention) turn(g *gradient, p *pass, r int) {
	m, c, n := g.m, g.m.config, len(g.questions)
	q, k, v := g.tape.output(a.below, 0), g.tape.output(a.below, 1), g.tape.output(a.below, 2)
	cos, sin := p.angles(r, c.Rotary/2)
	for h := range c.Heads {
		i := r*c.Heads + h
		m.query(head(g.q, i, c.HeadDim), head(q, i, c.HeadDim), a.qNorm, cos, sin)
	}
	for h := range c.KVHeads {
		i := r*c.KVHeads + h
		m.key(head(g.k, h*n+r, c.HeadDim), head(k, i, c.HeadDim), a.kNorm, cos, sin)
		copy(head(g.v, h*n+r, c.HeadDim), head(v, i, c.HeadDim))
	}
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
		dy := head(g.dqRow, i, c.HeadDim)
		clear(dy)
		g.normBack(worker, dy, head(q, i, c.HeadDim), a.qNorm, d)
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
