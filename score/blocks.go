package score

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
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

// Measurer measures blocks of an evaluator's questions, on this machine or on others. It
// answers as [Evaluator.Values] and [Evaluator.Effects] do, to the bit.
type Measurer interface {
	// Values are those of the questions of some parts under some moves on the patch cur:
	// [part][move][question]. Numbers of another shape than a part says are an error of
	// whoever measures.
	Values(ctx context.Context, cur *bankai.Patch, moves []search.Move, parts []Part) ([][][]float64, error)

	// Effects calls got with what each of some blocks says, all of their questions, in any
	// order of the blocks: k is an index of parts. It makes one call at a time; those of
	// one block are in the order in which they were emitted, and none is made twice.
	// got's error ends it. flips is what every block has to say something about, with
	// the number of flips of each.
	Effects(ctx context.Context, cur *bankai.Patch, w search.Want, flips map[Subject]int, parts []Part, got func(k int, said Effects) error) error
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

// Divide lets m measure the questions instead of this machine; nil: this machine does.
func (e *Evaluator) Divide(m Measurer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.shared() // while nothing is measured
	e.divided = m
	if m == nil && e.halved {
		e.bound(2 * e.opts.memory())
		e.halved = false
	}
}

// halve gives half of the memory to the shares, if they have not got it yet.
func (e *Evaluator) halve() (changed bool) {
	if e.halved {
		return false
	}
	e.bound(max(1, e.opts.memory()/2))
	e.halved = true
	return true
}

// bound sets the bound of the streams here, and of those of the shares, which are all let
// go of.
func (e *Evaluator) bound(memory int) {
	e.opts.Memory = memory
	e.cuts = e.opts.cuts(e.model.Model, tokensOf(e.questions))
	e.trunk, e.at, e.tried, e.parts = nil, nil, bankai.Digest{}, nil
	s := e.shared()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.whole.opts.Memory, s.samples = memory, nil
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

// blockPlace is where a question of an evaluator is: in which block, and there which one.
type blockPlace struct{ block, question int }

// division is how an evaluator's questions are cut, for the one who asks for their values.
type division struct {
	ends   []int
	places []blockPlace // of every question
	tokens []float64    // of every block
}

// first is the first question of block b; behind the last block, the number of questions.
func (d *division) first(b int) int {
	if b == 0 {
		return 0
	}
	return d.ends[b-1]
}

func (e *Evaluator) division() *division {
	if e.cutUp == nil {
		d := &division{ends: e.blocks()}
		first := 0
		for b, end := range d.ends {
			d.tokens = append(d.tokens, 0)
			for q := first; q < end; q++ {
				d.places = append(d.places, blockPlace{b, q - first})
				d.tokens[b] += float64(e.questions[q].Tokens())
			}
			first = end
		}
		e.cutUp = d
	}
	return e.cutUp
}

// valuesThere are the values of some questions under moves on cur: [move][question], NaN
// where a question was not asked for. nil asks for all.
func (e *Evaluator) valuesThere(ctx context.Context, m Measurer, cur *bankai.Patch, moves []search.Move, questions []int) ([][]float64, error) {
	d := e.division()
	parts := make([]Part, len(d.ends))
	at := make([][]int, len(d.ends)) // the questions of the evaluator that a part is about
	for b := range parts {
		parts[b] = Part{Block: Block{e.sample, b}, N: d.first(b+1) - d.first(b), Tokens: d.tokens[b]}
	}
	if questions == nil {
		for q, p := range d.places {
			at[p.block] = append(at[p.block], q)
		}
	} else {
		for b := range parts {
			parts[b].N, parts[b].Tokens = 0, 0
		}
		for _, q := range questions {
			p := d.places[q]
			parts[p.block].Questions = append(parts[p.block].Questions, p.question)
			parts[p.block].N++
			parts[p.block].Tokens += float64(e.questions[q].Tokens())
			at[p.block] = append(at[p.block], q)
		}
		asked := func(b int) bool { return len(at[b]) > 0 }
		var some []Part
		var where [][]int
		for b := range parts {
			if asked(b) {
				some, where = append(some, parts[b]), append(where, at[b])
			}
		}
		parts, at = some, where
	}
	answers, err := m.Values(ctx, cur, moves, parts)
	if err != nil {
		return nil, err
	}
	if len(answers) != len(parts) {
		return nil, fmt.Errorf("score: %d of %d blocks were measured", len(answers), len(parts))
	}
	for k, p := range parts {
		if err := p.Fits(answers[k], len(moves)); err != nil {
			return nil, fmt.Errorf("score: block %d: %w", p.Index, err)
		}
	}
	values := make([][]float64, len(moves))
	for i := range moves {
		values[i] = slices.Repeat([]float64{math.NaN()}, len(e.questions))
		for k := range parts {
			for j, q := range at[k] {
				values[i][q] = answers[k][i][j]
			}
		}
	}
	return values, nil
}

// prepareThere learns the base's values.
func (e *Evaluator) prepareThere(ctx context.Context, m Measurer) error {
	if e.base != nil || e.whole != nil && e.knownThere() {
		return nil
	}
	values, err := e.valuesThere(ctx, m, bankai.New(e.model.Digest(), bankai.Meta{}), []search.Move{{Sample: e.sample}}, nil)
	if err != nil {
		return err
	}
	v := e.split(values[0])
	e.base, e.worst = &v, worstOf(v.Targets, e.opts.Screen)
	for i, x := range values[0] {
		e.questions[i].was = &x
		if e.whole != nil {
			e.whole.questions[e.of[i]].was = &x
		}
	}
	return nil
}

// knownThere sets the base's values, if those of all questions of the sample are known.
func (e *Evaluator) knownThere() bool {
	values := make([]float64, len(e.questions))
	for i, q := range e.of {
		was := e.whole.questions[q].was
		if was == nil {
			return false
		}
		values[i] = *was
	}
	v := e.split(values)
	e.base = &v
	return true
}

// predictThere makes predictions from what others say of the blocks.
func (e *Evaluator) predictThere(ctx context.Context, m Measurer, cur *bankai.Patch, w search.Want, s sites) (search.Predictions, error) {
	if err := e.prepareThere(ctx, m); err != nil {
		return search.Predictions{}, err
	}
	now, err := e.valuesThere(ctx, m, cur, []search.Move{{Sample: e.sample}}, nil)
	if err != nil {
		return search.Predictions{}, err
	}
	r := newRanking(e, w, s, now[0])
	d := e.division()
	parts := make([]Part, len(d.ends))
	for b := range parts {
		parts[b] = Part{Block: Block{e.sample, b}, N: d.first(b+1) - d.first(b), Tokens: d.tokens[b]}
		parts[b].Columns = newPortion(e, d.first(b), d.first(b+1), now[0]).columns
	}
	flips := s.subjects()
	merge := merging{ranking: r, parts: parts, left: maps.Clone(flips), waiting: map[Subject]*inOrder{}}
	if err := m.Effects(ctx, cur, w, flips, parts, merge.got); err != nil {
		return search.Predictions{}, err
	}
	if len(merge.left) > 0 {
		return search.Predictions{}, errors.New("score: a block said less than it was asked")
	}
	return r.predictions(w), nil
}

// merging adds up what blocks say in their order, in whatever order they say it.
type merging struct {
	ranking *ranking
	parts   []Part
	left    map[Subject]int // of which not all was said
	waiting map[Subject]*inOrder
}

// inOrder holds what blocks said that those before them have not said yet.
type inOrder struct {
	next  int
	early map[int]Effects
}

// got takes in what block k says.
func (m *merging) got(k int, e Effects) error {
	if k < 0 || k >= len(m.parts) {
		return fmt.Errorf("score: block %d of %d says something", k, len(m.parts))
	}
	if err := m.parts[k].FitsEffects(&e, m.left); err != nil {
		return fmt.Errorf("score: block %d: %w", k, err)
	}
	of := Subject{e.Tensor, e.Size}
	w := m.waiting[of]
	if w == nil {
		w = &inOrder{early: map[int]Effects{}}
		m.waiting[of] = w
	}
	if _, twice := w.early[k]; twice || k < w.next {
		return fmt.Errorf("score: block %d says the same of %q twice", k, e.Tensor)
	}
	w.early[k] = e
	for {
		next, ok := w.early[w.next]
		if !ok {
			return nil
		}
		delete(w.early, w.next)
		if err := m.ranking.add(next); err != nil {
			return err
		}
		if w.next++; w.next == len(m.parts) {
			delete(m.waiting, of)
			delete(m.left, of)
			for other := range m.left {
				if other.Tensor == e.Tensor {
					return nil
				}
			}
			m.ranking.finish(e.Tensor, bitSums{})
			return nil
		}
	}
}
