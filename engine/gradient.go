package engine

import (
	"context"
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

// gradientMemory bounds what a wave of tokens keeps for its backward pass (512 MiB),
// unless a single question needs more.
const gradientMemory = 512 << 20

// gradientTokens is the most tokens of a wave: more are no faster.
const gradientTokens = 512

// Gradient scores questions and derives their F by every projection's output and
// every hidden unit, by one forward and one backward pass: see [Trunk.Gradient], of
// a trunk that keeps no cut.
func (m *Model) Gradient(ctx context.Context, qs []Sloped, visit func(*Slopes) error) ([][]Answer, error) {
	questions, ws := make([]Question, len(qs)), make([]Weighting, len(qs))
	for i, q := range qs {
		questions[i], ws[i] = q.Question, q.Weighting
	}
	t, err := m.newTrunk(questions)
	if err != nil {
		return nil, err
	}
	return t.gradient(ctx, ws, 0, gradientTokens, visit)
}

// Gradient derives the F of every question by the outputs of the projections above
// the cut lowest, and by the hidden units. That takes one backward pass over what is
// above lowest and one forward pass over what is above the highest kept cut at or
// below it.
//
// The kept cuts divide the layers into segments. These are gone through from the
// top, and in each of them the questions, a wave of some at a time, from the
// segment's upper end to its lower. So visit sees all questions at every MLP and
// attention of a segment before any below, and [Slopes.Last] tells when it sees an
// MLP or attention with the last of them. Cuts above the last layer's attention
// divide nothing: only tokens whose logits are wanted have a stream there.
//
// The slopes are overwritten after visit returns, and its error ends the call.
// Neither the bits of a row nor the order of all rows at one MLP or attention
// depend on the cuts, the waves, or the other questions.
func (t *Trunk) Gradient(ctx context.Context, ws []Weighting, lowest Cut, visit func(*Slopes) error) error {
	_, err := t.gradient(ctx, ws, lowest, gradientTokens, visit)
	return err
}

// gradient does so in waves of at most limit tokens, and scores the questions on the
// way.
func (t *Trunk) gradient(ctx context.Context, ws []Weighting, lowest Cut, limit int, visit func(*Slopes) error) ([][]Answer, error) {
	if err := t.check(ws); err != nil {
		return nil, err
	}
	g, ok := t.model.gradients.Get().(*gradient)
	if !ok {
		g = &gradient{m: t.model}
	}
	defer func() {
		g.visit, g.qs, g.answers, g.settle = nil, nil, nil, nil // what the caller keeps there is not ours to hold
		t.model.gradients.Put(g)
	}()
	g.visit, g.lowest = visit, max(lowest, 1)
	g.slopes = resize(g.slopes, t.rows*t.model.config.Hidden)
	clear(g.slopes)
	g.answers = make([][]Answer, len(t.qs))
	for _, s := range t.segments(g.lowest) {
		fit := max(1, gradientMemory/s.tokenBytes(t.model))
		err := waves(len(t.qs), min(limit, fit), func(i int) Question { return t.qs[i].Question }, func(lo, hi, tokens int) error {
			g.last = hi == len(t.qs)
			return g.wave(ctx, t, s, ws[lo:hi], lo, tokens)
		})
		if err != nil {
			return nil, err
		}
	}
	return g.answers, nil
}

// check refuses weightings that do not fit the questions.
func (t *Trunk) check(ws []Weighting) error {
	if len(ws) != len(t.qs) {
		return fmt.Errorf("%d weightings for %d questions", len(ws), len(t.qs))
	}
	for i, w := range ws {
		if err := w.fits(t.qs[i].Question); err != nil {
			return fmt.Errorf("question %d: %w", i, err)
		}
	}
	return nil
}

// segments are the stretches between kept cuts from the head down to the one that
// holds what is right above the cut lowest.
func (t *Trunk) segments(lowest Cut) []segment {
	var all []segment
	to := t.model.lastCut()
	for i := len(t.cuts) - 1; i >= -1 && to > lowest; i-- {
		s := segment{0, to}
		if i >= 0 {
			s.from = t.cuts[i]
		}
		if s.from <= t.model.mixing {
			all, to = append(all, s), s.from
		}
	}
	return all
}

// gradient is the state of one call of Gradient.
type gradient struct {
	m      *Model
	b      *Batch
	tape   tape
	visit  func(*Slopes) error
	lowest Cut       // at least 1: no slopes are wanted below
	slopes []float32 // ∂F/∂ the residual stream of all tokens, where the last segment ended: [rows, Hidden]

	answers [][]Answer // of all questions, once their wave has been through the head
	settle  func()     // sets those of the wave, before it goes back

	// The wave.
	last      bool
	qs        []Sloped
	questions []int // of every row
	trees     []tree
	dx        []float32 // its part of slopes
	backMemory
	attentionBack
	mlpBack
	outer outer
}

// wave runs whole questions, which have so many tokens, forward and back through a
// segment. first is the number of the first in the trunk.
func (g *gradient) wave(ctx context.Context, t *Trunk, s segment, ws []Weighting, first, tokens int) error {
	if g.b == nil || g.b.max < tokens {
		g.b = g.m.NewBatch(max(tokens, gradientTokens))
	}
	g.backMemory.reset(g.m, tokens)
	g.qs, g.trees, g.questions = g.qs[:0], g.trees[:0], g.questions[:0]
	all := make([]asked, len(ws))
	row, width := t.qs[first].row, g.m.config.Hidden
	for i, w := range ws {
		all[i] = t.qs[first+i]
		all[i].row -= row
		for range all[i].Tokens() {
			g.questions = append(g.questions, first+i)
		}
		g.qs = append(g.qs, Sloped{all[i].Question, w})
		g.trees = append(g.trees, all[i].rows())
	}
	g.dx = g.slopes[row*width : (row+tokens)*width]
	j := job{sink: sink{keep: g.tape.begin(g.m, s, tokens), grad: g}}
	if s.from > 0 {
		j.source = source{s.from, t.streams[s.from][row*width:]}
	}
	out := g.answers[first : first+len(all)]
	if s.to < g.m.lastCut() {
		j.to, out = s.to, make([][]Answer, len(all)) // only the head has answers
	}
	return g.b.scoreSome(ctx, j, all, tokens, out)
}

// matMulT computes dx = wᵀ·dy for some tokens, w being as the model's adapter has it.
func (g *gradient) matMulT(dx []float32, w *kernel.Matrix, dy []float32, tokens int) {
	k, groups := g.m.kernel, w.Cols/kernel.GroupSize
	g.b.team.run(groups, 1, func(_, lo, hi int) {
		k.MatMulT(dx, w, dy, tokens, g.m.exact, lo, hi)
	})
	if f := g.m.adapted(w); f != nil {
		g.b.adapt(dx, f.A, dy, f.B, tokens)
	}
}
