package watched

import (
	"context"
	"fmt"

	"bankai/engine"
	"bankai/internal/parts"
	"bankai/internal/progress"
	"bankai/internal/text"
	"bankai/measure"
	"bankai/probe"
)

// probes shows work on the probes of a set, of which every one counts by the
// tokens that the model has to go through for it. told tells how many are done; the meter
// has to be stopped.
func probes(w progress.Watcher, what string, e probe.Encoder, set probe.Set) (m progress.Meter, told func(done int)) {
	upTo := make([]int64, len(set)+1) // work of the first i probes
	for i, p := range set {
		upTo[i+1] = upTo[i] + probeWork(e, p)
	}
	m = w.Meter(what, upTo[len(set)])
	return m, func(done int) {
		m.Set(upTo[done], fmt.Sprintf("%s of %s probes", text.Thousands(int64(done)), text.Thousands(int64(len(set)))))
	}
}

// probeWork is about what answering and scoring a probe takes, in tokens of a prompt:
// the prompt is read twice, and what is generated token by token takes longer.
func probeWork(e probe.Encoder, p probe.Probe) int64 {
	n := func(text string) int64 { return int64(len(e.Encode(text))) }
	return 2*n(p.Prompt) + 3*n(p.Correct) + n(p.Wrong)
}

// gradual is a model that shows how far the scoring of questions is. It scores a
// pass's worth of them at a time on each machine, which changes no result.
type gradual struct {
	*engine.Model
	to   progress.Watcher
	what string // is done, in words
}

var _ measure.Model = gradual{}

// passTokens is about how many tokens a pass takes.
const passTokens = 512

// Score is engine.Model.Score.
func (g gradual) Score(ctx context.Context, qs []engine.Question) ([][]engine.Answer, error) {
	upTo := make([]int64, len(qs)+1) // tokens of the first i questions
	for i, q := range qs {
		upTo[i+1] = upTo[i] + int64(q.Tokens())
	}
	meter := g.to.Meter(g.what, upTo[len(qs)])
	defer meter.Stop()
	var all [][]engine.Answer
	several := func() bool { return g.Width() > 1 } // from when a machine has come
	pass := func(lo int) (hi int) {
		for hi = lo + 1; hi < len(qs) && upTo[hi+1]-upTo[lo] <= int64(passTokens*g.Width()); hi++ {
		}
		return hi
	}
	err := parts.Do(ctx, len(qs), several, pass, func(ctx context.Context, lo, hi int) ([][]engine.Answer, error) {
		return g.Model.Score(ctx, qs[lo:hi])
	}, func(_, hi int, answers [][]engine.Answer) error {
		all = append(all, answers...)
		meter.Set(upTo[hi], "")
		return nil
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}
