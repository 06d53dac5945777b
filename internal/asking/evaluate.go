package asking

import (
	"context"
	"fmt"
	"slices"

	"bankai/engine"
	"bankai/internal/progress"
	"bankai/judge"
	"bankai/judge/external"
	"bankai/measure"
)

// Evaluation measures a patch on questions.
type Evaluation struct {
	Model   *engine.Model
	Overlay *engine.Overlay // nil: only the model as it is
	Questions
	Answers   *Answers
	MaxTokens int
	Judge     *external.Judge // nil: the questions' rules
	Watch     progress.Watcher
}

// Run answers, judges and scores. If only the judge failed, the error is a [JudgeError],
// and all answers are there.
func (e *Evaluation) Run(ctx context.Context) (*measure.DataResult, error) {
	r := &measure.DataResult{MaxTokens: e.MaxTokens, Undecided: e.Undecided}
	if len(e.Free) > 0 {
		before, err := e.answer(ctx, nil)
		if err != nil {
			return nil, err
		}
		after := before
		if e.Overlay != nil {
			if after, err = e.answer(ctx, e.Overlay); err != nil {
				return nil, err
			}
		}
		if err := e.judge(ctx, r, before, after); err != nil {
			return nil, err
		}
	}
	return r, e.score(ctx, r)
}

// answer generates the answers that are not known yet.
func (e *Evaluation) answer(ctx context.Context, o *engine.Overlay) ([]measure.Given, error) {
	patch, who := "", "base"
	if o != nil {
		patch, who = o.Digest().String(), "patched"
	}
	left := e.Answers.lacking(patch, e.Free)
	if len(left) == 0 {
		return e.Answers.list(patch, e.Free), nil
	}
	meter := e.Watch.Meter("answers, "+who, int64(len(left)))
	defer meter.Stop()
	done := 0
	err := measure.Answers(ctx, e.Model, o, left, e.MaxTokens, func(part []measure.Given) error {
		err := e.Answers.add(patch, left[done:], part)
		done += len(part)
		meter.Set(int64(done), fmt.Sprintf("%d of %d answers", done, len(left)))
		return err
	})
	return e.Answers.list(patch, e.Free), err
}

// JudgeError is the failure of an external judge. The answers are whole.
type JudgeError struct{ Err error }

func (e *JudgeError) Error() string { return e.Err.Error() }

// Unwrap returns the reason.
func (e *JudgeError) Unwrap() error { return e.Err }

// judge decides which answers are right. Equal answers of base and patched model are
// judged once.
func (e *Evaluation) judge(ctx context.Context, r *measure.DataResult, before, after []measure.Given) error {
	was, is := measure.Judged{Given: before}, measure.Judged{Given: after}
	for i, q := range e.Free {
		for _, g := range []measure.Given{before[i], after[i]} {
			if g.Cut {
				r.Cut++
			}
		}
		if e.Judge == nil {
			was.Verdicts = append(was.Verdicts, q.Rule.Judge(q.Wanted, q.Answer(before[i])))
			is.Verdicts = append(is.Verdicts, q.Rule.Judge(q.Wanted, q.Answer(after[i])))
		}
	}
	if e.Overlay == nil {
		r.Cut /= 2 // the same answers
	}
	if e.Judge != nil {
		var err error
		if was.Verdicts, is.Verdicts, err = e.ask(ctx, before, after); err != nil {
			return &JudgeError{err}
		}
	}
	r.Answers = measure.CompareJudged(e.Free, was, is)
	return nil
}

// ask asks the external judge: first about the answers of the base, then about those that
// the patch changed.
func (e *Evaluation) ask(ctx context.Context, before, after []measure.Given) (was, is []judge.Verdict, err error) {
	var questions []external.Question
	var changed []int
	for i, q := range e.Free {
		questions = append(questions, question(q, before[i]))
	}
	for i, q := range e.Free {
		if before[i] != after[i] {
			changed = append(changed, i)
			questions = append(questions, question(q, after[i]))
		}
	}
	meter := e.Watch.Meter("judge", int64(len(questions)))
	defer meter.Stop()
	verdicts, err := e.Judge.Ask(ctx, questions, func(done int) {
		meter.Set(int64(done), fmt.Sprintf("%d of %d verdicts", done, len(questions)))
	})
	if err != nil {
		return nil, nil, err
	}
	was = verdicts[:len(before)]
	is = slices.Clone(was)
	for n, i := range changed {
		is[i] = verdicts[len(before)+n]
	}
	return was, is, nil
}

func question(q measure.Asked, g measure.Given) external.Question {
	return external.Question{
		Name: q.Name, Prompt: q.Shown,
		Wanted: measure.WantedText(q.Wanted), Answer: measure.AnswerText(q.Answer(g)),
	}
}

// score measures likelihoods.
func (e *Evaluation) score(ctx context.Context, r *measure.DataResult) error {
	all := slices.Concat(e.Preferred, e.Labelled, e.Likely)
	if len(all) == 0 {
		return nil
	}
	before, err := e.scored(ctx, nil, "base", all)
	if err != nil {
		return err
	}
	after := before
	if e.Overlay != nil {
		if after, err = e.scored(ctx, e.Overlay, "patched", all); err != nil {
			return err
		}
	}
	p, l := len(e.Preferred), len(e.Preferred)+len(e.Labelled)
	if p > 0 {
		r.Preferences = measure.ComparePreferences(e.Preferred, before[:p], after[:p])
	}
	if l > p {
		r.Labels, r.Confusion = measure.CompareLabels(e.Labels, e.Labelled, before[p:l], after[p:l])
	}
	if len(all) > l {
		r.Likelihood = measure.CompareLikelihood(e.Likely, before[l:], after[l:])
	}
	return nil
}

func (e *Evaluation) scored(ctx context.Context, o *engine.Overlay, who string, qs []measure.Scored) (measure.LogProbs, error) {
	meter := e.Watch.Meter("log-probabilities, "+who, int64(len(qs)))
	defer meter.Stop()
	return measure.LogProbsOf(ctx, e.Model, o, qs, func(done int) { meter.Set(int64(done), fmt.Sprintf("%d of %d examples", done, len(qs))) })
}
