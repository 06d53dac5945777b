package engine

import (
	"bankai/internal/kernel"
	"bankai/internal/weights"
)

// What a delta-net leaves on a tape: its projections as they come out of their matrices.
// The memories are made anew on the way back: see ruleBack.
const (
	tapedQKV = iota
	tapedZ
	tapedAlpha
	tapedBeta
)

func (d *deltaNet) taped() int { return d.qkv.Rows + d.z.Rows + 2*len(d.a) }

// deltaBack is what going back through a delta-net computes on: [tokens, width].
type deltaBack struct {
	c, s, u []float32 // queries, keys and values behind the convolution, behind silu, and then the queries and keys of length 1: Channels
	ds, dm  []float32 // ∂F/∂s, which is ∂F/∂u before, and ∂F/∂ what the convolution reads

	o, y  []float32 // what was read, normalised, and what z lets through of it: ValueHeads·HeadDim
	dy    []float32
	dz    []float32
	alpha headNumbers
	beta  headNumbers

	rules   []ruleBack // per worker
	ones    []float32
	entered []float32 // see enterConvolution
}

// headNumbers is the numbers of the value heads, as they are used and as they are projected:
// [tokens, ValueHeads].
type headNumbers struct{ x, dx, dRow []float32 }

// resize makes room for n tokens.
func (x *deltaBack) resize(c *weights.Delta, n, workers int) {
	for _, s := range []*[]float32{&x.c, &x.s, &x.u, &x.ds, &x.dm} {
		*s = resize(*s, n*c.Channels())
	}
	for _, s := range []*[]float32{&x.o, &x.y, &x.dy, &x.dz} {
		*s = resize(*s, n*c.ValueHeads*c.HeadDim)
	}
	for _, g := range []*headNumbers{&x.alpha, &x.beta} {
		for _, s := range []*[]float32{&g.x, &g.dx, &g.dRow} {
			*s = resize(*s, n*c.ValueHeads)
		}
	}
	for len(x.ones) < c.Channels() {
		x.ones = append(x.ones, 1)
	}
	if x.rules == nil {
		x.rules = make([]ruleBack, workers)
	}
}

func (d *deltaNet) back(g *gradient, _ *pass) error {
	n := len(g.questions)
	g.delta.resize(g.m.config.Delta, n, int(g.m.workers))
	g.added(d.below)
	g.input(d.below, d.norm)
	g.matMulT(g.delta.dy, d.out.Matrix, g.dx, n)
	d.mixBack(g)
	if err := g.visit(d.gradient(g)); err != nil {
		return err
	}
	d.through(g)
	return nil
}

// mixBack is the way back through mix, the gates z and the norms of the heads: from dy to
// what the projections gave.
func (d *deltaNet) mixBack(g *gradient) {
	c, n, x := g.m.config.Delta, len(g.questions), &g.delta
	g.b.each(n, func(worker, r int) { d.again(g, worker, r) })
	clear(x.ds)
	g.b.team.run(len(g.trees)*c.KeyHeads, 1, func(worker, lo, hi int) {
		for j := lo; j < hi; j++ {
			x.rules[worker].key(d, g, worker, g.trees[j/c.KeyHeads], j%c.KeyHeads)
		}
	})
	clear(x.dm)
	heads := c.Channels() / c.HeadDim
	g.b.team.run(len(g.trees)*heads, 1, func(worker, lo, hi int) {
		for j := lo; j < hi; j++ {
			d.convolveBack(g, worker, g.trees[j/heads], j%heads)
		}
	})
	g.b.each(n, func(_, r int) { d.weighBack(g, r) })
}

// again makes anew, for row r, what the forward pass had between the projections and the
// rule.
func (d *deltaNet) again(g *gradient, worker, r int) {
	k, c, x := g.m.kernel, g.m.config.Delta, &g.delta
	width := c.Channels()
	conv, s, u := head(x.c, r, width), head(x.s, r, width), head(x.u, r, width)
	d.convolveRow(g, worker, conv, g.tape.output(d.below, tapedQKV), r)
	k.SwiGLU(s, conv, x.ones[:width])
	copy(u, s)
	for h := range 2 * c.KeyHeads {
		y := head(u, h, c.HeadDim)
		k.Scaled(y, y, x.ones[:len(y)], g.unit(y)*d.carried(c, h))
	}
	alphas, betas := head(x.alpha.x, r, c.ValueHeads), head(x.beta.x, r, c.ValueHeads)
	copy(alphas, head(g.tape.output(d.below, tapedAlpha), r, c.ValueHeads))
	copy(betas, head(g.tape.output(d.below, tapedBeta), r, c.ValueHeads))
	d.weigh(alphas, betas)
}

// unit is what makes x of length 1.
func (g *gradient) unit(x []float32) float32 { return g.m.rmsFactor(g.m.kernel.Dot(x, x)) }

// convolveRow writes the convolution of m, [tokens, Channels], at row r.
func (d *deltaNet) convolveRow(g *gradient, worker int, out, m []float32, r int) {
	k, part := g.m.kernel, g.rows[worker][:len(out)]
	clear(out)
	for j, w := range d.taps {
		if from := g.earlier(r, len(d.taps)-1-j); from >= 0 {
			k.Scaled(part, head(m, from, len(out)), w, 1)
			k.Add(out, part)
		}
	}
}

// convolveBack goes back through the unit length, silu and the convolution, for a question
// and a head of the queries, keys or values.
func (d *deltaNet) convolveBack(g *gradient, worker int, t tree, h int) {
	k, c, x := g.m.kernel, g.m.config.Delta, &g.delta
	n, width := c.HeadDim, c.Channels()
	dc, part := g.rows[worker][:n], g.rows[worker][n:2*n]
	for r := range t.rows() {
		ds, conv := head(head(x.ds, r, width), h, n), head(head(x.c, r, width), h, n)
		if h < 2*c.KeyHeads {
			d.unitBack(g, worker, ds, head(head(x.s, r, width), h, n), d.carried(c, h))
		}
		k.SwiGLUGrad(dc, part, ds, conv, x.ones[:n])
		for j, w := range d.taps {
			if from := g.earlier(r, len(d.taps)-1-j); from >= 0 {
				k.Scaled(part, dc, head(w, h, n), 1)
				k.Add(head(head(x.dm, from, width), h, n), part)
			}
		}
	}
}

// unitBack replaces the derivative by u = by·s·f, where f = (Σs²+ε)^−½, by that by s:
// by·f·du − s·by·f³·Σ(du·s).
func (d *deltaNet) unitBack(g *gradient, worker int, du, s []float32, by float32) {
	k, n := g.m.kernel, len(s)
	two, factors := g.rows[worker][:2*n], g.rows[worker][2*n:2*n+2]
	copy(two, du)
	copy(two[n:], s)
	f := g.unit(s)
	factors[0], factors[1] = f*by, -(f * f * f * by * k.Dot(du, s))
	clear(du)
	k.WeightedSum(du, factors, two)
}

// weighBack carries the derivatives by α and β to what is projected, at row r.
func (d *deltaNet) weighBack(g *gradient, r int) {
	x, n := &g.delta, len(d.a)
	for h, y := range head(g.tape.output(d.below, tapedAlpha), r, n) {
		i := r*n + h // α = exp(a·softplus(y+dt))
		x.alpha.dRow[i] = x.alpha.dx[i] * x.alpha.x[i] * d.a[h] * sigmoid(y+d.dt[h])
	}
	for h, y := range head(g.tape.output(d.below, tapedBeta), r, n) {
		i := r*n + h // 1−β is taken as e^−y·β, which keeps its digits where β is near 1
		beta := x.beta.x[i]
		x.beta.dRow[i] = x.beta.dx[i] * beta * float32(kernel.Exp(-y)*beta)
	}
}

// gradient is what a visitor sees.
func (d *deltaNet) gradient(g *gradient) *LayerGradient {
	x := &g.delta
	qkv, z := g.tape.output(d.below, tapedQKV), g.tape.output(d.below, tapedZ)
	alpha, beta := g.tape.output(d.below, tapedAlpha), g.tape.output(d.below, tapedBeta)
	s := &LayerGradient{g: g, Layer: d.layer, Last: g.last, Questions: g.questions}
	add := func(p Projection, b behind) { s.Projections, s.behind = append(s.Projections, p), append(s.behind, b) }
	add(Projection{d.qkv.tensor, g.x, qkv, x.dm}, behind{
		enter: func(part []float32) []float32 { return d.enterConvolution(g, part) },
		add:   g.swiglu(x.c, nil, x.s, x.ds),
	})
	add(Projection{d.z.tensor, g.x, z, x.dz}, behind{add: g.swiglu(z, x.o, x.y, x.dy)})
	if d.alpha.floats == nil {
		add(Projection{d.alpha.tensor, g.x, alpha, x.alpha.dRow}, behind{add: x.alpha.behind(alpha, d.fade)})
		add(Projection{d.beta.tensor, g.x, beta, x.beta.dRow}, behind{add: x.beta.behind(beta, func(_ int, y float32) float32 { return sigmoid(y) })})
	}
	add(Projection{d.out.tensor, x.y, g.y, g.dx}, behind{})
	return s
}

// enterConvolution is what parts of the outputs of qkv come to behind the convolution. It
// is overwritten by the next call.
func (d *deltaNet) enterConvolution(g *gradient, part []float32) []float32 {
	x := &g.delta
	x.entered = resize(x.entered, len(part))
	g.b.each(len(g.questions), func(worker, r int) {
		d.convolveRow(g, worker, head(x.entered, r, d.qkv.Rows), part, r)
	})
	return x.entered
}

// behind is what follows the projection of a number for every head, of which x is a
// function of its own.
func (b *headNumbers) behind(y []float32, x func(head int, y float32) float32) func(worker, row, at int, part, sum []float32) {
	return func(_, row, at int, part, sum []float32) {
		for i, p := range part {
			sum[i] += float32(b.dx[at+i] * (x(row+i, y[at+i]-2*p) - b.x[at+i]))
		}
	}
}

// through carries the derivatives by the projections' outputs to the stream below.
func (d *deltaNet) through(g *gradient) {
	if d.below == g.lowest {
		return
	}
	x, n := &g.delta, len(d.a)
	ws, dys := []projection{d.qkv, d.z}, [][]float32{x.dm, x.dz}
	if d.alpha.floats == nil {
		ws, dys = append(ws, d.alpha.projection, d.beta.projection), append(dys, x.alpha.dRow, x.beta.dRow)
	}
	g.carry(ws, dys)
	if d.alpha.floats != nil {
		g.b.each(len(g.questions), func(_, r int) {
			dIn := head(g.dIn, r, len(d.norm))
			g.m.kernel.WeightedSum(dIn, head(x.alpha.dRow, r, n), d.alpha.floats)
			g.m.kernel.WeightedSum(dIn, head(x.beta.dRow, r, n), d.beta.floats)
		})
	}
	g.descend(d.below, d.norm)
}
