package adapt

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bankai/engine"
	"bankai/internal/asking"
	"bankai/internal/text"
	"bankai/measure"
	"bankai/score"
)

const (
	auditExamples = 64  // that the model is asked before the search
	firstTokens   = 512 // of the block by which its speed is measured
	roundPasses   = 11  // of a round of a guided search by one granularity, about
	fewRounds     = 3   // below, what a search costs may be far from its limit
)

// Forecast is what a search would take.
type Forecast struct {
	Tokens  int     `json:"pass_tokens"`    // of a pass over targets and guard
	Seconds float64 `json:"pass_seconds"`   // that it takes here
	Passes  float64 `json:"passes"`         // that the time allows; 0 without a limit of time
	Least   float64 `json:"seconds_needed"` // of one round, about
	Round   float64 `json:"round_cost"`     // of one round, about, in forward-pass equivalents
}

// Forecast says what a pass takes here, and how many the time allows.
func (t *Task) Forecast(ctx context.Context, s *score.Setup) error {
	f, err := t.forecast(ctx, s)
	if err != nil {
		return err
	}
	t.Foreseen = f
	guard := ""
	if len(s.Plan.Keep) > 0 {
		guard = " and the guard"
	}
	t.To.Note("a pass over the %s%s, %s, takes about %s here%s", text.Count(len(s.Targets), "example"), guard, text.Count(f.Tokens, "token"), text.Elapsed(f.Seconds), f.allows())
	if limit := s.Plan.Limits.MaxSeconds; limit > 0 && f.Least > limit {
		t.To.Warn("that is too little for one round, of about %s: give --minutes %.0f or more, or fewer examples", text.Elapsed(f.Least), f.Least/60+1)
	}
	if limit := s.Plan.Limits.MaxCost; limit > 0 && limit < fewRounds*f.Round {
		t.To.Warn("--max-cost %g is little: a round takes about %.0f forward-pass equivalents, the guard included, and one that began is not cut short; %.0f would be a beginning",
			limit, f.Round, fewRounds*f.Round)
	}
	return nil
}

func (f *Forecast) allows() string {
	if f.Passes == 0 {
		return ""
	}
	return fmt.Sprintf(": the time allows %s", text.Measure(f.Passes, "pass"))
}

// Audit says how the model as it is fares with some of the examples.
func (t *Task) Audit(ctx context.Context) error {
	q := t.validation
	if len(t.Parts.Validation) == 0 {
		q = t.search
	}
	first := func(list []measure.Scored) []measure.Scored { return list[:min(len(list), auditExamples)] }
	some := asking.Questions{Preferred: first(q.Preferred), Labelled: first(q.Labelled), Likely: first(q.Likely), Labels: q.Labels}
	if free := q.Free[:min(len(q.Free), auditExamples)]; !t.Ask.Other && areShort(free) {
		some.Free = free
	}
	r, err := t.evaluated(ctx, nil, some)
	if err != nil {
		return err
	}
	for _, p := range r.Parts() {
		t.To.Note("as it is, the model has %d of %s right", p.Before, text.Plural(p.Total, p.Noun, p.Noun+"s"))
	}
	if l := r.Likelihood; l != nil {
		t.To.Note("as it is, wanted answers have %.3f nats a token, of %s", l.PerToken.Before, text.Count(l.Examples, "example"))
	}
	return nil
}

// evaluated measures questions by their rules, without what a run keeps of the answers.
func (t *Task) evaluated(ctx context.Context, o *engine.Overlay, q asking.Questions) (*measure.DataResult, error) {
	e := &asking.Evaluation{Model: t.Model, Overlay: o, Questions: q, MaxTokens: measure.Room(q.Free), Watch: t.To}
	e.Answers = asking.NewAnswers(t.Model, q.Free, e.MaxTokens) // in memory alone
	return e.Run(ctx)
}

// forecast measures the first block of the targets.
func (t *Task) forecast(ctx context.Context, s *score.Setup) (*Forecast, error) {
	var block []engine.Question
	tokens := 0
	for _, i := range s.Targets {
		if tokens >= firstTokens {
			break
		}
		q := engine.Question{Prompt: i.Prompt, Answers: i.Answers}
		tokens += q.Tokens()
		block = append(block, q)
	}
	began := time.Now()
	if _, err := t.Model.Score(ctx, block); err != nil {
		return nil, err
	}
	f := &Forecast{Tokens: tokensOf(slices.Concat(s.Targets, s.Controls, s.Plan.Keep))}
	f.Seconds = time.Since(began).Seconds() * float64(f.Tokens) / float64(max(1, tokens))
	f.Passes = s.Plan.Limits.MaxSeconds / f.Seconds
	f.Least = roundPasses * f.Seconds
	// An equivalent is a pass over the targets and controls: the guard counts on top.
	f.Round = roundPasses * float64(f.Tokens) / float64(max(1, tokensOf(slices.Concat(s.Targets, s.Controls))))
	if s.Plan.Method == score.MethodSampled { // a round goes by two blocks
		part := min(1, 2*float64(s.Plan.Block)/float64(len(s.Targets)))
		f.Least *= part
		f.Round *= part
	}
	return f, nil
}
