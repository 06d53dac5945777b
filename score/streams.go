package score

import (
	"context"
	"errors"

	"bankai"
	"bankai/engine"
	"bankai/search"
)

// prepare makes the trunk if there is none, and the base's values with it.
func (e *Evaluator) prepare(ctx context.Context) error {
	if e.trunk != nil {
		return nil
	}
	if err := e.refer(ctx); err != nil {
		return err
	}
	if e.whole != nil && e.known() {
		return nil
	}
	trunk, err := e.model.NewTrunk(ctx, asked(e.questions), e.cuts...)
	if err != nil {
		return err
	}
	e.trunk, e.at = trunk, bankai.New(e.model.Digest(), bankai.Meta{})
	for i, a := range trunk.Answers() {
		e.questions[i].before = a
	}
	v := e.split(e.answered())
	e.base, e.worst = &v, worstOf(v.Targets, e.opts.Screen)
	if e.whole != nil {
		e.remember()
	}
	return nil
}

// grow makes the trunk on the patch that is in place.
func (e *Evaluator) grow(ctx context.Context, cur *bankai.Patch) (err error) {
	e.trunk, err = e.model.NewTrunk(ctx, asked(e.questions), e.cuts...)
	e.at = cur
	return err
}

// answered is the value of every question under the trunk's patch.
func (e *Evaluator) answered() []float64 { return e.valued(e.trunk.Answers()) }

// valued is the value of every question, given its answers.
func (e *Evaluator) valued(answers [][]engine.Answer) []float64 {
	values := make([]float64, len(e.questions))
	for i, a := range answers {
		values[i] = e.questions[i].value(a)
	}
	return values
}

// weightings are the derivatives of weight·value of every question, given its answers.
func (e *Evaluator) weightings(answers [][]engine.Answer) []engine.Weighting {
	out := make([]engine.Weighting, len(e.questions))
	for i := range out {
		out[i] = e.questions[i].weighting(answers[i])
	}
	return out
}

// on runs f with the workbench patched by cur, and the trunk moved there. The
// workbench is as it was afterwards.
func (e *Evaluator) on(ctx context.Context, cur *bankai.Patch, f func() error) (err error) {
	if err := e.prepare(ctx); err != nil {
		return err
	}
	if err := e.model.Apply(cur); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.model.Apply(cur)) }()
	if e.trunk == nil {
		if err := e.grow(ctx, cur); err != nil {
			e.trunk = nil
			return err
		}
	}
	change, err := e.at.Xor(cur)
	if err != nil {
		return err
	}
	if change.Len() > 0 {
		if moved := (search.Move{Flips: change.Flips()}); moved.Digest() != e.tried || !e.trunk.Adopt() {
			if err := e.trunk.Move(ctx, e.below(change.Flips())); err != nil {
				e.trunk = nil
				return err
			}
		}
		e.at, e.tried = cur, bankai.Digest{}
	}
	return f()
}

// below is the highest cut below all flips.
func (e *Evaluator) below(flips []bankai.Flip) engine.Cut {
	lowest := e.model.CutBelow(flips[0].Tensor)
	for _, f := range flips[1:] {
		lowest = min(lowest, e.model.CutBelow(f.Tensor))
	}
	return lowest
}
