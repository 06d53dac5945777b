package speed

import (
	"context"
	"slices"
	"time"

	"bankai"
	"bankai/engine"
	"bankai/internal/source"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// SearchCost is what a search takes.
type SearchCost struct {
	Probes   int             `json:"probes"`
	Controls int             `json:"controls"`
	Tokens   int             `json:"tokens"`  // of a pass over both answers of all of them
	Seconds  float64         `json:"seconds"` // of that pass, estimated from pp
	Measured *MeasuredSearch `json:"measured,omitempty"`
}

// MeasuredSearch is what steps of a search took: candidates from kept residual
// streams, a whole pass as the published search needs for each, and a gradient.
type MeasuredSearch struct {
	Pass     float64      `json:"pass_s"`
	Steps    []SearchStep `json:"steps"`
	Gradient float64      `json:"gradient_s"` // forward and backward over the same tokens as a pass
}

// SearchStep is one candidate: a gate row of a layer.
type SearchStep struct {
	Layer   int     `json:"layer"`
	Cost    float64 `json:"forward_equivalents"`
	Seconds float64 `json:"seconds"`
}

// Probes are those that a search is imitated with.
type Probes struct {
	targets, controls probe.Set
	questions         []engine.Question // both answers of each
}

// NewProbes takes some of the demo's probes, in the model's tokens.
func NewProbes(m *engine.Model) (Probes, error) {
	var s Probes
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

// Estimate is the cost of a pass at pp tokens a second.
func (s Probes) Estimate(pp float64) SearchCost {
	c := SearchCost{Probes: len(s.targets), Controls: len(s.controls)}
	for _, q := range s.questions {
		c.Tokens += q.Tokens()
	}
	c.Seconds = float64(c.Tokens) / pp
	return c
}

// searchedLayers are those of the published search, as far as a model has them: 1
// to 4, and the last but one.
func searchedLayers(layers int) []int {
	var all []int
	for _, l := range []int{1, 2, 3, 4, layers - 2} {
		if l >= 0 && l < layers && !slices.Contains(all, l) {
			all = append(all, l)
		}
	}
	slices.Sort(all)
	return all
}

// Steps is how often Search calls progress.
func (s Probes) Steps(m *engine.Model) int { return len(searchedLayers(m.Config().Layers)) + 3 }

// Search measures steps of a search: one gate row flipped in each of the published
// search's layers, a whole pass, and a gradient. After each, and after the pass that
// every search begins with, it calls progress with how many are done.
func (s Probes) Search(ctx context.Context, m *engine.Model, progress func(done int)) (*MeasuredSearch, error) {
	out := new(MeasuredSearch)
	moves, err := s.candidates(ctx, m, out, progress)
	if err != nil {
		return nil, err
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
	progress(2 + len(moves))
	out.Gradient, err = timed(func() error {
		_, err := m.Gradient(ctx, weighted, func(*engine.LayerGradient) error { return nil })
		return err
	})
	progress(3 + len(moves))
	return out, err
}

// candidates measures the steps, from the residual streams that a search keeps.
func (s Probes) candidates(ctx context.Context, m *engine.Model, out *MeasuredSearch, progress func(done int)) (moves []search.Move, err error) {
	layers := searchedLayers(m.Config().Layers)
	o := score.Options{Objective: score.Objective{Metric: probe.SeqLogprob, Penalty: score.DefaultPenalty}}
	for _, l := range layers {
		name, err := bankai.TensorName(l, "gate_proj")
		if err != nil {
			return nil, err
		}
		o.Tensors = append(o.Tensors, name)
		moves = append(moves, search.Move{Flips: []bankai.Flip{{Tensor: name, Row: 1, N: bankai.ToEnd}}})
	}
	e, err := score.NewProbeEvaluator(m, s.targets, s.controls, o)
	if err != nil {
		return nil, err
	}
	if _, err := e.Baseline(ctx); err != nil { // keeps the streams, which a search does once
		return nil, err
	}
	progress(1)
	for i, l := range layers {
		var score []search.Score
		seconds, err := timed(func() (err error) {
			score, err = e.Score(ctx, bankai.New(m.Digest(), bankai.Meta{}), moves[i:i+1])
			return err
		})
		if err != nil {
			return nil, err
		}
		out.Steps = append(out.Steps, SearchStep{l, score[0].Cost, seconds})
		progress(2 + i)
	}
	return moves, nil
}

// timed is how long f takes, in seconds.
func timed(f func() error) (float64, error) {
	began := time.Now()
	err := f()
	return time.Since(began).Seconds(), err
}
