package engine

import (
	"context"
	"math"

	"bankai/internal/kernel"
)

// forward runs one pass through the model: Qwen3 dense, that is pre-norm
// residual layers of grouped-query attention with per-head RMSNorm on queries
// and keys, rotary positions, and SwiGLU.
func (b *Batch) forward(ctx context.Context, p *pass) error {
	m := b.model
	end := m.lastCut()
	if p.to > 0 {
		end = p.to
	}
	if p.from > beforeAttention(m.config.Layers-1) {
		p.narrow(b.x, 0)
	}
	b.enter(p)
	for c := max(p.from, 1); c < end; c++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		b.leave(p, c)
		if layer, mlp := c.layer(); mlp {
			b.mlp(p, layer)
		} else {
			b.attention(p, layer)
		}
	}
	b.leave(p, end)
	b.finish(p)
	if p.to == 0 {
		b.emitLogits(p)
	}
	if p.grad != nil {
		return p.grad.back(ctx, p)
	}
	return nil
}

// finish counts the tokens of a pass as processed.
func (b *Batch) finish(p *pass) {
	for _, s := range p.spans {
		s.seq.advance(len(s.tokens))
	}
	b.cache.settle()
	b.once.settle()
}

// tokenGrain is the number of tokens a worker takes at a time.
const tokenGrain = 8

// each calls f for every row of a pass, in parallel.
func (b *Batch) each(n int, f func(worker, t int)) {
	b.team.run(n, tokenGrain, func(worker, lo, hi int) {
		for t := lo; t < hi; t++ {
			f(worker, t)
		}
	})
}

// enter begins the residual stream: with the embeddings, or as it was kept.
func (b *Batch) enter(p *pass) {
	m, width := b.model, b.model.config.Hidden
	b.each(len(p.tokens), func(_, t int) {
		x, k := b.x[t*width:(t+1)*width], p.tokens[t]
		if p.from > 0 {
			copy(x, p.stream[k.row*width:])
			return
		}
		p.overlay(t).of(m.embedding).embed(x, m.embedding, k.id)
	})
}

// leave keeps the residual stream at a cut where it is wanted.
func (b *Batch) leave(p *pass, c Cut) {
	kept, width := p.keep[c], b.model.config.Hidden
	if kept == nil {
		return
	}
	for t, k := range p.tokens {
		copy(kept[k.row*width:][:width], b.x[t*width:])
	}
}

// attention adds softmax(q·kᵀ/√d)·v, projected by o, to the residual stream.
func (b *Batch) attention(p *pass, i int) {
	m, c, l := b.model, b.model.config, &b.model.layers[i]
	b.normed(len(p.tokens), everyRow, l.attnNorm)
	b.project(b.k, l.k, p.overlaid)
	b.project(b.v, l.v, p.overlaid)
	if p.grad != nil {
		p.grad.tape.keepKV(i, b)
	}
	b.each(len(p.tokens), func(_, t int) { b.remember(p, i, t) })
	b.fillFar(p, i)
	if i == c.Layers-1 && p.grad == nil {
		p.narrow(b.x, c.Hidden)
		b.normed(len(p.tokens), everyRow, l.attnNorm)
	}
	b.project(b.q, l.q, p.overlaid)
	if p.grad != nil {
		p.grad.tape.keepQ(i, b)
	}
	b.each(len(p.tokens), func(_, t int) {
		cos, sin := p.angles(t, c.HeadDim/2)
		for h := range c.Heads {
			q := head(b.q, t*c.Heads+h, c.HeadDim)
			m.query(q, q, l.qNorm, cos, sin)
		}
	})
	b.attend(p, i)
	width := c.Heads * c.HeadDim
	b.inputs(len(p.tokens), width)
	b.each(len(p.tokens), func(_, t int) { b.setInput(t, b.q[t*width:(t+1)*width]) })
	b.project(b.y, l.o, p.overlaid)
	b.addResidual(p)
}

// angles are cos and sin of token t's rotation.
func (p *pass) angles(t, half int) (cos, sin []float32) {
	pos := p.tokens[t].pos
	return head(p.cos, pos, half), head(p.sin, pos, half)
}

// remember normalises and rotates the keys of token t, and puts its keys and
// values into the cache of its sequence and of the forks that wait for it.
func (b *Batch) remember(p *pass, i, t int) {
	m, c, l := b.model, b.model.config, &b.model.layers[i]
	cos, sin := p.angles(t, c.HeadDim/2)
	k, v := b.k[t*c.KVHeads*c.HeadDim:], b.v[t*c.KVHeads*c.HeadDim:]
	for h := range c.KVHeads {
		m.key(head(k, h, c.HeadDim), head(k, h, c.HeadDim), l.kNorm, cos, sin)
	}
	s, pos := &p.spans[p.tokens[t].span], p.tokens[t].pos
	s.seq.put(i, pos, k, v)
	for _, f := range s.forks {
		if pos/kvBlockLen == f.own {
			f.put(i, pos, k, v)
		}
	}
}

// key normalises and rotates a head's keys.
func (m *Model) key(out, k, norm, cos, sin []float32) {
	m.rmsNorm(out, k, norm)
	m.kernel.Rotate(out, cos, sin, 1)
}

// query does so with a head's queries, which then carry the 1/√d of the scores.
func (m *Model) query(out, q, norm, cos, sin []float32) {
	m.rmsNorm(out, q, norm)
	m.kernel.Rotate(out, cos, sin, m.queryScale)
}

// mlp adds down·(silu(gate·x)·(up·x)) to the residual stream.
func (b *Batch) mlp(p *pass, i int) {
	m, width, l := b.model, b.model.config.FFN, &b.model.layers[i]
	b.normed(len(p.tokens), everyRow, l.ffnNorm)
	gate, up := b.gate, b.up
	if p.grad != nil {
		gate, up = p.grad.tape.units(i, len(p.tokens)*width)
	}
	b.project(gate, l.gate, p.overlaid)
	b.project(up, l.up, p.overlaid)
	b.inputs(len(p.tokens), width)
	b.each(len(p.tokens), func(worker, t int) {
		h := b.rows[worker][:width]
		m.kernel.SwiGLU(h, head(gate, t, width), head(up, t, width))
		b.setInput(t, h)
	})
	b.project(b.y, l.down, p.overlaid)
	b.addResidual(p)
}

func (b *Batch) addResidual(p *pass) {
	width := b.model.config.Hidden
	b.each(len(p.tokens), func(_, t int) {
		b.model.kernel.Add(b.x[t*width:(t+1)*width], b.y[t*width:(t+1)*width])
	})
}

// inputs makes room for what the next projections multiply: n tokens of so many
// values.
func (b *Batch) inputs(n, width int) {
	b.model.kernel.Reset(&b.acts, n, width, b.model.exact)
	if b.model.adapter != nil {
		b.floats = resize(b.floats, n*width)
	}
}

// setInput fills in token t.
func (b *Batch) setInput(t int, x []float32) {
	b.model.kernel.SetToken(&b.acts, t, x)
	if b.model.adapter != nil {
		copy(head(b.floats, t, len(x)), x)
	}
}

// everyRow makes normed take the rows as they are.
func everyRow(i int) int { return i }

// normed fills acts with the RMSNorm of n rows of the residual stream, the i-th
// being row(i).
func (b *Batch) normed(n int, row func(i int) int, weight []float32) {
	m, width := b.model, b.model.config.Hidden
	b.inputs(n, width)
	b.each(n, func(worker, i int) {
		out := b.rows[worker][:width]
		m.rmsNorm(out, b.x[row(i)*width:][:width], weight)
		b.setInput(i, out)
	})
}

// rmsNorm writes w·x/√(mean(x²)+ε).
func (m *Model) rmsNorm(out, x, w []float32) {
	m.kernel.Scaled(out, x, w, m.rmsFactor(m.kernel.Dot(x, x)/float32(len(x))))
}

// rmsFactor is 1/√(mean(x²)+ε).
func (m *Model) rmsFactor(mean float32) float32 {
	return float32(1 / math.Sqrt(float64(mean+m.config.RMSEps)))
}

// inlineWork is the number of multiplications below which a projection is not
// worth a second goroutine.
const inlineWork = 1 << 19

// project computes y = w·acts, [acts.Tokens, w.Rows], corrects the rows of overlaid
// sequences, and adds what the model's adapter says. What is corrected is computed
// beside the product, in the same loop.
func (b *Batch) project(y []float32, w *kernel.Matrix, overlaid []region) {
	m, tiles := b.model, w.Tiles()
	grain := (tiles + 4*int(m.workers) - 1) / (4 * int(m.workers))
	parts := (tiles + grain - 1) / grain
	fixes := b.corrections(w, overlaid)
	few := (len(fixes) + 2*int(m.workers) - 1) / (2 * int(m.workers)) // at a time
	all := parts
	if few > 0 {
		all += (len(fixes) + few - 1) / few
	}
	together := 1
	if int64(w.Rows)*int64(w.Cols)*int64(b.acts.Tokens) < inlineWork {
		together = all
	}
	b.team.run(all, together, func(worker, lo, hi int) {
		if lo < parts {
			m.kernel.MatMul(y, w.Rows, w, &b.acts, lo*grain, min(hi*grain, tiles))
		}
		for i := max(lo-parts, 0) * few; i < min((hi-parts)*few, len(fixes)); i++ {
			fixes[i].compute(m.kernel, &b.acts, &b.parts[worker])
		}
	})
	for i := range fixes {
		fixes[i].apply(y, w.Rows)
	}
	if f := m.adapted(w); f != nil {
		b.adapt(y, f.B, b.floats, f.A, b.acts.Tokens)
	}
}

// logitFloats bounds the memory of the logits of one emission (16 MiB).
const logitFloats = 4 << 20

// emitLogits computes the wanted logits, a few rows at a time.
func (b *Batch) emitLogits(p *pass) {
	m, vocab := b.model, b.model.config.Vocab
	var rows []logitRow
	var at []int // their tokens
	for t, k := range p.tokens {
		if k.wanted {
			rows, at = append(rows, logitRow{p.spans[k.span].tag, k.index}), append(at, t)
		}
	}
	step := max(kernel.MaxBlock, logitFloats/vocab/kernel.MaxBlock*kernel.MaxBlock)
	for lo := 0; lo < len(rows); lo += step {
		hi := min(lo+step, len(rows))
		part := &pass{spans: p.spans}
		for _, t := range at[lo:hi] {
			part.tokens = append(part.tokens, p.tokens[t])
		}
		b.normed(hi-lo, func(i int) int { return at[lo+i] }, m.outputNorm)
		b.logits = resize(b.logits, (hi-lo)*vocab)
		b.project(b.logits, m.head, part.regions())
		p.emit(rows[lo:hi], b.logits)
		if p.grad != nil {
			p.grad.head(at[lo:hi])
		}
	}
}
