package experiment

import (
	"context"
	"math"
	"testing"

	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/reporttest"
	"bankai/measure"
)

func TestComparison(t *testing.T) {
	probes, patches := someProbes(t, "heldout", 34), threePatches()
	c := steady(t, func(ctx context.Context, r *Run) (*Comparison, error) {
		return MeasureComparison(ctx, r, CompareOptions{Patches: patches, Probes: probes})
	})
	m := enginetest.Demo(t, engine.Options{Threads: 2})
	before := plainly(t, m, probes.Set)
	var by []*measure.Measurement
	for i, p := range patches {
		by = append(by, plainly(t, m, probes.Set, p.Patch))
		counted(t, p.Name, c.Patches[i].AnswerChange, before, by[i])
	}
	if c.Base.Value != float64(c.Patches[0].Before)/34 {
		t.Errorf("base %v", c.Base)
	}
	var ps []float64
	for _, d := range c.Pairs {
		a, b := by[d.A[0]-'a'], by[d.B[0]-'a']
		var onlyA, onlyB int
		for i := range a.Right {
			if a.Right[i] != b.Right[i] {
				onlyA, onlyB = onlyA+one(a.Right[i]), onlyB+one(b.Right[i])
			}
		}
		if d.OnlyA != onlyA || d.OnlyB != onlyB || math.Abs(d.PValue-tail(onlyA, onlyB)) > 1e-12 {
			t.Errorf("%+v, want %d and %d", d, onlyA, onlyB)
		}
		ps = append(ps, d.PValue)
	}
	for i, want := range stepDown(ps) {
		if math.Abs(c.Pairs[i].Holm-want) > 1e-12 {
			t.Errorf("%+v, want p (Holm) %v", c.Pairs[i], want)
		}
	}
	if len(c.Pairs) != 3 {
		t.Errorf("%d pairs of 3 patches", len(c.Pairs))
	}
	// 40 whole rows of 256 weights, of which none is shared with the next row.
	if s := c.Patches[0].PatchSize; s.Flips != 40 || s.Bits != 40*256 || s.Bytes < 40 {
		t.Errorf("%+v", s)
	}
	reporttest.ReadBack(t, c, "compare", Own)
}

// Of ten answers, A alone has five and B alone one: 2·(1 + 6)/64.
func TestDuel(t *testing.T) {
	d := pairwiseTest(answersOf("+++++-++--"), answersOf("-----+++--"))
	if d.OnlyA != 5 || d.OnlyB != 1 || d.PValue != 14./64 {
		t.Errorf("%+v", d)
	}
}

// Where many pairs differ, those that do not are told.
func TestComparisonOfMany(t *testing.T) {
	pairs := func(differ, alike int) (all []PairwiseTest) {
		for i := range differ + alike {
			d := PairwiseTest{A: string(rune('a' + i)), B: string(rune('A' + i)), McNemar: McNemar{Holm: 0.01}}
			if i >= differ {
				d.Holm = 0.05
			}
			all = append(all, d)
		}
		return all
	}
	for _, c := range []struct {
		differ, alike int
		want          string
	}{
		{0, 2, "But no two patches differ by more than chance may do."},
		{4, 3, "Beyond chance differ a from A, b from B, c from C, d from D."},
		{5, 2, "All pairs differ beyond chance but for f and F; g and G."},
		{5, 0, "All pairs differ beyond chance."},
	} {
		x := &Comparison{Pairs: pairs(c.differ, c.alike), Patches: []Compared{{PatchSize: PatchSize{Name: "x"}}}}
		if got := x.findings()[1]; got != "Most right answers: x. "+c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
}

func TestComparisonFindings(t *testing.T) {
	base, better := fixedAndBroke(20, 1, 10)
	c := &Comparison{}
	c.compare([]PatchSize{{Name: "x"}, {Name: "y"}, {Name: "z"}}, []*measure.Measurement{base, better, base, better})
	got := c.findings()
	for i, want := range []string{
		"x: 30 of 31 right, base 11: 20 fixed, 1 broke, p (Holm) = 6.3e-05: a gain that is unlikely to be chance.",
		"y: 11 of 31 right, base 11: 0 fixed, 0 broke, p (Holm) = 1.00: no answer went from wrong to right or back.",
		"z: 30 of 31 right, base 11: 20 fixed, 1 broke, p (Holm) = 6.3e-05: a gain that is unlikely to be chance.",
		"Most right answers: x, z. Beyond chance differ x from y, y from z.",
	} {
		if got[i] != want {
			t.Errorf("%s\nwant %s", got[i], want)
		}
	}
}
