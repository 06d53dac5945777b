package lora

import (
	"context"
	"math"
	"reflect"
	"testing"

	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/testmodel"
	"bankai/probe"
	"bankai/score"

	"github.com/x448/float16"
)

// workshop is an evaluator in exact precision, whose fitness has no steps, and an
// adapter for some of its model's matrices.
func workshop(t *testing.T, rank int) (*score.Evaluator, *engine.Adapter) {
	t.Helper()
	m := enginetest.Load(t, testmodel.New(testmodel.Tiny, 1).Bytes(), engine.Options{Precision: engine.Exact})
	ev, err := score.NewProbeEvaluator(m, enginetest.DemoSet(t, "search")[:3], nil, score.Options{
		Objective: score.Objective{Metric: probe.AnswerLogprob},
	})
	if err != nil {
		t.Fatal(err)
	}
	a, err := ev.Workbench().NewAdapter(rank, []string{"blk.0.ffn_up.weight", "blk.1.ffn_down.weight"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ev.Baseline(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := ev.Workbench().Adapt(a); err != nil {
		t.Fatal(err)
	}
	return ev, a
}

// gradientOf is the derivatives of the fitness by an adapter's factors.
func gradientOf(t *testing.T, ev *score.Evaluator, a *engine.Adapter) []engine.Factors {
	t.Helper()
	gradient := a.Zeros()
	if _, err := ev.Ascend(context.Background(), func(s *engine.LayerGradient, weight []float32) error {
		a.AddGradient(s, weight, gradient)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return gradient
}

func fitnessOf(t *testing.T, ev *score.Evaluator) float64 {
	t.Helper()
	s, err := ev.Measure(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return s.Fitness
}

// An adapter of signs begins with no effect. Its first step moves the latents as it
// would move the factors of an adapter of floats that has the same values: B's by
// the rate, up the derivative, A's not at all, since B is 0.
func TestSignsLearnAsFloatsDo(t *testing.T) {
	ev, a := workshop(t, 2)
	c := Config{Kind: Sign, Rate: 0.25, Seed: 7}.orDefaults()
	s := startSigns(a, c).(*signs)
	if got := fitnessOf(t, ev); got != 0 {
		t.Errorf("at the start the fitness is %v, want 0", got)
	}
	before := append([]float32{}, s.latent[0]...)
	signed := gradientOf(t, ev, a)

	plain, err := ev.Workbench().NewAdapter(2, []string{"blk.0.ffn_up.weight", "blk.1.ffn_down.weight"})
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range plain.Factors() {
		for j := range f.A {
			f.A[j] = float32(math.Copysign(1, float64(s.latent[2*i][j])))
		}
	}
	if err := ev.Workbench().Adapt(plain); err != nil {
		t.Fatal(err)
	}
	if got := gradientOf(t, ev, plain); !reflect.DeepEqual(got, signed) {
		t.Error("the derivatives are not those of an adapter of floats that are ±1")
	}
	s.step(signed)
	if !reflect.DeepEqual(s.latent[0], before) {
		t.Error("A moved though B was 0")
	}
	for i, f := range a.Factors() {
		for j, g := range signed[i].B {
			if want := math.Copysign(0.25, float64(g)); math.Abs(float64(s.latent[2*i+1][j])-want) > 1e-3 && math.Abs(float64(g)) > 1e-5 {
				t.Fatalf("%s: derivative %v moved a latent to %v, want %v", f.Tensor, g, s.latent[2*i+1][j], want)
			}
		}
	}
}

// The derivatives by the scales are what the fitness does when a scale changes.
func TestScalesGradient(t *testing.T) {
	ev, a := workshop(t, 2)
	s := startSigns(a, Config{Kind: Sign, Rate: 0.3, Seed: 3}.orDefaults()).(*signs)
	for range 2 {
		s.step(gradientOf(t, ev, a))
	}
	by := s.byScale(gradientOf(t, ev, a))
	const h = 1.0 / 64
	for i, scale := range s.scale {
		for r, was := range scale {
			var f [2]float64
			for k, d := range []float32{-h, h} {
				scale[r] = was + d
				s.write()
				f[k] = fitnessOf(t, ev)
			}
			scale[r] = was
			s.write()
			if want := (f[1] - f[0]) / (2 * h); math.Abs(float64(by[i][r])-want) > 0.02*math.Abs(want)+1e-5 {
				t.Errorf("%s, rank %d: derivative %v, the fitness says %v", a.Factors()[i].Tensor, r, by[i][r], want)
			}
		}
	}
}

// What is measured is signs and scales, before and after they are rounded to
// float16; latents stay where their signs can come back.
func TestSignsAreSigns(t *testing.T) {
	ev, a := workshop(t, 2)
	s := startSigns(a, Config{Kind: Sign, Rate: 0.9, Seed: 3}.orDefaults()).(*signs)
	for range 4 {
		s.step(gradientOf(t, ev, a))
	}
	for _, latent := range s.latent {
		for _, v := range latent {
			if !(v >= -1 && v <= 1) {
				t.Fatalf("a latent is %v", v)
			}
		}
	}
	check := func(what string, rounded func(float32) float32) {
		for i, f := range a.Factors() {
			for _, v := range f.A {
				if v != 1 && v != -1 {
					t.Fatalf("%s, %s: A has %v", what, f.Tensor, v)
				}
			}
			rows := len(f.B) / 2
			for j, v := range f.B {
				if want := rounded(s.factor(i, j/rows)); v != want && v != -want || want <= 0 {
					t.Fatalf("%s, %s: B has %v, the scale is %v", what, f.Tensor, v, want)
				}
			}
		}
	}
	check("as trained", func(v float32) float32 { return v })
	a.Half()
	check("as float16", func(v float32) float32 { return float16.Fromfloat32(v).Float32() })
}

// The bytes of an adapter are those that a file could not go without.
func TestKindBytes(t *testing.T) {
	for _, rank := range []int{1, 3} {
		_, a := workshop(t, rank)
		var bits int
		for _, f := range a.Factors() {
			bits += len(f.A) + len(f.B)
		}
		scales := 2 * rank
		if got, want := Float.Bytes(a), int64(2*bits); got != want || Float.Params(a) != bits {
			t.Errorf("rank %d: floats take %d bytes, want %d", rank, got, want)
		}
		if got, want := Sign.Bytes(a), int64(bits/8+2*scales); got != want || Sign.Params(a) != bits+scales {
			t.Errorf("rank %d: signs take %d bytes, want %d", rank, got, want)
		}
	}
}
