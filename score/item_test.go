package score

import (
	"math"
	"testing"

	"bankai/engine"
	"bankai/probe"

	"pgregory.net/rapid"
)

// said are answers with the given log-probabilities.
func said(logProbs ...float64) (answers []engine.Answer) {
	for _, p := range logProbs {
		answers = append(answers, engine.Answer{LogProb: p, Margin: 2 * p, KL: -p})
	}
	return answers
}

// ofAim is a question of answers of three tokens each, before which were as given.
func ofAim(aim Aim, weight float64, before []engine.Answer) *question {
	q := &question{aim: aim, weight: weight, before: before}
	for range before {
		q.Answers = append(q.Answers, []int32{1, 2, 3})
	}
	return q
}

// Each line can be worked out by hand from the formula.
func TestValues(t *testing.T) {
	lnσ := func(u float64) float64 { return -math.Log(1 + math.Exp(-u)) }
	dpo, ours := Aim{Kind: Preference, Beta: 0.5}, Aim{Kind: Preference, Beta: 0.5, Lambda: 4}
	margin, label := Aim{Kind: Label, Beta: 1}, Aim{Kind: Label, Beta: 1, Lambda: 2}
	for _, c := range []struct {
		name        string
		aim         Aim
		before, now []engine.Answer
		want        float64
	}{
		{"an answer counts by the token", Aim{Kind: Answer}, said(-9), said(-6), -2},
		{"the unpatched model has no preference", ours, said(-9, -2), said(-9, -2), -5 * math.Ln2},
		{"what is chosen rises", ours, said(-9, -2), said(-7, -2), lnσ(1) + 4*lnσ(1)},
		{"what is rejected falls", ours, said(-9, -2), said(-9, -4), lnσ(1) - 4*math.Ln2},
		{"both fall, which gains by DPO", dpo, said(-9, -2), said(-10, -5), lnσ(1)},
		{"but not by us", ours, said(-9, -2), said(-10, -5), lnσ(1) + 4*lnσ(-0.5)},
		{"the best other label is another one now", margin, said(-2, -1, -3), said(-1, -3, -2), 1},
		{"all labels fall", label, said(-2, -1, -3), said(-3, -9, -6), 3 + 2*lnσ(-1)},
		{"a text is kept", Aim{Kind: Keep}, said(0), said(-0.25), 0.25},
		{"a probe", Aim{Metric: probe.SeqLogprob}, said(0, 0), said(-1, -3), 2},
		{"a probe's margin", Aim{Metric: probe.AnswerMargin}, said(0), said(-1), -2},
	} {
		if got := ofAim(c.aim, 1, c.before).value(c.now); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// A patch that gains by preferences has not lowered what is chosen beyond a bound, on
// average, whatever became of what is rejected.
func TestPreferenceBoundsTheFall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		aim := Aim{Kind: Preference, Beta: rapid.Float64Range(0.01, 5).Draw(t, "β"), Lambda: rapid.Float64Range(0.1, 9).Draw(t, "λ")}
		var gain, fall float64
		n := rapid.IntRange(1, 5).Draw(t, "pairs")
		for range n {
			q, by := ofAim(aim, 1, said(-1, -1)), rapid.Float64Range(-30, 50).Draw(t, "fall of the chosen one")
			now := said(-1-by, -1-rapid.Float64Range(-50, 1e6).Draw(t, "of the rejected one"))
			gain += q.value(now) - q.value(q.before)
			fall += by / float64(n)
		}
		if bound := math.Log(math.Pow(2, 1+1/aim.Lambda)-1) / aim.Beta; gain > 0 && fall > bound*(1+1e-9) {
			t.Fatalf("they fell by %v, above %v, and gained %v", fall, bound, gain)
		}
	})
}

// The derivatives are those of weight times value.
func TestWeightings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		aim := Aim{Kind: rapid.SampledFrom([]Kind{Answer, Preference, Label, Keep, Probe}).Draw(t, "kind"), Beta: 0.7, Lambda: rapid.SampledFrom([]float64{0, 3}).Draw(t, "λ")}
		n := map[Kind]int{Answer: 1, Preference: 2, Label: rapid.IntRange(2, 4).Draw(t, "labels"), Keep: 1, Probe: 2}[aim.Kind]
		if aim.Kind == Probe {
			aim.Metric = probe.SeqLogprob
		}
		value := rapid.Custom(func(t *rapid.T) float64 { return -float64(rapid.IntRange(1, 3000).Draw(t, "ln p")) / 500 })
		before, now := said(rapid.SliceOfN(value, n, n).Draw(t, "before")...), said(rapid.SliceOfN(value, n, n).Draw(t, "now")...)
		if rapid.Bool().Draw(t, "unpatched") {
			now = said(logProbs(before)...)
		}
		q := ofAim(aim, rapid.SampledFrom([]float64{1, 2.5}).Draw(t, "weight"), before)
		if aim.Kind == Label {
			if others := logProbs(now)[1:]; len(others) > 1 {
				now[1+rapid.IntRange(0, len(others)-1).Draw(t, "best")].LogProb += 7 // no tie
			}
		}
		got := q.weighting(now)
		const h = 1e-6
		for k := range now {
			at := func(by float64) float64 {
				moved := append([]engine.Answer{}, now...)
				moved[k].LogProb += by
				moved[k].KL += by
				return q.weight * q.value(moved)
			}
			slope := got.KL
			if got.LogProbs != nil {
				slope = got.LogProbs[k]
			}
			if want := (at(h) - at(-h)) / (2 * h); math.Abs(slope-want) > 1e-6 {
				t.Fatalf("%v: answer %d: slope %v, want %v", aim, k, slope, want)
			}
		}
	})
}

func logProbs(answers []engine.Answer) (all []float64) {
	for _, a := range answers {
		all = append(all, a.LogProb)
	}
	return all
}

func TestParseKind(t *testing.T) {
	for _, k := range []Kind{Probe, Answer, Preference, Label, Keep} {
		if got, err := ParseKind(k.String()); got != k || err != nil {
			t.Errorf("ParseKind(%q) = %v, %v", k, got, err)
		}
		answers := map[Kind]int{Preference: 2, Label: 3}[k]
		if err := NewAim(k).check(max(1, answers)); err != nil {
			t.Errorf("the usual aim %v: %v", NewAim(k), err)
		}
	}
	if _, err := ParseKind("hope"); err == nil || err.Error() != `unknown kind "hope": use probe, answer, preference, label, keep` {
		t.Errorf("error %v", err)
	}
}
