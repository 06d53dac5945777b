package watched

import (
	"context"
	"fmt"

	"bankai/engine"
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
	total, done := 0, 0
	for _, q := range qs {
		total += q.Tokens()
	}
	meter := g.to.Meter(g.what, int64(total))
	defer meter.Stop()
	var all [][]engine.Answer
	for len(qs) > 0 {
		n, tokens, most := 0, 0, passTokens*g.Width() // which grows when machines come
		for n < len(qs) && (n == 0 || tokens+qs[n].Tokens() <= most) {
			tokens += qs[n].Tokens()
			n++
		}
		answers, err := g.Model.Score(ctx, qs[:n])
		if err != nil {
			return nil, err
		}
		all, qs = append(all, answers...), qs[n:]
		done += tokens
		meter.Set(int64(done), "")
	}
	return all, nil
}
