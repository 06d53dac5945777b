package main

import (
	"context"
	"fmt"

	"bankai/engine"
	"bankai/evaluate"
	"bankai/internal/source"
	"bankai/probe"
)

// probeMeter shows work on the probes of a set, of which every one counts by the
// tokens that the model has to go through for it.
func (a *app) probeMeter(what string, e probe.Encoder, set probe.Set) (*meter, func(done int)) {
	upTo := make([]int64, len(set)+1) // work of the first so many probes
	for i, p := range set {
		upTo[i+1] = upTo[i] + probeWork(e, p)
	}
	m := a.meter(what, upTo[len(set)])
	return m, func(done int) { m.set(upTo[done], fmt.Sprintf("%d of %d probes", done, len(set))) }
}

// probeWork is about what answering and scoring a probe takes, in tokens of a prompt:
// the prompt is read twice, and what is generated token by token takes longer.
func probeWork(e probe.Encoder, p probe.Probe) int64 {
	n := func(text string) int64 { return int64(len(e.Encode(text))) }
	return 2*n(p.Prompt) + 3*n(p.Correct) + n(p.Wrong)
}

// gradual is a model that shows how far the scoring of questions is. It scores a
// pass's worth of them at a time, which changes no result.
type gradual struct {
	*engine.Model
	app  *app
	what string
}

var _ evaluate.Model = gradual{}

// passTokens is about how many tokens a pass takes.
const passTokens = 512

// Score is engine.Model.Score.
func (g gradual) Score(ctx context.Context, qs []engine.Question) ([][]engine.Answer, error) {
	total, done := 0, 0
	for _, q := range qs {
		total += q.Tokens()
	}
	progress := g.app.meter(g.what, int64(total))
	defer progress.stop()
	var all [][]engine.Answer
	for len(qs) > 0 {
		n, tokens := 0, 0
		for n < len(qs) && (n == 0 || tokens+qs[n].Tokens() <= passTokens) {
			tokens += qs[n].Tokens()
			n++
		}
		answers, err := g.Model.Score(ctx, qs[:n])
		if err != nil {
			return nil, err
		}
		all, qs = append(all, answers...), qs[n:]
		done += tokens
		progress.set(int64(done), "")
	}
	return all, nil
}

// named are sets under the names that they were given by.
func named(sets ...source.Set) []evaluate.Named {
	list := make([]evaluate.Named, len(sets))
	for i, s := range sets {
		list[i] = evaluate.Named{Name: s.Source, Set: s.Set}
	}
	return list
}

// fit refuses probes that are too long for a model, by name, before any work is done
// on the others.
func fit(m *engine.Model, sets ...evaluate.Named) error {
	for _, s := range sets {
		if err := evaluate.CheckLength(s.Set, m.Tokenizer(), m.Context()); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return nil
}
