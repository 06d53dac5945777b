package engine

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"bankai"
)

// Elsewhere computes for a model where there may be more than this machine: see
// [Model.Through]. Its answers have the bits of the model's own. Several goroutines may
// call it at once.
type Elsewhere interface {
	// Score is that of the model m, of questions without a Reference.
	Score(ctx context.Context, m *Model, qs []Question) ([][]Answer, error)
	// Generate is that of the model m, of requests that can be sent: they have no
	// functions, keep nothing and tell no log-probabilities. emit, which may be nil, is
	// called by one goroutine at a time, for the tokens of a request in order, but may be
	// told many at once. After an error the results hold what there is.
	Generate(ctx context.Context, m *Model, reqs []Request, emit func(i int, id int32)) ([]Result, error)
	// Width is about how many times as much is worth asking at once as of one machine; at
	// least 1.
	Width() int
}

// Through is the same model, whose Score and Generate may be computed elsewhere, with the
// same results. e is given the model itself, for what it does here. Here remain all
// that has a Request's function or cache, log-probabilities of a generation, a Reference,
// ScoreTokens, gradients, batches and loops, and all that a [Workbench] does, of whose
// Model this is the Model itself. Overlays of either model are those of both. A nil e is
// the model itself.
//
// The models share their file: one of them is to be closed.
func (m *Model) Through(e Elsewhere) *Model {
	from := m.here()
	if e == nil || from.loaded != nil {
		return from
	}
	through := &Model{
		file: from.file, config: from.config, tok: from.tok, kernel: from.kernel,
		exact: from.exact, workers: from.workers, rope: from.rope, queryScale: from.queryScale,
		matrices: from.matrices, elsewhere: e, inner: from,
	}
	if err := through.wire(); err != nil {
		panic(err) // it found the same tensors when the model was loaded
	}
	return through
}

// here is the model without an Elsewhere.
func (m *Model) here() *Model {
	if m.inner != nil {
		return m.inner
	}
	return m
}

// Width is about how many times as many questions and requests are worth asking at once
// as of a model on one machine; 1 there.
func (m *Model) Width() int {
	if m.elsewhere == nil {
		return 1
	}
	return max(1, m.elsewhere.Width())
}

// Patch is what the overlay was made of; nil if that is no patch.
func (o *Overlay) Patch() *bankai.Patch {
	if o == nil {
		return nil
	}
	return o.patch
}

// scoreThrough scores questions elsewhere, those aside that must stay here. If one cannot
// be scored all do, for its error.
func (m *Model) scoreThrough(ctx context.Context, qs []Question) ([][]Answer, error) {
	if slices.ContainsFunc(qs, func(q Question) bool { return m.checkQuestion(q) != nil }) {
		return m.inner.Score(ctx, qs)
	}
	out := make([][]Answer, len(qs))
	sent, kept := parted(qs, func(q Question) bool { return q.Reference == nil })
	for _, part := range []struct {
		of    []int
		score func(qs []Question) ([][]Answer, error)
	}{
		{sent, func(qs []Question) ([][]Answer, error) { return m.elsewhere.Score(ctx, m.inner, qs) }},
		{kept, func(qs []Question) ([][]Answer, error) { return m.inner.Score(ctx, qs) }},
	} {
		if len(part.of) == 0 {
			continue
		}
		answers, err := part.score(picked(qs, part.of))
		if err != nil {
			return nil, err
		}
		for k, i := range part.of {
			out[i] = answers[k]
		}
	}
	return out, nil
}

// checkQuestion reports why a question cannot be scored, if it cannot.
func (m *Model) checkQuestion(q Question) error {
	if err := cmp.Or(q.check(m.config.Vocab), m.checkOverlay(q.Overlay), m.checkTokens(q.Prompt, 0)); err != nil {
		return err
	}
	for _, a := range q.Answers {
		if err := m.checkTokens(a[:len(a)-1], len(q.Prompt)); err != nil {
			return err
		}
	}
	return nil
}

// sendable says whether a request can be generated elsewhere.
func (q Request) sendable() bool {
	return q.Stop == nil && q.Emit == nil && q.Cache == nil && q.Max > 0 &&
		!q.LogProbs && q.TopLogProbs == 0 && !q.PromptLogProbs
}

// generateThrough generates elsewhere, those requests aside that must stay here, as well
// as those that are refused.
func (m *Model) generateThrough(ctx context.Context, reqs []Request, emit func(i int, id int32)) ([]Result, error) {
	out := make([]Result, len(reqs))
	sent, kept := parted(reqs, func(q Request) bool { return q.sendable() && m.checkRequest(q) == nil })
	for _, part := range []struct {
		of       []int
		generate func(reqs []Request, emit func(i int, id int32)) ([]Result, error)
	}{
		{kept, func(reqs []Request, emit func(int, int32)) ([]Result, error) {
			return m.inner.Generate(ctx, reqs, emit)
		}},
		{sent, func(reqs []Request, emit func(int, int32)) ([]Result, error) {
			return m.elsewhere.Generate(ctx, m.inner, reqs, emit)
		}},
	} {
		if len(part.of) == 0 {
			continue
		}
		var told func(k int, id int32)
		if emit != nil {
			told = func(k int, id int32) { emit(part.of[k], id) }
		}
		results, err := part.generate(picked(reqs, part.of), told)
		for k, r := range results {
			r.Err = renumbered(r.Err, part.of)
			out[part.of[k]] = r
		}
		if refused := (*RequestError)(nil); err != nil && !errors.As(err, &refused) {
			return out, err
		}
	}
	for _, r := range out {
		if r.Err != nil {
			return out, r.Err
		}
	}
	return out, nil
}

// renumbered is the error of a request of some, with its number among all.
func renumbered(err error, of []int) error {
	if e := (*RequestError)(nil); errors.As(err, &e) && e.Request < len(of) {
		return &RequestError{of[e.Request], e.Err}
	}
	return err
}

// parted are the indices of those that may be sent, and of those that may not.
func parted[T any](all []T, send func(T) bool) (sent, kept []int) {
	for i, one := range all {
		if send(one) {
			sent = append(sent, i)
		} else {
			kept = append(kept, i)
		}
	}
	return sent, kept
}

// picked are some of all.
func picked[T any](all []T, of []int) []T {
	if len(of) == len(all) {
		return slices.Clip(all)
	}
	some := make([]T, len(of))
	for k, i := range of {
		some[k] = all[i]
	}
	return some
}
