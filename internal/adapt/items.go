package adapt

import (
	"cmp"

	"bankai/dataset"
	"bankai/internal/asking"
	"bankai/measure"
	"bankai/probe"
	"bankai/score"
)

// items are examples as a search takes them, in their order. Short answers count by their
// whole log-probability, as those of probes do, others by its mean over their tokens.
func items(q *asking.Questions, examples []dataset.Example, short bool) []score.Item {
	likely := score.NewAim(score.Answer)
	if short {
		likely = score.Aim{Kind: score.Probe, Metric: probe.AnswerLogprob}
	}
	type aimed struct {
		measure.Scored
		aim score.Aim
	}
	by := map[string]aimed{}
	for _, x := range []struct {
		list []measure.Scored
		aim  score.Aim
	}{{q.Likely, likely}, {q.Preferred, score.NewAim(score.Preference)}, {q.Labelled, score.NewAim(score.Label)}} {
		for _, s := range x.list {
			by[s.Name] = aimed{s, x.aim} // the chosen answer of a preference is among the likely ones, too
		}
	}
	var out []score.Item
	for _, e := range examples {
		if s, ok := by[e.Name]; ok {
			out = append(out, score.Item{Name: e.Name, Prompt: s.Prompt, Answers: s.Answers, Aim: s.aim, Weight: cmp.Or(e.Weight, 1)})
		}
	}
	return out
}

// tokensOf is what a pass over items takes, prompts once and answers each.
func tokensOf(items []score.Item) (n int) {
	for _, i := range items {
		n += len(i.Prompt)
		for _, a := range i.Answers {
			n += len(a)
		}
	}
	return n
}
