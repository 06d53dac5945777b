package score_test

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

func TestMethods(t *testing.T) {
	for _, m := range []score.Method{score.MethodGuided, score.MethodSampled, score.MethodGreedy, score.MethodEvolve, score.MethodVote, score.MethodRandom} {
		if got, err := score.ParseMethod(m.String()); got != m || err != nil {
			t.Errorf("%s: %q, %v", m, got, err)
		}
	}
	const want = `unknown strategy "hope": use guided, sampled, greedy, evolve, vote or random`
	if _, err := score.ParseMethod("hope"); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// Greedy and random searches are planned as published, but for the metric.
func TestNewPlan(t *testing.T) {
	for _, m := range []score.Method{score.MethodGreedy, score.MethodRandom} {
		want := score.Plan{
			Method: m, Sizes: []search.Granularity{search.Row}, Projections: []string{"gate", "up"}, Screen: 2, Block: score.DefaultBlock, Draws: 3, Votes: 2,
			Objective: score.Objective{Metric: probe.AnswerLogprob, Penalty: 2},
		}
		if got := score.NewPlan(m); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v", m, got)
		}
	}
	p := score.NewPlan(score.MethodEvolve)
	if p.Screen != 0 || p.Objective.Slack != score.DefaultSlack || !p.Limits.Prune || strings.Join(p.Projections, " ") != "gate up v o" {
		t.Errorf("evolve: %+v", p)
	}
}

// A set-up search finds what its parts find when they are put together by hand.
func TestSetupRun(t *testing.T) {
	for _, m := range []score.Method{score.MethodGuided, score.MethodGreedy, score.MethodEvolve, score.MethodRandom} {
		model := tiny(t)
		p := score.NewPlan(m)
		p.Layers, p.Seed, p.Limits.Steps = []int{1}, 3, 25
		s, err := setup(model, p)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Run(context.Background(), p.Limits)
		if err != nil {
			t.Fatal(err)
		}
		want := byHand(t, p)
		if got.Patch.ContentDigest() != want.Patch.ContentDigest() || got.Fitness != want.Fitness || got.Patch.Len() == 0 {
			t.Errorf("%s: %d flips, fitness %v; by hand %d, %v", m, got.Patch.Len(), got.Fitness, want.Patch.Len(), want.Fitness)
		}
		if _, ok := got.Patch.Bits(); !ok {
			t.Errorf("%s: the patch does not know how wide rows are", m)
		}
	}
}

// setup prepares a search for the probes of these tests.
func setup(m *engine.Model, p score.Plan) (*score.Setup, error) {
	t, c, err := score.OfProbes(m.Tokenizer(), targets, controls, p.Objective.Metric)
	if err != nil {
		return nil, err
	}
	return score.NewSetup(m, t, c, p)
}

func byHand(t *testing.T, p score.Plan) *search.Result {
	t.Helper()
	model := tiny(t)
	ms, err := score.Matrices(model.Weights(), p.Layers, p.Projections)
	if err != nil {
		t.Fatal(err)
	}
	var st search.Strategy
	switch p.Method {
	case score.MethodGuided:
		st, err = search.NewGuided(ms, p.Seed, search.Row)
	case score.MethodGreedy:
		st, err = search.NewGreedy(ms, search.Row, p.Seed)
	case score.MethodEvolve:
		st, err = search.NewEvolve(ms, search.Row, p.Seed)
	default:
		st, err = search.NewRandom(ms, search.Row, p.Seed)
	}
	if err != nil {
		t.Fatal(err)
	}
	o := score.Options{Objective: p.Objective, Screen: p.Screen}
	for _, m := range ms {
		o.Tensors = append(o.Tensors, m.Name) // costs are counted from where streams are kept
	}
	r, err := search.Run(context.Background(), evaluator(t, model, o), st, bankai.New(model.Digest(), bankai.Meta{}), p.Limits)
	if err != nil {
		t.Fatal(err)
	}
	if r.Patch, err = r.Patch.Fit(model.Weights().Shape); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSetupFaults(t *testing.T) {
	for _, c := range []struct {
		name string
		plan func(p *score.Plan)
		want string
	}{
		{"method", func(p *score.Plan) { p.Method = "hope" }, `unknown strategy "hope"`},
		{"sizes", func(p *score.Plan) { p.Sizes = append(p.Sizes, search.Bit) }, "greedy searches by one granularity, not 2"},
		{"no size", func(p *score.Plan) { p.Sizes = nil }, "greedy searches by one granularity, not 0"},
		{"bits", func(p *score.Plan) { p.Sizes[0] = search.Bit }, "greedy draws rows or groups: use guided for bits"},
		{"layer", func(p *score.Plan) { p.Layers = []int{9} }, "layer 9"},
		{"projection", func(p *score.Plan) { p.Projections = []string{"w"} }, `unknown projection "w"`},
		{"slack", func(p *score.Plan) { p.Objective.Slack = -1 }, "slack"},
	} {
		p := score.NewPlan(score.MethodGreedy)
		c.plan(&p)
		if _, err := setup(tiny(t), p); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
