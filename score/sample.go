package score

import (
	"context"
	"fmt"
	"slices"

	"bankai"
	"bankai/search"
)

// Samples says how examples are divided for scores on samples of them.
type Samples struct {
	Block int    `json:"block"` // targets in a block, about; 0 if scores are on all examples only
	Seed  uint64 `json:"seed"`  // of their order
}

// leastHeld is the number of controls, or of parts of the text, that a block has at
// least: fewer say nothing of what a change breaks, so where there are few, they come
// in more than one block of an epoch.
const leastHeld = 8

// samplesKept is the number of samples whose streams are kept, in the memory of one.
const samplesKept = 2

// deal divides the questions by what they are for: every set of targets, the controls,
// the text. Each is dealt on its own, so that every block has its share of all.
type deal struct {
	blocks  int // in an epoch of the targets
	strata  []search.Deal
	targets int // how many of the strata are sets of targets
}

func newDeal(e *Evaluator, s Samples) deal {
	d := deal{blocks: search.DealOf(e.targets, s.Block, s.Seed, 0).Blocks}
	for i, set := range e.opts.sets(e.targets) {
		d.strata = append(d.strata, search.Deal{Examples: set.Probes, Blocks: min(d.blocks, set.Probes), Seed: s.Seed, Stratum: uint32(i)})
	}
	d.targets = len(d.strata)
	for _, n := range []int{e.controls, len(e.questions) - e.targets - e.controls} {
		d.strata = append(d.strata, search.Deal{Examples: n, Blocks: max(1, min(d.blocks, n/leastHeld)), Seed: s.Seed, Stratum: uint32(len(d.strata))})
	}
	return d
}

// of are the questions of a sample.
func (d deal) of(s search.Sample) (questions []int) {
	first := 0
	for _, stratum := range d.strata {
		for _, i := range stratum.Of(s) {
			questions = append(questions, first+i)
		}
		first += stratum.Examples
	}
	return questions
}

// Epoch is the number of blocks in which every target comes once.
func (e *Evaluator) Epoch() int { return e.deal.blocks }

// part is the evaluator of a sample.
type part struct {
	*Evaluator
	sample search.Sample
}

// takes reports samples that the evaluator was not made for.
func (e *Evaluator) takes(s search.Sample) error {
	if err := s.Check(); err != nil {
		return fmt.Errorf("score: %w", err)
	}
	if !s.All() && e.opts.Samples.Block == 0 {
		return fmt.Errorf("score: a move on %v: the evaluator was made for all examples together", s)
	}
	return nil
}

// part returns the evaluator of a sample, with what it has computed already if it is
// one of the latest. Its base values are known where they were computed before.
func (e *Evaluator) part(s search.Sample) (*Evaluator, error) {
	if s.All() {
		return e, nil
	}
	if err := e.takes(s); err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(e.parts, func(p part) bool { return p.sample == s }); i >= 0 {
		p := e.parts[i]
		e.parts = append(slices.Delete(e.parts, i, i+1), p)
		return p.Evaluator, nil
	}
	e.trunk = nil // the whole's streams make room for those of samples
	if len(e.parts) == samplesKept {
		e.parts = slices.Delete(e.parts, 0, 1)
	}
	own := e.only(e.deal.of(s))
	own.sample = s
	own.opts.Memory = max(1, e.opts.memory()/samplesKept)
	own.cuts = own.opts.cuts(e.model.Model, tokensOf(own.questions))
	e.parts = append(e.parts, part{own, s})
	return own, nil
}

// only is an evaluator of some of the questions, in ascending order, on the same
// workbench, which counts cost as the whole does. It has yet to be told where to keep
// streams.
func (e *Evaluator) only(questions []int) *Evaluator {
	o := e.opts
	o.Screen = 0
	own := &Evaluator{model: e.model, opts: o, full: e.full, whole: e, of: questions}
	before := func(n int) int { // how many come before question n of the whole
		at, _ := slices.BinarySearch(questions, n)
		return at
	}
	own.targets = before(e.targets)
	own.controls = before(e.targets+e.controls) - own.targets
	own.opts.Sets = slices.Clone(o.Sets)
	first := 0
	for i, s := range o.Sets {
		own.opts.Sets[i].Probes = before(first+s.Probes) - before(first)
		first += s.Probes
	}
	for i, q := range questions {
		own.questions = append(own.questions, e.questions[q])
		own.all = append(own.all, i)
		if e.questions[q].aim.Kind == Keep {
			own.tokens += float64(e.questions[q].weight * float64(len(e.questions[q].Answers[0])))
		}
	}
	own.fitness = weighted{own.opts.Objective, own.weights(0, own.targets), own.weights(own.targets, own.controls)}
	return own
}

// known sets the base's values, if the whole knows its answers to all questions of the
// sample. What the base says of what is to be kept is known with them.
func (e *Evaluator) known() bool {
	values := make([]float64, len(e.questions))
	for i, q := range e.questions {
		if q.before == nil {
			return false
		}
		values[i] = q.value(q.before)
	}
	v := e.split(values)
	e.base = &v
	return true
}

// remember tells the whole what the base said.
func (e *Evaluator) remember() {
	for i, q := range e.of {
		e.whole.questions[q].before = e.questions[i].before
		e.whole.questions[q].Reference = e.questions[i].Reference
	}
}

// renewed reports whether a sample lies beyond the first epoch, so that what the base
// says of it is known.
func (d deal) renewed(s search.Sample) bool { return s.First >= d.blocks }

// scoreParts scores moves that are measured on several samples: those of each together.
func (e *Evaluator) scoreParts(ctx context.Context, cur *bankai.Patch, moves []search.Move) ([]search.Score, error) {
	scores := make([]search.Score, len(moves))
	done := make([]bool, len(moves))
	for i, first := range moves {
		if done[i] {
			continue
		}
		var at []int
		var group []search.Move
		for k, m := range moves[i:] {
			if m.Sample == first.Sample {
				at, group = append(at, i+k), append(group, m)
				done[i+k] = true
			}
		}
		p, err := e.part(first.Sample)
		if err != nil {
			return nil, err
		}
		some, err := p.scoreOn(ctx, cur, group)
		if err != nil {
			return nil, err
		}
		for k, i := range at {
			scores[i] = some[k]
			if !first.Sample.All() && len(moves[i].Flips) == 0 && cur.Len() > 0 && !e.deal.renewed(first.Sample) {
				scores[i].Cost *= 2 // the base's values too
			}
		}
	}
	return scores, nil
}

// worth is what every question of a sample adds to the fitness, which is their sum up to
// rounding; nil where it is no sum.
func (e *Evaluator) worth(values []float64) []float64 {
	if e.whole == nil || e.opts.Reduce != Mean {
		return nil
	}
	o, now := &e.fitness, e.split(values)
	out := make([]float64, 0, len(values))
	var shares float64
	sets := o.sets(e.targets)
	for _, s := range sets {
		shares += s.Weight
	}
	for _, s := range sets {
		at := len(out)
		total := sum(o.targets[at:][:s.Probes]) * shares / s.Weight
		for i := at; i < at+s.Probes; i++ {
			out = append(out, o.targets[i]*o.gainOf(e.base.Targets[i], now.Targets[i])/total)
		}
	}
	total := sum(o.controls)
	for i, c := range now.Controls {
		out = append(out, -o.Penalty*o.controls[i]*o.loss(e.base.Controls[i], c)/total)
	}
	for i := len(out); i < len(values); i++ {
		out = append(out, -o.Divergence*e.questions[i].weight*values[i]/e.tokens)
	}
	return out
}
