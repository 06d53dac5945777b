package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bankai"
	"bankai/engine"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/internal/text"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// searchCost is what a search takes.
type searchCost struct {
	Probes   int             `json:"probes"`
	Controls int             `json:"controls"`
	Tokens   int             `json:"tokens"`  // of a pass over both answers of all of them
	Seconds  float64         `json:"seconds"` // of that pass, estimated from pp
	Measured *measuredSearch `json:"measured,omitempty"`
}

// measuredSearch is what steps of a search took: candidates from kept residual
// streams, a whole pass as the published search needs for each, and a gradient.
type measuredSearch struct {
	Pass     float64     `json:"pass_s"`
	Steps    []benchStep `json:"steps"`
	Gradient float64     `json:"gradient_s"` // forward and backward over the same tokens as a pass
}

// benchStep is one candidate: a gate row of a layer.
type benchStep struct {
	Layer   int     `json:"layer"`
	Cost    float64 `json:"forward_equivalents"`
	Seconds float64 `json:"seconds"`
}

// benchSets are the probes that bench imitates a search with.
type benchSets struct {
	targets, controls probe.Set
	questions         []engine.Question // both answers of each
}

func newBenchSets(m *engine.Model) (benchSets, error) {
	var s benchSets
	for _, part := range []struct {
		name string
		n    int
		to   *probe.Set
	}{{"search", 60, &s.targets}, {"control", 20, &s.controls}} {
		set, err := source.ReadSet(source.Demo + part.name)
		if err != nil {
			return s, err
		}
		*part.to = set.Set[:part.n]
		for _, p := range *part.to {
			t, err := p.Tokens(m.Tokenizer())
			if err != nil {
				return s, err
			}
			s.questions = append(s.questions, engine.Question{Prompt: t.Prompt, Answers: probe.SeqLogprob.Answers(t)})
		}
	}
	return s, nil
}

// estimate is the cost of a pass at pp tokens a second.
func (s benchSets) estimate(pp float64) searchCost {
	c := searchCost{Probes: len(s.targets), Controls: len(s.controls)}
	for _, q := range s.questions {
		c.Tokens += q.Tokens()
	}
	c.Seconds = float64(c.Tokens) / pp
	return c
}

// benchLayers are those of the published search, as far as a model has them: 1
// to 4, and the last but one.
func benchLayers(layers int) []int {
	var all []int
	for _, l := range []int{1, 2, 3, 4, layers - 2} {
		if l >= 0 && l < layers && !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	slices.Sort(all)
	return all
}

func benchSearch(ctx context.Context, c *terminal.Console, m *engine.Model, s benchSets) (*measuredSearch, error) {
	layers := benchLayers(m.Config().Layers)
	progress := c.Meter("bench, search", int64(len(layers)+3))
	defer progress.Stop()
	out := new(measuredSearch)
	var moves []search.Move
	o := score.Options{Objective: score.Objective{Metric: probe.SeqLogprob, Penalty: score.DefaultPenalty}}
	for _, l := range layers {
		name, err := bankai.TensorName(l, "gate_proj")
		if err != nil {
			return nil, err
		}
		o.Tensors = append(o.Tensors, name)
		moves = append(moves, search.Move{Flips: []bankai.Flip{{Tensor: name, Row: 1, N: bankai.ToEnd}}})
	}
	e, err := score.NewEvaluator(m, s.targets, s.controls, o)
	if err != nil {
		return nil, err
	}
	if _, err := e.Baseline(ctx); err != nil { // keeps the streams, which a search does once
		return nil, err
	}
	progress.Set(1, "")
	for i, l := range layers {
		var score []search.Score
		seconds, err := timed(func() (err error) {
			score, err = e.Score(ctx, bankai.New(m.Digest(), bankai.Meta{}), moves[i:i+1])
			return err
		})
		if err != nil {
			return nil, err
		}
		out.Steps = append(out.Steps, benchStep{l, score[0].Cost, seconds})
		progress.Set(int64(2+i), "")
	}
	overlay, err := m.Overlay(bankai.New(m.Digest(), bankai.Meta{}, moves[0].Flips...))
	if err != nil {
		return nil, err
	}
	naive := slices.Clone(s.questions)
	var weighted []engine.WeightedQuestion
	for i, q := range naive {
		weighted = append(weighted, engine.WeightedQuestion{Question: q, Weighting: engine.Weighting{LogProbs: probe.SeqLogprob.Weights()}})
		naive[i].Overlay = overlay
	}
	out.Pass, err = timed(func() error {
		_, err := m.Score(ctx, naive)
		return err
	})
	if err != nil {
		return nil, err
	}
	progress.Set(int64(2+len(layers)), "")
	out.Gradient, err = timed(func() error {
		_, err := m.Gradient(ctx, weighted, func(*engine.LayerGradient) error { return nil })
		return err
	})
	return out, err
}

// timed is how long f takes, in seconds.
func timed(f func() error) (float64, error) {
	began := time.Now()
	err := f()
	return time.Since(began).Seconds(), err
}

// facts says what a search takes.
func (c searchCost) facts() []terminal.Fact {
	what := fmt.Sprintf("%d probes, %d controls: %d tokens", c.Probes, c.Controls, c.Tokens)
	if c.Measured == nil {
		return []terminal.Fact{{"search", fmt.Sprintf("about %s a pass (%s)", text.Elapsed(c.Seconds), what)}}
	}
	m := c.Measured
	facts := []terminal.Fact{{"whole pass", fmt.Sprintf("%s (%s)", text.Elapsed(m.Pass), what)}}
	for _, s := range m.Steps {
		facts = append(facts, terminal.Fact{
			fmt.Sprintf("candidate in layer %d", s.Layer),
			fmt.Sprintf("%s, %.0f %% of a pass; %.3f forward-pass equivalents", text.Elapsed(s.Seconds), 100*s.Seconds/m.Pass, s.Cost),
		})
	}
	return append(facts, terminal.Fact{"gradient", fmt.Sprintf("%s, %.2f passes", text.Elapsed(m.Gradient), m.Gradient/m.Pass)})
}
