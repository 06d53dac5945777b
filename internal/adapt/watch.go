package adapt

import (
	"context"

	"bankai"
	"bankai/engine"
	"bankai/internal/asking"
	"bankai/measure"
	"bankai/search"
)

const (
	// watchedExamples bounds what a search watches: as many as can end it.
	watchedExamples = search.StopAnswers
	// watchedTokens is the length of an answer up to which it is generated to watch it.
	watchedTokens = 32
)

// watcher looks at the validation examples while a search goes on.
type watcher struct {
	model  *engine.Model
	free   []measure.Asked // answers to generate
	most   int             // tokens of one
	ranked []measure.Scored
	likely []measure.Scored // where nothing else tells right from wrong
	base   measure.LogProbs // of likely
}

// Watch looks at what is right of the validation examples: the answers if they are short
// and judged by rule, which of several is the likeliest, or else which wanted answers are
// likelier than without a patch.
func (t *Task) Watch() *search.Validation {
	w := t.watcher()
	if w == nil {
		return nil
	}
	return &search.Validation{Of: t.validation.Digest().String(), Answers: w.right}
}

func (t *Task) watcher() *watcher {
	q := t.validation
	w := &watcher{model: t.Model}
	w.ranked = append(few(q.Preferred), few(q.Labelled)...)
	if free := few(q.Free); !t.Ask.Other && areShort(free) {
		w.free, w.most = free, measure.Room(free)
	}
	if len(w.free)+len(w.ranked) == 0 {
		w.likely = few(q.Likely)
	}
	if len(w.free)+len(w.ranked)+len(w.likely) == 0 {
		return nil
	}
	return w
}

// few are the first of a list, which is in no order that matters.
func few[T any](list []T) []T {
	return list[:min(len(list), watchedExamples):min(len(list), watchedExamples)]
}

func areShort(asked []measure.Asked) bool {
	for _, q := range asked {
		if q.WantedTokens > watchedTokens {
			return false
		}
	}
	return true
}

// right says which are right under a patch.
func (w *watcher) right(ctx context.Context, p *bankai.Patch) (right []bool, err error) {
	overlay, err := w.model.Overlay(p)
	if err != nil {
		return nil, err
	}
	err = measure.Answers(ctx, w.model, overlay, w.free, w.most, func(part []measure.Given) error {
		for _, g := range part {
			q := w.free[len(right)]
			right = append(right, q.Rule.Judge(q.Wanted, q.Answer(g)).Right)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	ranks, err := measure.LogProbsOf(ctx, w.model, overlay, w.ranked, nil)
	if err != nil {
		return nil, err
	}
	for _, p := range ranks {
		right = append(right, isFirst(p))
	}
	likely, err := w.likelier(ctx, overlay)
	return append(right, likely...), err
}

// isFirst reports whether the first of several answers is the likeliest.
func isFirst(logprobs []float64) bool {
	for _, p := range logprobs[1:] {
		if p >= logprobs[0] {
			return false
		}
	}
	return true
}

// likelier says which wanted answers are likelier than without a patch.
func (w *watcher) likelier(ctx context.Context, o *engine.Overlay) (right []bool, err error) {
	if w.base == nil {
		if w.base, err = measure.LogProbsOf(ctx, w.model, nil, w.likely, nil); err != nil {
			return nil, err
		}
	}
	now, err := measure.LogProbsOf(ctx, w.model, o, w.likely, nil)
	if err != nil {
		return nil, err
	}
	for i := range now {
		right = append(right, now[i][0] > w.base[i][0])
	}
	return right, nil
}

// watched are the questions that the search watched, to be measured at the end.
func (w *watcher) questions(of *asking.Questions) asking.Questions {
	return asking.Questions{Free: w.free, Preferred: few(of.Preferred), Labelled: few(of.Labelled), Labels: of.Labels, Likely: few(of.Likely)}
}
