package engine

import "bankai/internal/weights"

// mlp is a SwiGLU MLP: down·(silu(gate·x)·(up·x)).
type mlp struct {
	sublayer
	gate, up projection // [FFN, Hidden]
	down     projection // [Hidden, FFN]
}

// mlp adds the one of a layer to the model.
func (w *wiring) mlp(layer int) {
	const part = weights.MLP
	w.add(&mlp{
		sublayer: w.sublayer(part, layer),
		gate:     w.matrix(part, layer, "gate"), up: w.matrix(part, layer, "up"), down: w.matrix(part, layer, "down"),
	})
}

func (l *mlp) projections() []projection { return []projection{l.gate, l.up, l.down} }

func (l *mlp) mixes() bool { return false }

func (l *mlp) work(_, out int64) int64 {
	return out * (weightsOf(l.gate.Matrix) + weightsOf(l.up.Matrix) + weightsOf(l.down.Matrix))
}

func (l *mlp) taped() int { return l.gate.Rows + l.up.Rows }

// mlpMemory is what an MLP computes on: [tokens, FFN].
type mlpMemory struct{ gate, up []float32 }

func (l *mlp) forward(b *Batch, p *pass) {
	m, width := b.model, l.gate.Rows
	b.normed(len(p.tokens), everyRow, l.norm)
	gate, up := &b.gate, &b.up
	if p.grad != nil {
		gate, up = p.grad.tape.room(l.below, 0), p.grad.tape.room(l.below, 1)
	}
	*gate, *up = resize(*gate, len(p.tokens)*width), resize(*up, len(p.tokens)*width)
	b.project(*gate, l.gate.Matrix, p.overlaid)
	b.project(*up, l.up.Matrix, p.overlaid)
	b.inputs(len(p.tokens), width)
	b.each(len(p.tokens), func(worker, t int) {
		h := b.row(worker, width)
		m.kernel.SwiGLU(h, head(*gate, t, width), head(*up, t, width))
		b.setInput(t, h)
	})
	b.project(b.y, l.down.Matrix, p.overlaid)
	b.addResidual(p)
}

// mlpBack is what going back through an MLP computes on: [tokens, FFN].
type mlpBack struct {
	h, dh      []float32 // hidden units and ∂F/∂ them
	dGate, dUp []float32
}

// resize makes room for n tokens.
func (m *mlpBack) resize(l *mlp, n int) {
	for _, s := range []*[]float32{&m.h, &m.dh, &m.dGate, &m.dUp} {
		*s = resize(*s, n*l.gate.Rows)
	}
}

func (l *mlp) back(g *gradient, _ *pass) error {
	m, width := g.m, l.gate.Rows
	gates, ups := g.tape.output(l.below, 0), g.tape.output(l.below, 1)
	g.mlpBack.resize(l, len(g.questions))
	g.added(l.below)
	g.input(l.below, l.norm)
	g.matMulT(g.dh, l.down.Matrix, g.dx, len(g.questions))
	g.b.each(len(g.questions), func(_, r int) {
		gate, up := head(gates, r, width), head(ups, r, width)
		m.kernel.SwiGLU(head(g.h, r, width), gate, up)
		m.kernel.SwiGLUGrad(head(g.dGate, r, width), head(g.dUp, r, width), head(g.dh, r, width), gate, up)
	})
	err := g.visit(&LayerGradient{
		g: g, Layer: l.layer, Last: g.last, Questions: g.questions, Hidden: g.h, DHidden: g.dh,
		Projections: []Projection{
			{l.gate.tensor, g.x, gates, g.dGate},
			{l.up.tensor, g.x, ups, g.dUp},
			{l.down.tensor, g.h, g.y, g.dx},
		},
		behind: []behind{{add: g.swiglu(gates, ups, g.h, g.dh)}, {}, {}},
	})
	if err != nil {
		return err
	}
	g.through(l.below, l.norm, []projection{l.gate, l.up}, [][]float32{g.dGate, g.dUp})
	return nil
}
