package score_test

import (
	"math"
	"testing"

	"bankai/probe"
	"bankai/score"

	"pgregory.net/rapid"
)

// Each line can be worked out by hand from the formula.
func TestFitness(t *testing.T) {
	base := score.Values{Targets: []float64{-1, 0, 2}, Controls: []float64{1, 3}}
	nan := math.NaN()
	for _, c := range []struct {
		name    string
		reduce  score.Reduce
		penalty float64
		patched score.Values
		want    float64
	}{
		{"the base itself is 0", score.Mean, 2, base, 0},
		{"gains are averaged", score.Mean, 2, score.Values{Targets: []float64{2, 0, 5}, Controls: []float64{1, 3}}, 2},
		{"losses too", score.Mean, 2, score.Values{Targets: []float64{-4, 0, 2}, Controls: []float64{1, 3}}, -1},
		{"or the worst counts", score.Min, 2, score.Values{Targets: []float64{2, -1, 5}, Controls: []float64{1, 3}}, -1},
		{"a control's loss costs λ over their number", score.Mean, 2, score.Values{Targets: []float64{2, 0, 5}, Controls: []float64{1, 2}}, 1},
		{"a control's gain pays nothing", score.Mean, 2, score.Values{Targets: []float64{2, 0, 5}, Controls: []float64{9, 2}}, 1},
		{"without a penalty controls are free", score.Mean, 0, score.Values{Targets: []float64{2, 0, 5}, Controls: []float64{-9, -9}}, 2},
		{"min is penalised alike", score.Min, 4, score.Values{Targets: []float64{0, 1, 3}, Controls: []float64{0, 3}}, -1},
		{"NaN is not lost", score.Mean, 2, score.Values{Targets: []float64{nan, 0, 2}, Controls: []float64{1, 3}}, nan},
		{"nor among controls", score.Min, 2, score.Values{Targets: []float64{0, 0, 2}, Controls: []float64{nan, 3}}, nan},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := score.Objective{Reduce: c.reduce, Penalty: c.penalty}.Fitness(base, c.patched)
			if got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
				t.Errorf("fitness %v, want %v", got, c.want)
			}
		})
	}
}

func TestFitnessWithoutControls(t *testing.T) {
	o := score.Objective{Metric: probe.SeqLogprob, Penalty: 2}
	if got := o.Fitness(score.Values{Targets: []float64{1}}, score.Values{Targets: []float64{4}}); got != 3 {
		t.Errorf("fitness %v, want 3", got)
	}
}

// Controls only ever lower the fitness, and more of a target never does.
func TestFitnessIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Float64Range(-50, 50)
		n, m := rapid.IntRange(1, 9).Draw(t, "targets"), rapid.IntRange(0, 9).Draw(t, "controls")
		draw := func(name string) score.Values {
			return score.Values{
				Targets:  rapid.SliceOfN(value, n, n).Draw(t, name+" targets"),
				Controls: rapid.SliceOfN(value, m, m).Draw(t, name+" controls"),
			}
		}
		base, patched := draw("base"), draw("patched")
		o := score.Objective{
			Reduce:  rapid.SampledFrom([]score.Reduce{score.Mean, score.Min}).Draw(t, "reduce"),
			Penalty: rapid.Float64Range(0, 5).Draw(t, "penalty"),
		}
		f := o.Fitness(base, patched)
		if free := o.Fitness(base, score.Values{Targets: patched.Targets, Controls: base.Controls}); f > free {
			t.Fatalf("controls raised the fitness from %v to %v", free, f)
		}
		patched.Targets[rapid.IntRange(0, n-1).Draw(t, "i")] += rapid.Float64Range(0, 9).Draw(t, "gain")
		if more := o.Fitness(base, patched); more < f {
			t.Fatalf("a better target lowered the fitness from %v to %v", f, more)
		}
	})
}

func TestParseReduce(t *testing.T) {
	for _, r := range []score.Reduce{score.Mean, score.Min} {
		if got, err := score.ParseReduce(r.String()); got != r || err != nil {
			t.Errorf("ParseReduce(%q) = %v, %v", r, got, err)
		}
	}
	if _, err := score.ParseReduce("median"); err == nil || err.Error() != `unknown fitness "median": use mean or min` {
		t.Errorf("error %v", err)
	}
}
