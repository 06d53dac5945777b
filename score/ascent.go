package score

import (
	"context"
	"errors"
	"slices"

	"bankai/engine"
	"bankai/search"
)

// Workbench is the one that patches are measured on. What is done there between calls
// counts in Measure and Ascend.
func (e *Evaluator) Workbench() *engine.Workbench { return e.model }

// Measure scores the workbench as it is, whatever was done in it: under an adapter,
// say. The unpatched model that it is compared with is the one that the
// evaluator met first, so call Baseline before changing anything.
func (e *Evaluator) Measure(ctx context.Context) (search.Score, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.prepare(ctx); err != nil {
		return search.Score{}, err
	}
	answers, err := e.model.Score(ctx, asked(e.questions))
	if err != nil {
		return search.Score{}, err
	}
	return e.scoreOf(e.split(e.valued(answers)), e.cost(e.all, 0)), nil
}

// Ascend scores the model as it is, as Measure does, and derives the fitness: visit sees the derivatives of all
// questions, layer by layer from the top, with the derivative of the fitness by
// the value of each row's question as its weight. So the sum over the rows of
// weight times ∂F is that of the fitness. It costs a forward and a backward pass; with
// preferences or labels, whose derivatives depend on how all their answers come out,
// another forward pass before.
//
// The fitness must be a mean: the derivative by one question is then known once
// that question is answered. Floors of sets do not count in it.
func (e *Evaluator) Ascend(ctx context.Context, visit func(s *engine.LayerGradient, weight []float32) error) (search.Score, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.opts.Reduce != Mean {
		return search.Score{}, errors.New("score: only a mean fitness can be climbed by its gradient: choose fitness mean")
	}
	if err := e.prepare(ctx); err != nil {
		return search.Score{}, err
	}
	cost := float64(predictionCost * e.cost(e.all, 0))
	before := make([][]engine.Answer, len(e.questions))
	if slices.ContainsFunc(e.questions, func(q question) bool { return q.curved() }) {
		var err error
		if before, err = e.model.Score(ctx, asked(e.questions)); err != nil {
			return search.Score{}, err
		}
		cost += e.cost(e.all, 0)
	}
	qs := make([]engine.WeightedQuestion, len(e.questions))
	for i, w := range e.weightings(before) {
		qs[i] = engine.WeightedQuestion{Question: e.questions[i].Question, Weighting: w}
	}
	values := make([]float64, len(qs)) // of those not answered yet, of no matter
	var weight []float32
	answers, err := e.model.Gradient(ctx, qs, func(s *engine.LayerGradient) error {
		for _, q := range slices.Compact(slices.Clone(s.Questions)) {
			values[q] = e.questions[q].value(s.Answers(q))
		}
		gradient := e.gradient(values)
		weight = weight[:0]
		for _, q := range s.Questions {
			weight = append(weight, float32(gradient[q]))
		}
		return visit(s, weight)
	})
	if err != nil {
		return search.Score{}, err
	}
	return e.scoreOf(e.split(e.valued(answers)), cost), nil
}
