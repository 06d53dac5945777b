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
	// of every item is kept below each of them, and a move is scored from there.
	Tensors []string
	// Text is what the model should go on saying as it does, if Divergence is not
	// 0: lines of which all tokens but the first count, see [OfText]. What the
	// unpatched model says there is kept in memory, up to TextMemory: of a longer
	// text, the first lines, see [HeldLines].
	Text []string
	// Keep is more of that, as items of the kind Keep, all of which have to fit.
	Keep []Item
	// Memory bounds the kept streams in bytes, 0 meaning DefaultMemory. With
	// less than all of them need, twice over, some moves are scored from further
	// below. An evaluator that is divided, see [Evaluator.Divide], and makes some
	// predictions here all the same gives half of it to either.
	Memory int
	// Samples makes scores on samples possible.
	Samples Samples
}

const (
	DefaultMemory = 1 << 30   // the usual bound of kept residual streams, in bytes
	TextMemory    = 512 << 20 // the bound of what the unpatched model says of text and Keep, in bytes
)

// Evaluator measures patches on a workbench of its own, so that others may use
// the model meanwhile. During a call the current patch is in place there and moves are
// overlays on it; afterwards the workbench is as it was. Calls from several goroutines
// wait for one another.
//
// The residual streams of all items under the current patch are kept, so that a
// move costs only what lies above the lowest tensor it changes; the score has
// the same bits as one from the beginning. They are renewed, above the change,
// when the current patch changes.
type Evaluator struct {
	model     *engine.Workbench
	opts      Options
	given     [2][]Item // targets and controls
	fitness   weighted
	questions []question // targets, then controls, then what is kept: lines of the text, items
	targets   int        // how many of them are targets
	controls  int
	tokens    float64      // that are predicted in what is kept, by weight
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

	deal  deal
	parts []part // of the samples used last, the latest last

	whole  *Evaluator // of which this is the evaluator of a sample or a block, or nil
	of     []int      // and which of its questions
	sample search.Sample

	divided Measurer  // measures instead of this machine; nil: none
	halved  bool      // opts.Memory is half of what was given: the shares have the other
	cutUp   *division // the questions' blocks, once they were asked for
	sharing sync.Mutex
	share   *shares // nil until blocks are measured here
}

// NewEvaluator prepares items for measuring patches of m. There must be
// targets; without controls nothing holds the search back from breaking what
// worked, so callers do well to warn. It fails on an item that cannot be scored, by
// its name: one that is longer than the model's context, say.
//
// The cost of scores is counted in products of a weight and an activation. One
// forward-pass equivalent is what all answers of every target and control take from
// the beginning, each prompt once: both of a probe, also where its metric needs one.
func NewEvaluator(m *engine.Model, targets, controls []Item, o Options) (*Evaluator, error) {
	if len(targets) == 0 {
		return nil, errors.New("score: there are no target probes or other items")
	}
	if err := o.check(len(targets)); err != nil {
		return nil, fmt.Errorf("score: %w", err)
	}
	e := &Evaluator{model: m.Workbench(), opts: o, given: [2][]Item{targets, controls}, targets: len(targets), controls: len(controls)}
	e.spec = newSpec(m, targets, controls, o)
	for _, set := range [][]Item{targets, controls} {
		for _, i := range set {
			if err := e.add(i, false); err != nil {
				return nil, err
			}
		}
	}
	for _, q := range e.questions {
		e.full += m.Work(engine.Question{Prompt: q.Prompt, Answers: q.passes}, 0)
	}
	if err := e.addKept(); err != nil {
		return nil, err
	}
	e.fitness = weighted{o.Objective, e.weights(0, e.targets), e.weights(e.targets, e.controls)}
	tokens := 0
	for i, q := range e.questions {
		e.all = append(e.all, i)
		tokens += q.Tokens()
	}
	e.cuts = o.cuts(m, tokens)
	if o.Samples.Block > 0 {
		e.deal = newDeal(e, o.Samples)
	}
	return e, nil
}

// NewProbeEvaluator is NewEvaluator of probes under the objective's metric: see
// [OfProbes].
func NewProbeEvaluator(m *engine.Model, targets, controls probe.Set, o Options) (*Evaluator, error) {
	if err := o.Objective.Check(); err != nil {
		return nil, fmt.Errorf("score: %w", err)
	}
	t, c, err := OfProbes(m.Tokenizer(), targets, controls, o.Metric)
	if err != nil {
		return nil, err
	}
	return NewEvaluator(m, t, c, o)
}

// add takes in an item, which is to be kept or not.
func (e *Evaluator) add(i Item, keep bool) error {
	if err := i.check(e.model.Model); err != nil {
		return fmt.Errorf("score: %w", err)
	}
	if keep != (i.Aim.Kind == Keep) {
		return fmt.Errorf("score: %q: the aim %v: targets and controls have others than %v, and what is kept has that", i.Name, i.Aim, Keep)
	}
	e.questions = append(e.questions, newQuestion(i))
	return nil
}

// addKept takes in the text and the items to keep.
func (e *Evaluator) addKept() error {
	if e.opts.Divergence == 0 {
		return nil
	}
	m := e.model.Model
	lines := HeldLines(m, e.opts.Text)
	e.spec.Text, e.spec.Keep, e.spec.Likeliest = contentOfText(lines), contentOf(e.opts.Keep, nil), toldApart(m)
	kept := 0
	for _, i := range slices.Concat(OfText(m.Tokenizer(), lines), e.opts.Keep) {
		if err := e.add(i, true); err != nil {
			return err
		}
		kept += len(i.Answers[0])
		e.tokens += float64(i.weight() * float64(len(i.Answers[0])))
	}
	if most := KeptTokens(m); len(e.opts.Keep) > 0 && kept > most {
		return fmt.Errorf("score: %d tokens to keep, but what the model says of %d fills %d MiB, which is the limit: give fewer", kept, most, TextMemory>>20)
	}
	return nil
}

// weights are those of n questions.
func (e *Evaluator) weights(first, n int) (weights []float64) {
	for _, q := range e.questions[first : first+n] {
		weights = append(weights, q.weight)
	}
	return weights
}

// check reports options that have no meaning.
func (o Options) check(targets int) error {
	if err := cmp.Or(o.Objective.Check(), o.Objective.divides(targets)); err != nil {
		return err
	}
	switch {
	case o.Samples.Block < 0:
		return fmt.Errorf("blocks of %d targets: must be at least 1, or 0 for no samples", o.Samples.Block)
	case o.Screen < 0:
		return fmt.Errorf("screening on %d targets: must be 0 or more", o.Screen)
	case o.Divergence > 0 && len(o.Text)+len(o.Keep) == 0:
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
	if m := e.divided; m != nil {
		if err := e.prepareThere(ctx, m); err != nil {
			return search.Score{}, err
		}
	} else if err := e.prepare(ctx); err != nil {
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
	e.sharing.Lock()
	defer e.sharing.Unlock()
	if e.share != nil {
		e.share.release()
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

// scoreOn measures moves on the patch cur, here or elsewhere.
func (e *Evaluator) scoreOn(ctx context.Context, cur *bankai.Patch, moves []search.Move) (scores []search.Score, err error) {
	if m := e.elsewhere(); m != nil {
		if err := e.prepareThere(ctx, m); err != nil {
			return nil, err
		}
		g := e.newRows(moves)
		return e.score(moves, g, func(questions []int) error { return g.fillThere(ctx, m, cur, moves, questions) })
	}
	err = e.on(ctx, cur, func() error {
		g, err := e.newGrid(moves)
		if err != nil {
			return err
		}
		scores, err = e.score(moves, g, func(questions []int) error {
			if len(moves) == 1 && len(questions) == len(e.questions) {
				return e.try(ctx, moves[0], &g.rows[0])
			}
			g.want(questions)
			return g.fill(ctx)
		})
		return err
	})
	return scores, err
}

// score measures moves whose values fill puts into a grid, those of some questions at a
// time.
func (e *Evaluator) score(moves []search.Move, g *grid, fill func(questions []int) error) ([]search.Score, error) {
	if len(e.worst) > 0 {
		if err := fill(e.worst); err != nil {
			return nil, err
		}
		for i, m := range moves {
			gains := func(q int) bool { return g.rows[i].values[q] > e.base.Targets[q] }
			g.rows[i].screened = len(m.Flips) > 0 && !slices.ContainsFunc(e.worst, gains)
		}
	}
	if err := fill(e.all); err != nil {
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

// elsewhere is what measures instead of this machine, if anything.
func (e *Evaluator) elsewhere() Measurer {
	if e.whole != nil {
		return e.whole.divided
	}
	return e.divided
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
	return search.Score{
		Fitness:  e.fitness.fitness(*e.base, patched),
		Targets:  slices.Clone(patched.Targets),
		Controls: slices.Clone(patched.Controls),
		Cost:     cost,
	}
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
	kept := e.targets + e.controls
	v := Values{Targets: values[:e.targets:e.targets], Controls: values[e.targets:kept:kept]}
	for i, kl := range values[kept:] {
		v.KL += float64(e.questions[kept+i].weight * kl)
	}
	if e.tokens > 0 {
		v.KL /= e.tokens
	}
	return v
}
