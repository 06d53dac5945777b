package engine

import (
	"context"
	"fmt"
	"slices"

	"bankai/internal/kernel"
)

// WeightedQuestion is a question with the function of its answers whose derivatives are
// wanted. Its overlay must be nil: patch the model in place, which gives the same
// bits.
type WeightedQuestion struct {
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
func (m *Model) Gradient(ctx context.Context, qs []WeightedQuestion, visit func(*LayerGradient) error) ([][]Answer, error) {
	questions, ws := make([]Question, len(qs)), make([]Weighting, len(qs))
	for i, q := range qs {
		questions[i], ws[i] = q.Question, q.Weighting
	}
	t, err := m.newTrunk(questions)
	if err != nil {
		return nil, err
	}
	return t.gradient(ctx, ws, 0, gradientTokens, nil, visit)
}

// Gradient derives the F of every question by the outputs of the projections above
// the cut lowest, and by the hidden units. That takes one backward pass over what is
// above lowest and one forward pass over what is above the highest kept cut at or
// below it.
//
// The kept cuts divide the layers into segments. These are gone through from the
// top, and in each of them the questions, a wave of some at a time, from the
// segment's upper end to its lower. So visit sees all questions at every block of a
// segment, be it MLP, attention or delta-net, before any below, and [LayerGradient.Last]
// tells when it sees a block with the last of them. Cuts above the last block that mixes
// tokens divide nothing: only tokens whose logits are wanted have a stream there.
//
// A wave takes no questions from both sides of a border, of which there are as many as
// visit's sums have parts: each is the number of the question that it is before, ascending.
//
// A LayerGradient is overwritten after visit returns, and its error ends the call.
// Neither the bits of a row nor the order of all rows at one block depend on the cuts, the
// waves, or the other questions.
func (t *Trunk) Gradient(ctx context.Context, ws []Weighting, lowest Cut, borders []int, visit func(*LayerGradient) error) error {
	_, err := t.gradient(ctx, ws, lowest, gradientTokens, borders, visit)
	return err
}

// gradient is Gradient in waves of at most limit tokens, and scores the questions on the
// way.
func (t *Trunk) gradient(ctx context.Context, ws []Weighting, lowest Cut, limit int, borders []int, visit func(*LayerGradient) error) ([][]Answer, error) {
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
	g.answers = make([][]Answer, len(t.qs))
	segments := t.segments(g.lowest)
	if g.one = len(segments) <= 1; !g.one {
		g.dstream = resize(g.dstream, t.rows*t.model.config.Hidden)
		clear(g.dstream)
	}
	for _, s := range segments {
		fit := max(1, gradientMemory/s.tokenBytes(t.model))
		first := 0
		for _, end := range append(slices.Clone(borders), len(t.qs)) {
			err := waves(end-first, min(limit, fit), func(i int) Question { return t.qs[first+i].Question }, func(lo, hi, tokens int) error {
				g.last = first+hi == len(t.qs)
				return g.wave(ctx, t, s, ws[first+lo:first+hi], first+lo, tokens)
			})
			if err != nil {
				return nil, err
			}
			first = end
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
	m       *Model
	b       *Batch
	tape    tape
	visit   func(*LayerGradient) error
	lowest  Cut       // at least 1: no gradient is wanted below
	dstream []float32 // ∂F/∂ the residual stream of all tokens, where the last segment ended: [rows, Hidden]
	one     bool      // there is no other segment: dstream is of a wave's tokens only

	answers [][]Answer // of all questions, once their wave has been through the head
	settle  func()     // sets those of the wave, before it goes back

	// The wave.
	last      bool
	qs        []WeightedQuestion
	questions []int // of every row
	trees     []tree
	before    []int     // of every row, the row of the token before; -1 at the beginning of a question
	dx        []float32 // its part of dstream
	backMemory
	attentionBack
	mlpBack
	delta deltaBack
	outer outer
}

// wave runs whole questions, of a number of tokens in all, forward and back through a
// segment. first is the number of the first in the trunk.
func (g *gradient) wave(ctx context.Context, t *Trunk, s segment, ws []Weighting, first, tokens int) error {
	if g.b == nil || g.b.max < tokens {
		g.b = g.m.NewBatch(max(tokens, gradientTokens))
	}
	g.backMemory.reset(g.m, tokens)
	g.qs, g.trees, g.questions, g.before = g.qs[:0], g.trees[:0], g.questions[:0], g.before[:0]
	all := make([]asked, len(ws))
	row, width := t.qs[first].row, g.m.config.Hidden
	for i, w := range ws {
		all[i] = t.qs[first+i]
		all[i].row -= row
		for range all[i].Tokens() {
			g.questions = append(g.questions, first+i)
		}
		g.qs = append(g.qs, WeightedQuestion{all[i].Question, w})
		t := all[i].rows()
		g.trees = append(g.trees, t)
		for r := range t.rows() {
			g.before = append(g.before, r-1)
		}
		g.before[t.prompt.lo] = -1
		for _, a := range t.answers {
			if a.lo < a.hi {
				g.before[a.lo] = t.prompt.hi - 1
			}
		}
	}
	if g.one {
		g.dstream = resize(g.dstream, tokens*width)
		clear(g.dstream)
		g.dx = g.dstream
	} else {
		g.dx = g.dstream[row*width : (row+tokens)*width]
	}
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

// earlier is the row n tokens before row r, negative if there is none.
func (g *gradient) earlier(r, n int) int {
	for ; n > 0 && r >= 0; n-- {
		r = g.before[r]
	}
	return r
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

// segment is a stretch of the forward pass between two cuts.
type segment struct{ from, to Cut }

// tape keeps what a backward pass needs of a forward pass of one wave of tokens
// through a segment: the residual stream at every cut and the outputs of the
// projections, of which those that end in the stream are differences of it.
type tape struct {
	segment segment
	streams [][]float32               // at the cuts from segment.from on, both ends included: [tokens, Hidden]
	outputs [][tapedOutputs][]float32 // of projections of the block above each cut, as they come out of their matrices: [tokens, rows]
}

// tapedOutputs is the most outputs that a block keeps.
const tapedOutputs = 4

// begin makes room for n tokens, and returns where a pass leaves their streams.
func (t *tape) begin(m *Model, s segment, n int) map[Cut][]float32 {
	s.from = max(s.from, 1) // cut 0 has no stream
	t.segment = s
	keep := map[Cut][]float32{}
	for c := s.from; c <= s.to; c++ {
		i := int(c - s.from)
		if i == len(t.streams) {
			t.streams, t.outputs = append(t.streams, nil), append(t.outputs, [tapedOutputs][]float32{})
		}
		t.streams[i] = resize(t.streams[i], n*m.config.Hidden)
		keep[c] = t.streams[i]
	}
	return keep
}

// stream is the residual stream at a cut.
func (t *tape) stream(c Cut) []float32 { return t.streams[c-t.segment.from] }

// room is where output i of the block above a cut is kept.
func (t *tape) room(c Cut, i int) *[]float32 { return &t.outputs[c-t.segment.from][i] }

// output is what was kept there.
func (t *tape) output(c Cut, i int) []float32 { return *t.room(c, i) }

// keep copies an output.
func (t *tape) keep(c Cut, i int, y []float32) {
	to := t.room(c, i)
	*to = append((*to)[:0], y...)
}

// tokenBytes is the size of a segment's tape for one token.
func (s segment) tokenBytes(m *Model) int {
	floats := m.config.Hidden // at the upper end
	for c := max(s.from, 1); c < s.to; c++ {
		floats += m.config.Hidden + m.above(c).taped()
	}
	return 4 * floats
}

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
	widest := max(n, c.Hidden, c.HeadDim)
	if d := c.Delta; d != nil {
		widest = max(widest, d.Channels(), d.HeadDim)
	}
	for w := range m.rows {
		m.rows[w] = resize(m.rows[w], 2*widest+2)
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
	g.carry(ws, dys)
	g.descend(below, norm)
}

// carry sets dIn to ∂F/∂ what some projections multiply.
func (g *gradient) carry(ws []projection, dys [][]float32) {
	n, width := len(g.questions), g.m.config.Hidden
	for i, w := range ws {
		if i == 0 {
			g.matMulT(g.dIn, w.Matrix, dys[i], n)
			continue
		}
		g.matMulT(g.part, w.Matrix, dys[i], n)
		g.b.each(n, func(_, r int) { g.m.kernel.Add(head(g.dIn, r, width), head(g.part, r, width)) })
	}
}

// descend carries dIn through the norm to dx.
func (g *gradient) descend(below Cut, norm []float32) {
	stream, width := g.tape.stream(below), g.m.config.Hidden
	g.b.each(len(g.questions), func(worker, r int) {
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
