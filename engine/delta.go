package engine

import (
	"math"

	"bankai/internal/kernel"
	"bankai/internal/weights"
)

// deltaNet is a gated delta-net: a memory of fixed size for each value head, which every
// token fades, mends under its key and reads with its query. Queries, keys and values go
// through a causal convolution along the tokens before. For the token x,
//
//	q, k, v = silu(conv(qkv·x)), q and k normalised by head
//	β = σ(beta·x), α = exp(a·softplus(alpha·x + dt))
//	S ← αS; S ← S + k(β(v − Sᵀk))ᵀ; o = Sᵀq/√d
//
// and out·(norm(o)·silu(z·x)) is added to the stream. Value head j uses key head j mod
// KeyHeads.
type deltaNet struct {
	sublayer
	deltaLayer int         // its place among the delta-nets
	taps       [][]float32 // of the convolution, the last is for the current token: [Taps][Channels]
	a, dt      []float32   // [ValueHeads]
	headNorm   []float32   // [HeadDim]

	qkv         projection // [Channels, Hidden]: queries and keys by key head, values by value head
	z           projection // [ValueHeads·HeadDim, Hidden]
	alpha, beta gate       // [ValueHeads, Hidden]
	out         projection // [Hidden, ValueHeads·HeadDim]
}

// gate is a projection to one number a head, of bits or of floats.
type gate struct {
	projection
	floats []float32 // nil: it has bits
}

// deltaNet adds the one of a layer to the model.
func (w *wiring) deltaNet(layer int) {
	const part = weights.DeltaNet
	if w.deltaLayers == 0 {
		w.deltaState = w.state(newDeltaState)
	}
	d := w.config.Delta
	w.add(&deltaNet{
		sublayer: w.sublayer(part, layer), deltaLayer: w.deltaLayers,
		taps: transposed(w.vector(part, layer, "conv"), d.Channels(), d.Taps),
		a:    w.vector(part, layer, "a"), dt: w.vector(part, layer, "dt"),
		headNorm: w.vector(part, layer, "head_norm"),
		qkv:      w.matrix(part, layer, "qkv"), z: w.matrix(part, layer, "z"),
		alpha: w.gate(layer, "alpha"), beta: w.gate(layer, "beta"),
		out: w.matrix(part, layer, "out"),
	})
	w.deltaLayers++
}

// gate finds alpha or beta.
func (w *wiring) gate(layer int, short string) gate {
	if w.config.Delta.FloatGates {
		return gate{floats: w.vector(weights.DeltaNet, layer, short)}
	}
	return gate{projection: w.matrix(weights.DeltaNet, layer, short)}
}

// transposed are the columns of a matrix that lies row by row. It is empty if x is.
func transposed(x []float32, rows, cols int) [][]float32 {
	all := make([][]float32, cols)
	for j := range all {
		all[j] = make([]float32, rows)
		for i := range len(x) / cols {
			all[j][i] = x[i*cols+j]
		}
	}
	return all
}

func (d *deltaNet) projections() []projection {
	all := []projection{d.qkv, d.z}
	for _, g := range []gate{d.alpha, d.beta} {
		if g.floats == nil {
			all = append(all, g.projection)
		}
	}
	return append(all, d.out)
}

func (d *deltaNet) mixes() bool { return true }

func (d *deltaNet) work(in, out int64) int64 {
	gates := 2 * int64(len(d.a)) * int64(d.qkv.Cols)
	return in*(weightsOf(d.qkv.Matrix)+gates) + out*(weightsOf(d.z.Matrix)+weightsOf(d.out.Matrix))
}

// deltaMemory is what a delta-net computes on: [tokens, width].
type deltaMemory struct {
	m, u          []float32 // queries, keys and values before the convolution and behind it, Channels
	o, z          []float32 // what was read and what gates it, ValueHeads·HeadDim
	alphas, betas []float32 // ValueHeads
	ones          []float32
}

// resize makes room for n tokens.
func (x *deltaMemory) resize(c *weights.Delta, n int) {
	for _, s := range []*[]float32{&x.m, &x.u} {
		*s = resize(*s, n*c.Channels())
	}
	for _, s := range []*[]float32{&x.o, &x.z} {
		*s = resize(*s, n*c.ValueHeads*c.HeadDim)
	}
	for _, s := range []*[]float32{&x.alphas, &x.betas} {
		*s = resize(*s, n*c.ValueHeads)
	}
	for len(x.ones) < c.Channels() {
		x.ones = append(x.ones, 1)
	}
}

func (d *deltaNet) forward(b *Batch, p *pass) {
	m, c := b.model, b.model.config.Delta
	inner := c.ValueHeads * c.HeadDim
	b.deltaMemory.resize(c, len(p.tokens))
	b.normed(len(p.tokens), everyRow, d.norm)
	b.project(b.m, d.qkv.Matrix, p.overlaid)
	d.alpha.project(b, p, d.norm, b.alphas)
	d.beta.project(b, p, d.norm, b.betas)
	if p.grad != nil {
		p.grad.tape.keep(d.below, tapedQKV, b.m)
		p.grad.tape.keep(d.below, tapedAlpha, b.alphas)
		p.grad.tape.keep(d.below, tapedBeta, b.betas)
	}
	d.mix(b, p)
	if d.below == m.mixing && p.grad == nil {
		p.pack(b.o, inner)
		p.narrow(b.x, m.config.Hidden)
		b.normed(len(p.tokens), everyRow, d.norm)
	}
	b.project(b.z, d.z.Matrix, p.overlaid)
	if p.grad != nil {
		p.grad.tape.keep(d.below, tapedZ, b.z)
	}
	b.inputs(len(p.tokens), inner)
	b.each(len(p.tokens), func(worker, t int) {
		o, y := head(b.o, t, inner), b.row(worker, inner)
		for h := range c.ValueHeads {
			m.rmsNorm(head(o, h, c.HeadDim), head(o, h, c.HeadDim), d.headNorm)
		}
		m.kernel.SwiGLU(y, head(b.z, t, inner), o)
		b.setInput(t, y)
	})
	b.project(b.y, d.out.Matrix, p.overlaid)
	b.addResidual(p)
}

// mix is all that depends on the tokens before: from the projections to what is read.
func (d *deltaNet) mix(b *Batch, p *pass) {
	heads := len(d.a)
	d.leaveWindows(p, b.m)
	b.each(len(p.tokens), func(worker, t int) {
		d.convolve(b, p, worker, t)
		d.weigh(head(b.alphas, t, heads), head(b.betas, t, heads))
	})
	d.slideWindows(p, b.m)
	d.remember(b, p)
}

// project computes y, [tokens, ValueHeads], of the normalised residual stream, which acts
// holds.
func (g gate) project(b *Batch, p *pass, norm, y []float32) {
	if g.floats == nil {
		b.project(y, g.Matrix, p.overlaid)
		return
	}
	width := len(norm)
	heads := len(g.floats) / width
	b.each(len(p.tokens), func(worker, t int) {
		x := b.row(worker, width)
		b.model.rmsNorm(x, head(b.x, t, width), norm)
		b.model.kernel.Dots(head(y, t, heads), x, g.floats)
	})
}

// weigh makes of the projections of a token how much each head keeps, and how much of
// what is wrong it mends.
func (d *deltaNet) weigh(alphas, betas []float32) {
	for h := range alphas {
		alphas[h], betas[h] = d.fade(h, alphas[h]), sigmoid(betas[h])
	}
}

// fade is α of a head.
func (d *deltaNet) fade(h int, x float32) float32 {
	return kernel.Exp(float32(float64(d.a[h]) * kernel.Softplus(float64(x+d.dt[h]))))
}

func sigmoid(x float32) float32 { return 1 / (1 + kernel.Exp(-x)) }

// convolve makes the queries, keys and values of token t, the queries and keys of length 1.
// Queries carry the 1/√HeadDim of what is read.
func (d *deltaNet) convolve(b *Batch, p *pass, worker, t int) {
	k, c := b.model.kernel, b.model.config.Delta
	u, part, ones := head(b.u, t, c.Channels()), b.row(worker, c.Channels()), b.ones
	s := p.spans[p.tokens[t].span].seq
	before := p.tokens[t].pos - s.n // of the span
	for j, w := range d.taps {
		x, back := []float32(nil), len(d.taps)-1-j
		if back <= before {
			x = head(b.m, t-back, c.Channels())
		} else {
			x = head(s.delta(d).window, before-back+len(d.taps)-1, c.Channels())
		}
		if j == 0 {
			k.Scaled(u, x, w, 1)
			continue
		}
		k.Scaled(part, x, w, 1)
		k.Add(u, part)
	}
	k.SwiGLU(u, u, ones[:len(u)])
	for h := range 2 * c.KeyHeads {
		x := head(u, h, c.HeadDim)
		k.Scaled(x, x, ones[:len(x)], b.model.rmsFactor(k.Dot(x, x))*d.carried(c, h))
	}
}

// carried is what the queries or keys of a head are multiplied by once they have length 1.
// Queries come first.
func (d *deltaNet) carried(c *weights.Delta, head int) float32 {
	if head < c.KeyHeads {
		return float32(1 / math.Sqrt(float64(c.HeadDim)))
	}
	return 1
}

// ruleWork is about how many multiplications of the rule a worker takes at a time.
const ruleWork = 1 << 17

// remember runs the rule for every head: over the tokens of a sequence in turn, and of
// the sequences that part from it in this pass.
func (d *deltaNet) remember(b *Batch, p *pass) {
	c, families := b.model.config.Delta, p.families()
	n := len(families) * c.ValueHeads
	work := 1 + len(p.tokens)*c.ValueHeads*4*c.HeadDim*c.HeadDim
	b.team.run(n, max(1, n*ruleWork/work), func(_, lo, hi int) {
		for j := lo; j < hi; j++ {
			for _, s := range families[j/c.ValueHeads] {
				d.rememberHead(b, s, j%c.ValueHeads)
			}
		}
	})
}

// rememberHead takes value head h of a sequence over the tokens of its span.
func (d *deltaNet) rememberHead(b *Batch, r spanRows, h int) {
	c := b.model.config.Delta
	s := r.seq.delta(d).of(h)
	if r.seq.n == 0 {
		clear(s)
	}
	key := h % c.KeyHeads
	for i := range r.tokens {
		t := r.lo + i
		u := head(b.u, t, c.Channels())
		q, k, v := head(u, key, c.HeadDim), head(u, c.KeyHeads+key, c.HeadDim), head(u, 2*c.KeyHeads+h, c.HeadDim)
		at := t*c.ValueHeads + h
		b.model.kernel.DeltaRule(head(b.o, at, c.HeadDim), s, q, k, v, b.alphas[at], b.betas[at])
		for _, f := range r.forks {
			if f.n == r.seq.n+i+1 { // this is the last token that they share
				copy(f.delta(d).of(h), s)
			}
		}
	}
}
