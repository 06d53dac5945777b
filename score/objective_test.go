package score

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Each line can be worked out by hand from the formula.
func TestObjectiveOfSeveralSets(t *testing.T) {
	base := Values{Targets: []float64{-1, 0, 2, 4}}
	sets := []Share{{Probes: 1, Weight: 1, Floor: -0.5}, {Probes: 3, Weight: 3, Floor: math.Inf(-1)}}
	for _, c := range []struct {
		name    string
		o       Objective
		targets []float64
		kl      float64
		want    float64
	}{
		{"sets count by weight, whatever their size", Objective{Sets: sets}, []float64{3, 1, 3, 5}, 0, (4 + 3*1) / 4.0},
		{"a set may lose down to its floor", Objective{Sets: sets}, []float64{-1.5, 1, 3, 5}, 0, (-0.5 + 3*1) / 4.0},
		{"but no further", Objective{Sets: sets}, []float64{-1.6, 9, 9, 9}, 0, math.Inf(-1)},
		{"the worst of each set", Objective{Sets: sets, Reduce: Min}, []float64{3, 1, 3, 3}, 0, (4 + 3*-1) / 4.0},
		{"a gain beyond the cap hardly counts", Objective{Cap: 1}, []float64{-1, 6, 2, 4}, 0, (1 + 0.02*6) / 4.0},
		{"nor does a loss there", Objective{Cap: 1}, []float64{-1, 0, 1.5, 4}, 0, -0.02 * 0.5 / 4},
		{"a loss counts more often", Objective{Harm: 3}, []float64{-3, 0, 2, 6}, 0, (4*-2 + 2) / 4.0},
		{"beyond the slack", Objective{Harm: 3, Slack: 1.5}, []float64{-3, 0, 2, 6}, 0, (-1.5 + 4*-0.5 + 2) / 4.0},
		{"divergence costs", Objective{Divergence: 3}, []float64{3, 4, 6, 8}, 0.5, 4 - 1.5},
	} {
		if got := c.o.Fitness(base, Values{Targets: c.targets, KL: c.kl}); math.Abs(got-c.want) > 1e-12 && got != c.want {
			t.Errorf("%s: fitness %v, want %v", c.name, got, c.want)
		}
	}
}

// objectives draws one with all its parts, and values for it.
func objectives(t *rapid.T) (o Objective, base, now Values) {
	n := rapid.IntRange(2, 9).Draw(t, "targets")
	first := rapid.IntRange(1, n-1).Draw(t, "in the first set")
	o = Objective{
		Reduce: rapid.SampledFrom([]Reduce{Mean, Min}).Draw(t, "reduce"), Penalty: rapid.SampledFrom([]float64{0, 1, 4}).Draw(t, "penalty"),
		Cap: rapid.SampledFrom([]float64{0, 1}).Draw(t, "cap"), Harm: rapid.SampledFrom([]float64{0, 2}).Draw(t, "harm"), Slack: rapid.SampledFrom([]float64{0, 0.4}).Draw(t, "slack"), Divergence: rapid.Float64Range(0, 9).Draw(t, "divergence"),
	}
	if rapid.Bool().Draw(t, "two sets") {
		o.Sets = []Share{{first, 2, math.Inf(-1)}, {n - first, 0.5, math.Inf(-1)}}
	}
	value := rapid.Custom(func(t *rapid.T) float64 { return float64(rapid.IntRange(-1000, 1000).Draw(t, "value"))/300 + 0.0007 })
	draw := func(name string, n int) []float64 { return rapid.SliceOfN(value, n, n).Draw(t, name) }
	m := rapid.IntRange(0, 4).Draw(t, "controls")
	base = Values{Targets: draw("base", n), Controls: draw("base of controls", m), KL: 1e-7}
	now = Values{Targets: draw("now", n), Controls: draw("controls now", m), KL: 0.25}
	return o, base, now
}

// drawn are the weights of n items.
func drawn(t *rapid.T, n int) []float64 {
	return rapid.SliceOfN(rapid.SampledFrom([]float64{1, 1, 0.25, 3}), n, n).Draw(t, "weights")
}

// The derivatives are those of the fitness, where it has any.
func TestGradientOfTheFitness(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, base, now := objectives(t)
		const h = 1e-5
		w := weighted{o, drawn(t, len(now.Targets)), drawn(t, len(now.Controls))}
		gradient := w.gradient(base, now)
		for i, got := range gradient {
			v := now.Targets
			at := i
			if i >= len(v) {
				v, at = now.Controls, i-len(v)
			}
			was := v[at]
			v[at] = was + h
			up := w.fitness(base, now)
			v[at] = was - h
			down := w.fitness(base, now)
			v[at] = was
			mid := w.fitness(base, now)
			if math.Abs((up-mid)-(mid-down)) > 1e-9 {
				continue // a kink
			}
			if want := (up - down) / (2 * h); math.Abs(got-want) > 1e-6 {
				t.Fatalf("value %d: slope %v, want %v", i, got, want)
			}
		}
	})
}

// A control that has just not lost yet counts by Tie.
func TestTie(t *testing.T) {
	v := Values{Targets: []float64{0}, Controls: []float64{1, 2, 3, 4}}
	now := Values{Targets: []float64{0}, Controls: []float64{1, 1, 9, 4}}
	o := weighted{Objective{Penalty: 4, Tie: 0.25}, ones(1), ones(4)}
	got := o.gradient(v, now)
	for i, want := range []float64{1, 0.25, 1, 0, 0.25} {
		if got[i] != want {
			t.Errorf("slope %d is %v, want %v", i, got[i], want)
		}
	}
}

// If the changes of the values are known, the estimator is the fitness.
func TestEstimator(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o, base, now := objectives(t)
		w := weighted{o, drawn(t, len(base.Targets)), drawn(t, len(base.Controls))}
		e := &Evaluator{opts: Options{Objective: o}, fitness: w, targets: len(base.Targets), controls: len(base.Controls), base: &base, tokens: 5}
		of := slices.Concat(w.targets, w.controls, ones(3))
		e.questions = make([]question, e.targets+e.controls+3)
		look := newEstimator(e, now)
		change := rapid.SliceOfN(rapid.Float64Range(-2, 2), len(e.questions), len(e.questions)).Draw(t, "changes")
		flips := rapid.IntRange(1, 3).Draw(t, "flips")
		values := slices.Concat(now.Targets, now.Controls, make([]float64, 3))
		all := e.newTotals(flips)
		for first := 0; first < len(values); { // blocks
			end := rapid.IntRange(first+1, len(values)).Draw(t, "end")
			p := newPortion(e, first, end, values)
			sums := make([]float32, len(p.slots)*flips)
			for q := first; q < end; q++ {
				sums[p.slot[q-first]*flips] += float32(of[q] * change[q])
			}
			all.add(e, Effects{Columns: p.columns, Data: p.effects(sums)})
			first = end
		}
		then := Values{KL: now.KL}
		for q, c := range change {
			switch {
			case q < e.targets:
				then.Targets = append(then.Targets, now.Targets[q]+c)
			case q < e.targets+e.controls:
				then.Controls = append(then.Controls, now.Controls[q-e.targets]+c)
			default:
				then.KL += c / 5
			}
		}
		then.KL = max(then.KL, base.KL)
		if got, want := look.fitness(all, 0), w.fitness(base, then); math.Abs(got-want) > 2e-5 {
			t.Fatalf("estimate %v, want %v", got, want)
		}
	})
}
