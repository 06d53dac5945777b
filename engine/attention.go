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
