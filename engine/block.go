package engine

import (
	"math"

	"bankai/internal/kernel"
)

// block is one residual sublayer: it reads the residual stream at the cut below it,
// normalised, and adds to it. The forward pass is a list of them.
type block interface {
	// projections are the 1-bit matrices.
	projections() []projection
	// mixes tells whether a token's output depends on the tokens before it.
	mixes() bool
	// work is the number of products of a weight and an activation when in tokens
	// come in and out of them go out.
	work(in, out int64) int64
	// taped is the number of floats of a token that forward leaves on a tape.
	taped() int

	forward(b *Batch, p *pass)
	// back carries ∂F/∂ the stream above the block, which g.dx holds, to the stream
	// below, and lets the visitor see the gradient on the way.
	back(g *gradient, p *pass) error
}

// sublayer is what all blocks have.
type sublayer struct {
	layer int
	below Cut
	norm  []float32 // [Hidden]
}

// projection is a 1-bit matrix with its name in GGUF.
type projection struct {
	tensor string
	*kernel.Matrix
}

// Cut is a place in the forward pass: 0 before the embedding, then one before each
// block (the attention and the MLP of each layer, in turn), and the last before the
// output norm and the head. The residual stream at a cut is all that the parts above it
// see of the parts below, other than the tokens.
type Cut int

// lastCut is the one before the head.
func (m *Model) lastCut() Cut { return Cut(len(m.blocks) + 1) }

// above is the block right above a cut.
func (m *Model) above(c Cut) block { return m.blocks[c-1] }

// CutBelow returns the highest cut below which a change of the tensor changes
// nothing.
func (m *Model) CutBelow(tensor string) Cut { return m.cuts[tensor] }

func (b *Batch) addResidual(p *pass) {
	width := b.model.config.Hidden
	b.each(len(p.tokens), func(_, t int) {
		b.model.kernel.Add(b.x[t*width:(t+1)*width], b.y[t*width:(t+1)*width])
	})
}

// inputs makes room for what the next projections multiply: n tokens of width
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
		out := b.row(worker, width)
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
