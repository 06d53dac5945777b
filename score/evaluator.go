package score

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"bankai"
	"bankai/engine"
	"bankai/internal/weights"
	"bankai/probe"
	"bankai/search"
)

// DefaultScreen is the published number of targets that a candidate is screened on.
const DefaultScreen = 2

// Options says what patches are measured by.
type Options struct {
	Objective
	// Screen is the number of targets to score first, those with the worst
	// values on the unpatched model. If none of them gains over the unpatched
	// model, the rest is not scored: see Score.Screened. 0 means no screening.
	Screen int
	// Tensors are those that moves change, none meaning any: the residual stream
	// of every probe is kept below each of them, and a move is scored from there.
	Tensors []string
	// Text is what the model should go on saying as it does, if Divergence is not
	// 0: lines of which all tokens but the first count. What the unpatched model
	// says there is kept, 4 bytes for each entry of the vocabulary and token, up
	// to TextMemory: of a longer text, the first lines, see [HeldLines].
	Text []string
	// Memory bounds the kept streams in bytes, 0 meaning DefaultMemory. With
	// less than all of them need, twice over, some moves are scored from further
	// below.
	Memory int
	// Samples makes scores on samples possible.
	Samples Samples
}

const (
	DefaultMemory = 1 << 30   // the usual bound of kept residual streams, in bytes
	TextMemory    = 512 << 20 // the bound of what is kept of the text, in bytes
)

// Evaluator measures patches on a workbench of its own, so that others may use
// the model meanwhile. During a call the current patch is in place there and moves are
// overlays on it; afterwards the workbench is as it was. Calls from several goroutines
// wait for one another.
//
// The residual streams of all probes under the current patch are kept, so that a
// move costs only what lies above the lowest tensor it changes; the score has
// the same bits as one from the beginning. They are renewed, above the change,
// when the current patch changes.
type Evaluator struct {
	model     *engine.Workbench
	opts      Options
	questions []question // targets, then controls, then lines of the text
	targets   int        // how many of them are targets
	controls  int
	tokens    int          // that are predicted in the text
	all       []int        // 0, 1, … len(questions)-1
	cuts      []engine.Cut // where streams are kept
	full      float64      // products of a forward-pass equivalent
	spec      Spec

	mu    sync.Mutex
	trunk *engine.Trunk // nil if it has to be made anew
	at    *bankai.Patch // the trunk's patch
	tried bankai.Digest // of the move on it that the trunk tried last
	base  *Values       // of the unpatched model, once they were computed
	worst []int         // targets to screen on, worst first; set with base

	deal   deal
	parts  []part    // of the samples used last, the latest last
	values []float64 // of the unpatched model, of every question that a sample has asked; NaN for others

	whole *Evaluator // of which this is the evaluator of a sample, or nil
	of    []int      // and which of its questions
}

// NewEvaluator prepares probes for measuring patches of m. There must be
// targets; without controls nothing holds the search back from breaking what
// worked, so callers do well to warn. It fails on a probe that cannot be scored.
//
// The cost of scores is counted in products of a weight and an activation. One
// forward-pass equivalent is what seq_logprob takes from the beginning: both
// answers of every target and control, each prompt once.
func NewEvaluator(m *engine.Model, targets, controls probe.Set, o Options) (*Evaluator, error) {
	if len(targets) == 0 {
		return nil, errors.New("score: there are no target probes")
	}
	if err := o.check(len(targets)); err != nil {
		return nil, fmt.Errorf("score: %w", err)
	}
	e := &Evaluator{model: m.Workbench(), opts: o, targets: len(targets), controls: len(controls)}
	tokens := 0
	for i, p := range slices.Concat(targets, controls) {
		t, err := p.Tokens(m.Tokenizer())
		if err != nil {
			return nil, fmt.Errorf("score: %w", err)
		}
		metric := o.Metric
		if i >= len(targets) {
			metric = metric.Control()
		}
		e.questions = append(e.questions, question{metric: metric, Question: engine.Question{Prompt: t.Prompt, Answers: metric.Answers(t)}})
		e.full += m.Work(engine.Question{Prompt: t.Prompt, Answers: probe.SeqLogprob.Answers(t)}, 0)
	}
	lines := e.addText()
	for i, q := range e.questions {
		e.all = append(e.all, i)
		tokens += q.Tokens()
	}
	e.cuts = o.cuts(m, tokens)
	e.spec = newSpec(m, targets, controls, o)
	e.spec.Text = contentOfText(lines)
	if o.Samples.Block > 0 {
		e.deal = newDeal(e, o.Samples)
	}
	return e, nil
}

// check reports options that have no meaning.
func (o Options) check(targets int) error {
	if err := cmp.Or(o.Objective.Check(), o.Objective.divides(targets)); err != nil {
		return err
	}
	switch {
	case o.Screen < 0:
		return fmt.Errorf("screening on %d targets: must be 0 or more", o.Screen)
	case o.Divergence > 0 && len(o.Text) == 0:
		return errors.New("a divergence needs a text to be measured on")
	case o.Memory < 0:
		return fmt.Errorf("memory of %d bytes: must be above 0, or 0 for the default", o.Memory)
	}
	return nil
}

// cuts are where the streams of a number of tokens are kept: below every tensor, or
// below every one of equal parts of them if that is too much.
func (o Options) cuts(m *engine.Model, tokens int) []engine.Cut {
	tensors := o.Tensors
	if len(tensors) == 0 {
		for _, t := range m.Weights().Tensors() {
			tensors = append(tensors, t.Name)
		}
	}
	var cuts []engine.Cut
	for _, name := range tensors {
		if c := m.CutBelow(name); c > 0 {
			cuts = append(cuts, c)
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	memory := o.memory() / 2 // for a move that is tried, as much again
	stream := 4 * int64(tokens) * int64(m.Config().Hidden)
	n := int(min(int64(len(cuts)), int64(memory)/stream))
	kept := make([]engine.Cut, n)
	for i := range kept {
		kept[i] = cuts[i*len(cuts)/n]
	}
	return kept
}

// memory is the bound of kept streams.
func (o Options) memory() int { return cmp.Or(o.Memory, DefaultMemory) }

// matrix is a projection of the model that can be searched.
func (e *Evaluator) matrix(name string) (search.Matrix, bool) {
	t, ok := e.model.Weights().Tensor(name)
	_, _, projection := weights.ProjectionOf(name)
	if !ok || !projection || t.Kind != weights.OneBit {
		return search.Matrix{}, false
	}
	return MatrixOf(t), true
}

// Spec says what is measured, for an evaluator elsewhere.
func (e *Evaluator) Spec() Spec { return e.spec }

// Facts implements [search.Describer].
func (e *Evaluator) Facts() []search.Fact { return e.spec.Facts() }

// Baseline returns the score of the unpatched model, whose fitness is 0. It is
// computed once.
func (e *Evaluator) Baseline(ctx context.Context) (search.Score, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.prepare(ctx); err != nil {
		return search.Score{}, err
	}
	return e.scoreOf(*e.base, e.cost(e.all, 0)), nil
}

// Release frees what is kept between calls, and restores the workbench. Another call
// makes it anew.
func (e *Evaluator) Release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.model.Restore()
	e.trunk, e.at, e.tried, e.parts = nil, nil, bankai.Digest{}, nil
	for i := range e.questions {
		e.questions[i].Reference = nil
	}
}

// worstOf returns the indices of the n smallest values, the smallest first; of
// equal ones, the earlier.
func worstOf(values []float64, n int) []int {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	return order[:min(n, len(order))]
}

// Score implements Evaluator. All moves of a call share the engine's batches:
// first those of the screening, then those of what is left to score.
func (e *Evaluator) Score(ctx context.Context, cur *bankai.Patch, moves []search.Move) (scores []search.Score, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.scoreParts(ctx, cur, moves)
}

// score measures moves on the current patch, which is in place.
func (e *Evaluator) score(ctx context.Context, moves []search.Move) ([]search.Score, error) {
	g, err := e.newGrid(moves)
	if err != nil {
		return nil, err
	}
	if len(e.worst) > 0 {
		g.want(e.worst)
		if err := g.fill(ctx); err != nil {
			return nil, err
		}
		for i, m := range moves {
			gains := func(q int) bool { return g.rows[i].values[q] > e.base.Targets[q] }
			g.rows[i].screened = len(m.Flips) > 0 && !slices.ContainsFunc(e.worst, gains)
		}
	}
	if len(moves) == 1 {
		err = e.try(ctx, moves[0], &g.rows[0])
	} else {
		g.want(e.all)
		err = g.fill(ctx)
	}
	if err != nil {
		return nil, err
	}
	scores := make([]search.Score, len(moves))
	for i, row := range g.rows {
		screening, full := e.cost(e.worst, row.above), e.cost(e.all, row.above)
		switch {
		case row.screened:
			scores[i] = search.Score{Screened: true, Fitness: math.Inf(-1), Cost: screening}
		case len(moves[i].Flips) == 0:
			scores[i] = e.scoreOf(e.split(row.values), full)
			scores[i].Worth = e.worth(row.values)
		default:
			scores[i] = e.scoreOf(e.split(row.values), screening+full)
			scores[i].Worth = e.worth(row.values)
		}
	}
	return scores, nil
}

// try scores a move on all questions and keeps the streams that it leads to, in
// case it is kept.
func (e *Evaluator) try(ctx context.Context, m search.Move, row *gridRow) error {
	if len(m.Flips) == 0 || row.screened {
		return nil
	}
	e.tried = bankai.Digest{}
	answers, err := e.trunk.Try(ctx, row.overlay, row.above)
	if err != nil {
		return err
	}
	for q, a := range answers {
		row.values[q] = e.questions[q].value(a)
	}
	e.tried = m.Digest()
	return nil
}

// scoreOf is the score of a patch, all of whose values are known.
func (e *Evaluator) scoreOf(patched Values, cost float64) search.Score {
	s := search.Score{
		Fitness:  e.opts.Fitness(*e.base, patched),
		Targets:  slices.Clone(patched.Targets),
		Controls: slices.Clone(patched.Controls),
		Cost:     cost,
	}
	return s
}

// cost is the work of scoring some questions from a cut, in forward-pass
// equivalents. The cut is the one below what a move changes, also where memory was
// too small to keep streams there and the work began further below: a cost is part
// of a score, which is the same on every machine.
func (e *Evaluator) cost(questions []int, from engine.Cut) float64 {
	var work float64
	for _, q := range questions {
		work += e.model.Work(e.questions[q].Question, from)
	}
	return work / e.full
}

// split takes the values of all questions apart.
func (e *Evaluator) split(values []float64) Values {
	text := e.targets + e.controls
	v := Values{Targets: values[:e.targets:e.targets], Controls: values[e.targets:text:text]}
	for _, kl := range values[text:] {
		v.KL += kl
	}
	v.KL /= float64(max(1, e.tokens))
	return v
}
