package engine

import "context"

// backMemory is what going back through any block computes on: [tokens, width] unless
// said.
type backMemory struct {
	x, dIn []float32   // a normalised input of projections and ∂F/∂ it, Hidden
	part   []float32   // a projection's part of dIn
	y      []float32   // what a sublayer added to the stream, Hidden
	effect []float32   // see AddEffects
	rows   [][]float32 // per worker
}

func (m *backMemory) reset(model *Model, n int) {
	c := model.config
	for _, s := range []*[]float32{&m.x, &m.dIn, &m.part, &m.y} {
		*s = resize(*s, n*c.Hidden)
	}
	if m.rows == nil {
		m.rows = make([][]float32, model.workers)
	}
	for w := range m.rows {
		m.rows[w] = resize(m.rows[w], 2*max(n, c.Hidden, c.HeadDim)+2)
	}
}

// head begins the backward pass at some tokens, whose ∂F/∂logits the batch holds.
func (g *gradient) head(tokens []int) {
	width := g.m.config.Hidden
	g.matMulT(g.dIn, g.m.head, g.b.logits, len(tokens))
	top := g.tape.stream(g.m.lastCut())
	g.b.each(len(tokens), func(worker, i int) {
		t := tokens[i]
		g.normBack(worker, head(g.dx, t, width), head(top, t, width), g.m.outputNorm, head(g.dIn, i, width))
	})
}

// back goes from the upper end of the segment to its lower end, or to the lowest
// cut that counts.
func (g *gradient) back(ctx context.Context, p *pass) error {
	g.settle()
	for c := g.tape.segment.to - 1; c >= max(g.tape.segment.from, g.lowest); c-- {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := g.m.above(c).back(g, p); err != nil {
			return err
		}
	}
	return nil
}

// added sets y to what the sublayer above a cut added to the residual stream.
func (g *gradient) added(below Cut) {
	from, to := g.tape.stream(below), g.tape.stream(below+1)
	width := g.m.config.Hidden
	g.b.each(len(g.questions), func(_, r int) {
		y, a, b := head(g.y, r, width), head(from, r, width), head(to, r, width)
		for j := range y {
			y[j] = b[j] - a[j]
		}
	})
}

// input sets x to the normalised residual stream at a cut.
func (g *gradient) input(below Cut, norm []float32) {
	stream, width := g.tape.stream(below), g.m.config.Hidden
	g.b.each(len(g.questions), func(_, r int) {
		g.m.rmsNorm(head(g.x, r, width), head(stream, r, width), norm)
	})
}

// through carries ∂F/∂y of projections y = W·norm(stream) to dx, which nobody asks
// for below the lowest cut.
func (g *gradient) through(below Cut, norm []float32, ws []projection, dys [][]float32) {
	if below == g.lowest {
		return
	}
	n, width := len(g.questions), g.m.config.Hidden
	for i, w := range ws {
		if i == 0 {
			g.matMulT(g.dIn, w.Matrix, dys[i], n)
			continue
		}
		g.matMulT(g.part, w.Matrix, dys[i], n)
		g.b.each(n, func(_, r int) { g.m.kernel.Add(head(g.dIn, r, width), head(g.part, r, width)) })
	}
	stream := g.tape.stream(below)
	g.b.each(n, func(worker, r int) {
		g.normBack(worker, head(g.dx, r, width), head(stream, r, width), norm, head(g.dIn, r, width))
	})
}

// normBack adds to dx the derivative by x of F through out = w·x·r, where
// r = (mean(x²)+ε)^−½: dx += r·w·dout − x·r³/n·Σ(w·dout·x).
func (g *gradient) normBack(worker int, dx, x, w, dout []float32) {
	k, n := g.m.kernel, len(x)
	two, factors := g.rows[worker][:2*n], g.rows[worker][2*n:2*n+2]
	k.Scaled(two[:n], dout, w, 1)
	copy(two[n:], x)
	r := g.m.rmsFactor(k.Dot(x, x) / float32(n))
	factors[0], factors[1] = r, -(r * r * r / float32(n) * k.Dot(two[:n], x))
	k.WeightedSum(dx, factors, two)
}
