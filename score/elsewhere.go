package score

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"bankai"
	"bankai/search"
)

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

// partsOf are the blocks that have some questions, and of each these alone; nil is all of
// all blocks.
func (e *Evaluator) partsOf(questions []int) (parts []Part) {
	d := e.division()
	if questions == nil {
		for b, tokens := range d.tokens {
			parts = append(parts, Part{Block: Block{e.sample, b}, N: d.first(b+1) - d.first(b), Tokens: tokens})
		}
		return parts
	}
	some := make([]Part, len(d.ends))
	for _, q := range questions {
		at := d.places[q]
		p := &some[at.block]
		p.Block, p.Questions, p.N = Block{e.sample, at.block}, append(p.Questions, at.question), p.N+1
		p.Tokens += float64(e.questions[q].Tokens())
	}
	return slices.DeleteFunc(some, func(p Part) bool { return p.N == 0 })
}

// question is the evaluator's question that is the part's j-th.
func (e *Evaluator) question(p Part, j int) int {
	if p.Questions != nil {
		j = p.Questions[j]
	}
	return e.division().first(p.Index) + j
}

// valuesThere are the values of some questions under moves on cur: [move][question], NaN
// where a question was not asked for. nil asks for all.
func (e *Evaluator) valuesThere(ctx context.Context, m Measurer, cur *bankai.Patch, moves []search.Move, questions []int) ([][]float64, error) {
	parts := e.partsOf(questions)
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
		for k, p := range parts {
			for j, v := range answers[k][i] {
				values[i][e.question(p, j)] = v
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
	parts := e.partsOf(nil)
	for b := range parts {
		first := e.question(parts[b], 0)
		parts[b].Columns = newPortion(e, first, first+parts[b].N, now[0]).columns
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
