package lora_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/lora"
	"bankai/internal/testmodel"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// few are the first n probes of a set of the demo.
func few(t testing.TB, name string, n int) probe.Set {
	t.Helper()
	return enginetest.DemoSet(t, name)[:n]
}

// evaluator has the fitness of the guided search.
func evaluator(t testing.TB, m *engine.Model, targets, controls int) *score.Evaluator {
	t.Helper()
	e, err := score.NewProbeEvaluator(m, few(t, "search", targets), few(t, "control", controls), score.Options{
		Objective: score.Objective{Metric: probe.AnswerLogprob, Penalty: score.DefaultPenalty, Slack: score.DefaultSlack},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// mlps is a new adapter of rank 1 on every gate, up and down.
func mlps(t testing.TB, e *score.Evaluator) *engine.Adapter {
	t.Helper()
	var names []string
	w := e.Workbench()
	for i := range w.Config().Layers {
		for _, p := range []string{"gate", "up", "down"} {
			names = append(names, fmt.Sprintf("blk.%d.ffn_%s.weight", i, p))
		}
	}
	a, err := w.NewAdapter(1, names)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// factors copies an adapter's, as floats that can be compared.
func factors(a *engine.Adapter) (all []float32) {
	for _, f := range a.Factors() {
		all = append(append(all, f.A...), f.B...)
	}
	return all
}

// On the demo model the fitness rises, the adapter is what made it rise, and the
// model is afterwards what it was.
func TestTrain(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{})
	e := evaluator(t, m, 8, 3)
	a, ctx := mlps(t, e), context.Background()
	var seen []lora.Point
	r, err := lora.Train(ctx, e, a, lora.Config{Steps: 8, Progress: func(p lora.Point) { seen = append(seen, p) }})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(seen, r.Trajectory) || len(seen) != 9 {
		t.Errorf("%d points reported, %d kept", len(seen), len(r.Trajectory))
	}
	first, last := r.Trajectory[0], r.Trajectory[8]
	if first.Fitness != 0 || last.Fitness < 0.2 || last.Fitness != r.Final.Fitness || last.Step != 8 {
		t.Errorf("from %v to %v, final %v", first, last, r.Final.Fitness)
	}
	if want := 8*first.Cost + r.Final.Cost; math.Abs(r.Cost-want) > 1e-9 || last.Cost != r.Cost || first.Cost != 3*r.Final.Cost {
		t.Errorf("8 gradients of %v and a pass of %v are said to cost %v", first.Cost, r.Final.Cost, r.Cost)
	}
	measure := func(a *engine.Adapter) search.Score {
		if err := e.Workbench().Adapt(a); err != nil {
			t.Fatal(err)
		}
		s, err := e.Measure(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if got, err := e.Measure(ctx); err != nil || !reflect.DeepEqual(got, r.Start) {
		t.Errorf("after the training the model has %v, before %v; error %v", got, r.Start, err)
	}
	if got := measure(a); !reflect.DeepEqual(got, r.Final) {
		t.Errorf("with the adapter the model has %v, want %v", got, r.Final)
	}
}

// The same arguments give the same bits, on any number of threads; another seed does
// not.
func TestTrainRepeats(t *testing.T) {
	train := func(seed uint64, threads int, kernel string) ([]float32, *lora.Result) {
		m := enginetest.Load(t, testmodel.New(testmodel.Tiny, 1).Bytes(), engine.Options{Threads: threads, Kernel: kernel})
		e := evaluator(t, m, 2, 1)
		a := mlps(t, e)
		r, err := lora.Train(context.Background(), e, a, lora.Config{Steps: 2, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		return factors(a), r
	}
	want, score := train(1, 1, "")
	for what, c := range map[string]struct {
		seed    uint64
		threads int
		kernel  string
		same    bool
	}{"again": {1, 1, "", true}, "two threads": {1, 2, "", true}, "generic": {1, 2, "generic", true}, "another seed": {2, 1, "", false}} {
		got, r := train(c.seed, c.threads, c.kernel)
		if same := reflect.DeepEqual(got, want) && reflect.DeepEqual(r.Final, score.Final); same != c.same {
			t.Errorf("%s: same bits: %v", what, same)
		}
	}
}

func TestTrainRefuses(t *testing.T) {
	m := enginetest.Load(t, testmodel.New(testmodel.Tiny, 1).Bytes(), engine.Options{})
	e := evaluator(t, m, 2, 1)
	a := mlps(t, e)
	for what, c := range map[string]lora.Config{
		"no steps":      {},
		"negative rate": {Steps: 1, Rate: -1},
		"rate NaN":      {Steps: 1, Rate: math.NaN()},
		"beta 1":        {Steps: 1, Beta1: 1},
		"beta above 1":  {Steps: 1, Beta2: 1.5},
	} {
		if _, err := lora.Train(context.Background(), e, a, c); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

// A training that ends early leaves the model as it was, whether it was stopped or
// went astray.
func TestTrainStops(t *testing.T) {
	m := enginetest.Load(t, testmodel.New(testmodel.Tiny, 1).Bytes(), engine.Options{})
	e := evaluator(t, m, 2, 1)
	a := mlps(t, e)
	base, err := e.Baseline(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopping := lora.Config{Steps: 9, Progress: func(p lora.Point) {
		if p.Step == 2 {
			cancel()
		}
	}}
	if _, err := lora.Train(ctx, e, a, stopping); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped after 2 steps: error %v", err)
	}
	if _, err := lora.Train(context.Background(), e, a, lora.Config{Steps: 3, Rate: 1e30}); err == nil || !strings.Contains(err.Error(), "lower rate") {
		t.Errorf("a rate of 1e30: error %v", err)
	}
	if got, err := e.Measure(context.Background()); err != nil || !reflect.DeepEqual(got.Targets, base.Targets) {
		t.Errorf("the model has %v afterwards, before %v; error %v", got.Targets, base.Targets, err)
	}
}
