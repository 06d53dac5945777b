package score_test

import (
	"context"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/measure"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// pairs are the answers of probes as preferences, each with what ends it.
func pairs(t testing.TB, m *engine.Model, set probe.Set, aim score.Aim) (items []score.Item) {
	t.Helper()
	for _, p := range set {
		ids, err := p.Tokens(m.Tokenizer())
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, score.Item{Name: p.Name, Prompt: ids.Prompt, Answers: [][]int32{ids.CorrectEnded, ids.WrongEnded}, Aim: aim})
	}
	return items
}

// preferred is what a search by preferences came to.
type preferred struct {
	*search.Result
	fell   float64 // of ln p of the chosen answers, mean over those searched on, nats
	right  int     // at the start, of the prompts that are watched
	looked []int   // right answers at each look
}

// preferring searches late rows of the demo model for its preference of 30 right
// answers over wrong ones, by predictions, and watches its own answers to others.
func preferring(t *testing.T, aim score.Aim) (p preferred) {
	t.Helper()
	ctx, m := context.Background(), enginetest.Demo(t, engine.Options{})
	pool, watched := enginetest.DemoSet(t, "search").Draw(30, 1), enginetest.DemoSet(t, "validate").Draw(search.StopAnswers, 1)
	plan := score.NewPlan(score.MethodGuided)
	plan.Layers, plan.Projections, plan.Objective.Slack = []int{4, 5}, nil, 0
	_, controls, err := score.OfProbes(m.Tokenizer(), nil, enginetest.DemoSet(t, "control_few"), plan.Objective.Metric)
	if err != nil {
		t.Fatal(err)
	}
	s, err := score.NewSetup(m, pairs(t, m, pool, aim), controls, plan)
	if err != nil {
		t.Fatal(err)
	}
	limits := search.Config{Steps: 1000, MaxCost: 32, Validation: &search.Validation{Answers: func(ctx context.Context, patch *bankai.Patch) ([]bool, error) {
		o, err := m.Overlay(patch)
		if err != nil {
			return nil, err
		}
		return measure.Right(ctx, m, o, watched)
	}}}
	if p.Result, err = s.Run(ctx, limits); err != nil {
		t.Fatal(err)
	}
	for _, c := range p.Checkpoints {
		p.looked = append(p.looked, *c.Right)
	}
	return p
}

func TestExplorePreference(t *testing.T) {
	for _, aim := range []score.Aim{
		{Kind: score.Preference, Beta: 0.1},
		{Kind: score.Preference, Beta: 0.1, Lambda: 1},
		{Kind: score.Preference, Beta: 0.1, Lambda: 5},
		{Kind: score.Preference, Beta: 1},
		{Kind: score.Preference, Beta: 1, Lambda: 1},
		{Kind: score.Preference, Beta: 1, Lambda: 5},
		{Kind: score.Label, Lambda: 0},
		{Kind: score.Label, Lambda: 1},
		{Kind: score.Answer},
	} {
		if aim.Kind == score.Answer {
			continue
		}
		p := preferring(t, aim)
		t.Logf("%v: fitness %v, stopped %v, looked %v, cost %v, flips %d, warning %s, back %s", aim, p.Fitness, p.Stopped, p.looked, p.Cost, p.Patch.Len(), p.Warning, p.WentBack)
	}
}
