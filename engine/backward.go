package engine

import (
	"context"

	"bankai/internal/kernel"
)

// backMemory is what a backward pass computes on: [tokens, width] unless said.
type backMemory struct {
	x, dIn    []float32 // a normalised input of projections and ∂F/∂ it, Hidden
	part      []float32 // a projection's part of dIn
	y         []float32 // what a sublayer added to the stream, Hidden
	q, dq     []float32 // queries as they enter the scores, Heads·HeadDim
	out, dOut []float32 // the attention's output
	k, dk     []float32 // keys as they enter the scores: [KVHeads, tokens, HeadDim]
	v, dv     []float32
	dqRow     []float32 // ∂F/∂ the projections' outputs, [tokens, rows]
	dkRow     []float32
	dvRow     []float32
	h, dh     []float32 // hidden units, FFN
	dGate     []float32
	dUp       []float32
	negSin    []float32   // for turning back: [positions, HeadDim/2]
	effect    []float32   // see AddEffects
	rows      [][]float32 // per worker
}

func (m *backMemory) reset(model *Model, n int) {
	c := model.config
	size := func(width int, all ...*[]float32) {
		for _, s := range all {
			*s = resize(*s, n*width)
		}
	}
	size(c.Hidden, &m.x, &m.dIn, &m.part, &m.y)
	size(c.Heads*c.HeadDim, &m.q, &m.dq, &m.out, &m.dOut, &m.dqRow)
	size(c.KVHeads*c.HeadDim, &m.k, &m.dk, &m.v, &m.dv, &m.dkRow, &m.dvRow)
	size(c.FFN, &m.h, &m.dh, &m.dGate, &m.dUp)
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
	g.setNegSin(p.sin)
	for c := g.tape.segment.to - 1; c >= max(g.tape.segment.from, g.lowest); c-- {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if layer, mlp := c.layer(); mlp {
			err = g.mlp(layer)
		} else {
			err = g.attention(p, layer)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// projection is a product with a matrix of layer i.
func projection(i int, name string, x, y, dy []float32) Projection {
	return Projection{Tensor: layerTensor(i, name), X: x, Y: y, DY: dy}
}

// mlp derives by what the MLP of layer i computes, and adds its part to dx.
func (g *gradient) mlp(i int) error {
	m, l, t := g.m, &g.m.layers[i], g.tape.layer(i)
	width, below := m.config.FFN, beforeMLP(i)
	g.added(below)
	g.input(below, l.ffnNorm)
	g.matMulT(g.dh, l.down, g.dx, len(g.questions))
	g.b.each(len(g.questions), func(_, r int) {
		gate, up := head(t.gate, r, width), head(t.up, r, width)
		m.kernel.SwiGLU(head(g.h, r, width), gate, up)
		m.kernel.SwiGLUGrad(head(g.dGate, r, width), head(g.dUp, r, width), head(g.dh, r, width), gate, up)
	})
	err := g.visit(&Slopes{
		g: g, Layer: i, Last: g.last, Questions: g.questions, Hidden: g.h, DHidden: g.dh,
		Projections: []Projection{
			projection(i, "ffn_gate", g.x, t.gate, g.dGate),
			projection(i, "ffn_up", g.x, t.up, g.dUp),
			projection(i, "ffn_down", g.h, g.y, g.dx),
		},
	})
	if err != nil {
		return err
	}
	g.through(below, l.ffnNorm, []*kernel.Matrix{l.gate, l.up}, [][]float32{g.dGate, g.dUp})
	return nil
}

// attention derives by what the attention of layer i computes, and adds its part
// to dx.
func (g *gradient) attention(p *pass, i int) error {
	l, t, below := &g.m.layers[i], g.tape.layer(i), beforeAttention(i)
	g.added(below)
	g.input(below, l.attnNorm)
	g.matMulT(g.dOut, l.o, g.dx, len(g.questions))
	g.b.each(len(g.questions), func(_, r int) { g.turn(p, l, t, r) })
	clear(g.dk)
	clear(g.dv)
	kvHeads := g.m.config.KVHeads
	g.b.team.run(len(g.trees)*kvHeads, 1, func(worker, lo, hi int) {
		for j := lo; j < hi; j++ {
			g.attend(worker, g.trees[j/kvHeads], j%kvHeads)
		}
	})
	g.b.each(len(g.questions), func(worker, r int) { g.turnBack(worker, p, l, t, r) })
	err := g.visit(&Slopes{
		g: g, Layer: i, Last: g.last, Questions: g.questions,
		Projections: []Projection{
			projection(i, "attn_q", g.x, t.q, g.dqRow),
			projection(i, "attn_k", g.x, t.k, g.dkRow),
			projection(i, "attn_v", g.x, t.v, g.dvRow),
			projection(i, "attn_output", g.out, g.y, g.dx),
		},
	})
	if err != nil {
		return err
	}
	g.through(below, l.attnNorm, []*kernel.Matrix{l.q, l.k, l.v}, [][]float32{g.dqRow, g.dkRow, g.dvRow})
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
func (g *gradient) through(below Cut, norm []float32, ws []*kernel.Matrix, dys [][]float32) {
	if below == g.lowest {
		return
	}
	n, width := len(g.questions), g.m.config.Hidden
	for i, w := range ws {
		if i == 0 {
			g.matMulT(g.dIn, w, dys[i], n)
			continue
		}
		g.matMulT(g.part, w, dys[i], n)
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
