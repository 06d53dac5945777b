package engine

import (
	"context"
	"errors"
	"fmt"

	"bankai/internal/kernel"
)

// Sloped is a question with the function of its answers whose derivatives are
// wanted. Its overlay must be nil: patch the model in place, which gives the same
// bits.
type Sloped struct {
	Question
	Weighting
}

// Slopes are derivatives at one layer's MLP or attention, for the tokens of some
// questions. Every row belongs to one token, and so to one question and its F.
type Slopes struct {
	Layer       int
	Questions   []int        // of every row
	Projections []Projection // gate, up and down; or q, k, v and o

	// Hidden is h = silu(gate)·up, the input of down, with ∂F/∂h: [tokens, FFN];
	// nil at an attention.
	Hidden, DHidden []float32
}

// Projection is a matrix product y = W·x with ∂F/∂y. In fast precision x is what
// was then quantised to int8, and the derivatives are those of the function
// without that rounding, computed from int8 themselves. The y of down and o are
// differences of the residual stream.
type Projection struct {
	Tensor string
	X      []float32 // [tokens, columns]
	Y      []float32 // [tokens, rows]
	DY     []float32 // [tokens, rows]
}

// gradientMemory bounds what a wave of tokens keeps for its backward pass (512 MiB),
// unless a single question needs more.
const gradientMemory = 512 << 20

// gradientTokens is the most tokens of a wave: more are no faster.
const gradientTokens = 512

// Gradient scores questions and derives their F by every projection's output and
// every hidden unit, by one forward and one backward pass. visit gets the slopes
// of some questions at a time, from the last layer to the first; they are
// overwritten after it returns, and its error ends the pass. Neither the bits of
// a row nor the order of the rows of a question depend on the other questions.
func (m *Model) Gradient(ctx context.Context, qs []Sloped, visit func(*Slopes) error) ([][]Answer, error) {
	for i, q := range qs {
		if q.Overlay != nil {
			return nil, fmt.Errorf("question %d: derivatives under an overlay: patch the model in place", i)
		}
		if err := errors.Join(q.Reference.fits(q.Question, m.config.Vocab), q.Weighting.fits(q.Question)); err != nil {
			return nil, fmt.Errorf("question %d: %w", i, err)
		}
	}
	limit := min(gradientTokens, max(1, gradientMemory/tokenBytes(m)))
	g, ok := m.gradients.Get().(*gradient)
	if !ok {
		g = &gradient{m: m, tape: newTape(m)}
	}
	defer func() {
		g.visit, g.qs = nil, nil // what the caller keeps there is not ours to hold
		m.gradients.Put(g)
	}()
	g.visit = visit
	out := make([][]Answer, len(qs))
	err := waves(len(qs), limit, func(i int) Question { return qs[i].Question }, func(lo, hi, tokens int) error {
		return g.wave(ctx, lo, qs[lo:hi], tokens, out[lo:hi])
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// gradient is the state of one call of Gradient.
type gradient struct {
	m     *Model
	b     *Batch
	tape  *tape
	visit func(*Slopes) error

	qs        []Sloped // of the wave
	questions []int    // of every row
	trees     []tree
	backMemory
}

// wave runs whole questions forward and back, which have so many tokens; first is
// the number of the first.
func (g *gradient) wave(ctx context.Context, first int, qs []Sloped, tokens int, out [][]Answer) error {
	if g.b == nil || g.b.max < tokens {
		g.b = g.m.NewBatch(max(tokens, gradientTokens))
	}
	g.tape.reset(g.m, tokens)
	g.backMemory.reset(g.m, tokens)
	g.qs, g.trees, g.questions = qs, nil, g.questions[:0]
	all := make([]asked, len(qs))
	row := 0
	for i, q := range qs {
		all[i] = asked{q.Question, row}
		for range q.Tokens() {
			g.questions = append(g.questions, first+i)
		}
		row += q.Tokens()
		g.trees = append(g.trees, all[i].rows())
	}
	return g.b.scoreSome(ctx, job{keep: g.tape.streams, grad: g}, all, tokens, out)
}

// matMulT computes dx = wᵀ·dy for the tokens of the wave.
func (g *gradient) matMulT(dx []float32, w *kernel.Matrix, dy []float32, tokens int) {
	k, groups := g.m.kernel, w.Cols/kernel.GroupSize
	g.b.team.run(groups, 1, func(_, lo, hi int) {
		k.MatMulT(dx, w, dy, tokens, g.m.exact, lo, hi)
	})
}
