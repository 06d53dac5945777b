package score

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"bankai"
	"bankai/search"
)

// blockTokens is about how many tokens the questions of a block have. Predictions add up
// block after block, so the size decides their bits, and must not follow from the machines.
// With this one, 40 machines have something to do at 10,000 tokens.
const blockTokens = 256

// Block is some of the questions that patches are measured on under a sample: they are
// cut into blocks of about as many tokens each, in their order, whoever measures them.
type Block struct {
	Sample search.Sample
	Index  int // from 0 to [Evaluator.Blocks]−1
}

// Part is a block, or some of the questions of one.
type Part struct {
	Block
	Questions []int   // of the block, from 0; nil: all
	N         int     // how many questions that are
	Columns   []int   // that its effects have, see [Effects]
	Tokens    float64 // of them all: what measuring it takes, beside other parts
}

// Subject is what effects are about: the flips of one size in a matrix.
type Subject struct {
	Tensor string
	Size   search.Granularity
}

// Effects are what a block says of all flips of one size in a matrix: how its part of
// the fitness would change, to first order. Row r is flip r, and group g of it flip
// g·rows + r.
type Effects struct {
	Tensor  string
	Size    search.Granularity // Row or Group
	Columns []int              // which parts of the fitness the block has a share in
	Data    []float32          // [column][flip]
}

// blocks are the ends of the evaluator's blocks, see [inBlocks].
func (e *Evaluator) blocks() []int { return inBlocks(e.questions) }

// tokensOf counts the tokens of questions.
func tokensOf(questions []question) (tokens int) {
	for _, q := range questions {
		tokens += q.Tokens()
	}
	return tokens
}

// inBlocks cuts questions into blocks, and returns where each ends: the number of the
// question after its last.
func inBlocks(questions []question) []int {
	total := tokensOf(questions)
	n := min(len(questions), max(1, (total+blockTokens/2)/blockTokens))
	var ends []int
	before, block := 0, 0
	for i, q := range questions {
		// The block that the middle of the question is in, if all are as long.
		in := int((int64(before) + int64(q.Tokens())/2) * int64(n) / int64(total))
		if in != block && i > 0 {
			ends, block = append(ends, i), in
		}
		before += q.Tokens()
	}
	return append(ends, len(questions))
}

// Blocks is how many blocks the questions of a sample are cut into.
func (e *Evaluator) Blocks(s search.Sample) (int, error) {
	all, err := e.shared().cut(s)
	if err != nil {
		return 0, err
	}
	return len(all.ends), nil
}

// shares are an evaluator's questions as this machine measures blocks of them, for
// itself or for an evaluator elsewhere. They have a workbench and streams of their own.
type shares struct {
	mu      sync.Mutex
	whole   *Evaluator
	samples []*cutSample // used last, the latest last
}

// cutSample is the blocks of a sample.
type cutSample struct {
	search.Sample
	questions []int // of the sample
	ends      []int // of its blocks
	tokens    int
	blocks    []*Evaluator // nil where nothing was measured yet
}

// shared are the evaluator's shares, which are made when they are first asked for.
func (e *Evaluator) shared() *shares {
	e.sharing.Lock()
	defer e.sharing.Unlock()
	if e.share == nil {
		own := e.plain()
		own.model = e.model.Model.Workbench()
		own.questions = make([]question, len(e.questions))
		for i, q := range e.questions {
			own.questions[i] = question{aim: q.aim, weight: q.weight, passes: q.passes}
			own.questions[i].Prompt, own.questions[i].Answers = q.Prompt, q.Answers
		}
		e.share = &shares{whole: own}
	}
	return e.share
}

// plain is an evaluator of the same questions that knows nothing yet.
func (e *Evaluator) plain() *Evaluator {
	return &Evaluator{
		model: e.model, opts: e.opts, fitness: e.fitness, questions: e.questions, targets: e.targets, controls: e.controls,
		tokens: e.tokens, all: e.all, cuts: e.cuts, full: e.full, spec: e.spec, deal: e.deal,
	}
}

// cut cuts a sample into blocks. It waits for no other call.
func (s *shares) cut(sample search.Sample) (*cutSample, error) {
	if err := s.whole.takes(sample); err != nil {
		return nil, err
	}
	c := &cutSample{Sample: sample, questions: s.whole.all}
	if !sample.All() {
		c.questions = s.whole.deal.of(sample)
	}
	var questions []question
	for _, q := range c.questions {
		questions = append(questions, s.whole.questions[q])
	}
	c.ends, c.tokens = inBlocks(questions), tokensOf(questions)
	c.blocks = make([]*Evaluator, len(c.ends))
	return c, nil
}

// of is the evaluator of a block, with what it has computed already.
func (s *shares) of(b Block) (*Evaluator, error) {
	i := slices.IndexFunc(s.samples, func(c *cutSample) bool { return c.Sample == b.Sample })
	if i < 0 {
		c, err := s.cut(b.Sample)
		if err != nil {
			return nil, err
		}
		if len(s.samples) == samplesKept {
			s.samples = slices.Delete(s.samples, 0, 1)
		}
		s.samples, i = append(s.samples, c), len(s.samples)
	}
	c := s.samples[i]
	s.samples = append(slices.Delete(s.samples, i, i+1), c)
	if b.Index < 0 || b.Index >= len(c.ends) {
		return nil, fmt.Errorf("score: block %d of %v: there are %d", b.Index, b.Sample, len(c.ends))
	}
	if c.blocks[b.Index] == nil {
		first := 0
		if b.Index > 0 {
			first = c.ends[b.Index-1]
		}
		own := s.whole.only(c.questions[first:c.ends[b.Index]])
		o := s.whole.opts
		if !b.Sample.All() {
			o.Memory = max(1, o.memory()/samplesKept)
		}
		own.opts.Memory, own.cuts = o.Memory, o.cuts(s.whole.model.Model, c.tokens)
		c.blocks[b.Index] = own
	}
	return c.blocks[b.Index], nil
}

// Values are those of some questions of a block, nil for all of it, under moves on the
// patch cur: [move][question], in nats. They are measured on this machine, and have the
// same bits on every other. Calls of Values and Effects wait for one another, but not for
// those of Score and Predict.
func (e *Evaluator) Values(ctx context.Context, cur *bankai.Patch, b Block, moves []search.Move, questions []int) (values [][]float64, err error) {
	s := e.shared()
	s.mu.Lock()
	defer s.mu.Unlock()
	own, err := s.of(b)
	if err != nil {
		return nil, err
	}
	for _, q := range questions {
		if q < 0 || q >= len(own.questions) {
			return nil, fmt.Errorf("score: question %d of block %d of %v: there are %d", q, b.Index, b.Sample, len(own.questions))
		}
	}
	err = own.on(ctx, cur, func() error {
		g, err := own.newGrid(moves)
		if err != nil {
			return err
		}
		if len(moves) == 1 && questions == nil {
			err = own.try(ctx, moves[0], &g.rows[0])
		} else {
			wanted := questions
			if wanted == nil {
				wanted = own.all
			}
			g.want(wanted)
			err = g.fill(ctx)
		}
		for _, row := range g.rows {
			values = append(values, picked(row.values, questions))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return values, nil
}

// picked are some of the values; nil for all.
func picked(values []float64, at []int) []float64 {
	if at == nil {
		return slices.Clone(values)
	}
	out := make([]float64, len(at))
	for i, q := range at {
		out[i] = values[q]
	}
	return out
}

// Fits reports values of the part that are not [move][question] of as many moves and of
// its questions.
func (p Part) Fits(values [][]float64, moves int) error {
	if len(values) != moves || slices.ContainsFunc(values, func(row []float64) bool { return len(row) != p.N }) {
		return fmt.Errorf("values of others than the %d moves and %d questions asked", moves, p.N)
	}
	return nil
}

// FitsEffects reports effects of the part that are not about one of some subjects, of
// which the numbers of flips are given, or not of its columns.
func (p Part) FitsEffects(e *Effects, flips map[Subject]int) error {
	n, ok := flips[Subject{e.Tensor, e.Size}]
	if !ok || !slices.Equal(e.Columns, p.Columns) || len(e.Data) != len(p.Columns)*n {
		return fmt.Errorf("effects of size %d of %.80q that were not asked, or not so many", e.Size, e.Tensor)
	}
	return nil
}

// errBits is of effects that no block says.
var errBits = errors.New("score: effects of bits: they are not said block by block, but predicted as a whole")

// Effects emits what a block says of the flips that a wish is about, on the patch cur:
// matrix after matrix, from the top. Of the wish's matrices only the names count. Like
// Values it is measured on this machine.
func (e *Evaluator) Effects(ctx context.Context, cur *bankai.Patch, b Block, w search.Want, emit func(Effects) error) error {
	s := e.shared()
	s.mu.Lock()
	defer s.mu.Unlock()
	own, err := s.of(b)
	if err != nil {
		return err
	}
	w.Matrices = slices.Clone(w.Matrices)
	for i, m := range w.Matrices {
		var ok bool
		if w.Matrices[i], ok = own.matrix(m.Name); !ok {
			return fmt.Errorf("score: effects of %q: the model has no such 1-bit matrix", m.Name)
		}
	}
	wanted := own.sites(w, cur.Flips())
	if wanted.bits() {
		return errBits
	}
	if len(wanted) == 0 {
		return nil
	}
	return own.on(ctx, cur, func() error {
		return newDerivation(own, wanted, []int{len(own.questions)}, own.answered(), emit).run(ctx)
	})
}

// release lets go of what is kept.
func (s *shares) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.whole.model.Restore()
	s.samples = nil
	for i := range s.whole.questions {
		s.whole.questions[i].Reference = nil
	}
}
