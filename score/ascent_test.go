package score_test

import (
	"context"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// climbable is a fitness with all the parts that a gradient must know of: losses of
// targets count more than gains, those of controls too, and a text is held on to.
func climbable() score.Options {
	return score.Options{
		Objective: score.Objective{Metric: probe.AnswerLogprob, Penalty: 2, Harm: 1, Tie: 0.5, Divergence: 1},
		Text:      []string{"the sun is in the sky", "a dog can bark"},
	}
}

// adapter is one with random factors on parts of two layers.
func adapter(t testing.TB, w *engine.Workbench) *engine.Adapter {
	t.Helper()
	a, err := w.NewAdapter(1, []string{"blk.1.ffn_gate.weight", "blk.0.ffn_down.weight"})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for _, f := range a.Factors() {
		for i := range f.A {
			f.A[i] = float32(rng.NormFloat64() / 10)
		}
		for i := range f.B {
			f.B[i] = float32(rng.NormFloat64() / 10)
		}
	}
	return a
}

// gradient is that of the fitness by the factors of a, which the workbench has on.
func gradient(t testing.TB, e *score.Evaluator, a *engine.Adapter) (search.Score, []engine.Factors) {
	t.Helper()
	gradient := a.Zeros()
	s, err := e.Ascend(context.Background(), func(s *engine.LayerGradient, weight []float32) error {
		a.AddGradient(s, weight, gradient)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, gradient
}

func measured(t testing.TB, e *score.Evaluator) search.Score {
	t.Helper()
	s, err := e.Measure(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What is measured of the workbench as it is are the bits that Score gives for the patch
// that was applied to it, and an ascent sees the same. Nobody else does: another
// evaluator of the model measures the model.
func TestMeasureIsScore(t *testing.T) {
	m := tiny(t)
	e := evaluator(t, m, climbable())
	cur := bankai.New(m.Digest(), bankai.Meta{}, row(1, 2).Flips...)
	want := withoutCost(scores(t, e, cur, search.Move{})[0])
	if err := e.Workbench().Apply(cur); err != nil {
		t.Fatal(err)
	}
	got := measured(t, e)
	climbed, err := e.Ascend(context.Background(), func(*engine.LayerGradient, []float32) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(withoutCost(got), want) || !reflect.DeepEqual(withoutCost(climbed), want) {
		t.Errorf("measured %v, on the way up %v\nwant %v", got, climbed, want)
	}
	if other := measured(t, evaluator(t, m, climbable())); other.Fitness != 0 || got.Fitness == 0 {
		t.Errorf("the fitness is %v beside the patch, %v under it", other.Fitness, got.Fitness)
	}
	if climbed.Cost != 3*got.Cost || got.Cost == 0 {
		t.Errorf("a gradient costs %v, a pass %v", climbed.Cost, got.Cost)
	}
}

// A step of size h along the gradient g raises the fitness by h·|g|², to first order.
// Central differences leave the third: h is chosen so that a step is worth about 0.01
// nats, where float32 rounds to 1e-5.
func TestAscendIsTheDerivative(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{Threads: 2, Precision: engine.Exact})
	e := evaluator(t, m, climbable())
	checkAscent(t, e)
}

// checkAscent compares a gradient with differences of the fitness.
func checkAscent(t *testing.T, e *score.Evaluator) {
	t.Helper()
	if _, err := e.Baseline(context.Background()); err != nil {
		t.Fatal(err)
	}
	a := adapter(t, e.Workbench())
	if err := e.Workbench().Adapt(a); err != nil {
		t.Fatal(err)
	}
	at, gradient := gradient(t, e, a)
	if got := measured(t, e); !reflect.DeepEqual(withoutCost(got), withoutCost(at)) || at.Fitness == 0 {
		t.Errorf("the fitness is %v on the way up, measured %v", at.Fitness, got.Fitness)
	}
	var size float64
	for _, f := range gradient {
		for _, v := range append(append([]float32{}, f.A...), f.B...) {
			size += float64(v) * float64(v)
		}
	}
	h := 0.01 / size
	move := func(by float64) {
		for i, f := range a.Factors() {
			for j := range f.A {
				f.A[j] += float32(by) * gradient[i].A[j]
			}
			for j := range f.B {
				f.B[j] += float32(by) * gradient[i].B[j]
			}
		}
	}
	move(h)
	up := measured(t, e).Fitness
	move(-2 * h)
	got := (up - measured(t, e).Fitness) / (2 * h)
	if math.Abs(got-size) > 1e-3*size {
		t.Errorf("along the gradient the fitness rises by %v a unit, want %v", got, size)
	}
}

func TestAscendRefuses(t *testing.T) {
	o := climbable()
	o.Reduce = score.Min
	_, err := evaluator(t, tiny(t), o).Ascend(context.Background(), func(*engine.LayerGradient, []float32) error { return nil })
	if err == nil {
		t.Error("the worst gain was climbed")
	}
}
