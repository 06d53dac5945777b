package experiment

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/report"
	"bankai/internal/reporttest"
	"bankai/measure"
	"bankai/probe"
)

// The figures are those of answers that are generated one at a time with the
// patch in place.
func TestVariations(t *testing.T) {
	probes, search, patch := someProbes(t, "heldout", 24), someProbes(t, "search", 12), threePatches()[0]
	v := steady(t, func(ctx context.Context, r *Run) (*Variations, error) {
		return MeasureVariations(ctx, r, VariationOptions{Patch: patch, Probes: probes, Search: &search})
	})
	m := enginetest.Demo(t, engine.Options{Threads: 2})
	before, after := plainly(t, m, probes.Set), plainly(t, m, probes.Set, patch.Patch)
	counted(t, "unseen", v.Unseen.All, before, after)
	if v.Unseen.All.Fixed+v.Unseen.All.Broke == 0 {
		t.Error("the patch changes no answer: the test shows nothing")
	}
	var ps []float64
	for _, c := range v.Unseen.Categories {
		var was, is measure.Measurement
		for i, p := range probes.Set {
			if p.Category == c.Category {
				was.Right, is.Right = append(was.Right, before.Right[i]), append(is.Right, after.Right[i])
				was.SeqLogprob, is.SeqLogprob = append(was.SeqLogprob, before.SeqLogprob[i]), append(is.SeqLogprob, after.SeqLogprob[i])
			}
		}
		counted(t, c.Category, c.AnswerChange, &was, &is)
		ps = append(ps, c.PValue)
	}
	for i, c := range v.Unseen.Categories {
		if want := stepDown(ps)[i]; math.Abs(c.Holm-want) > 1e-12 {
			t.Errorf("%s: p (Holm) %v, want %v", c.Category, c.Holm, want)
		}
	}
	seenBefore, seenAfter := plainly(t, m, search.Set), plainly(t, m, search.Set, patch.Patch)
	counted(t, "seen", v.Seen.All, seenBefore, seenAfter)
	seen, unseen := v.Seen.All, v.Unseen.All
	gap := float64(seen.After-seen.Before)/12 - float64(unseen.After-unseen.Before)/24
	if math.Abs(v.Gap.Right.Value-gap) > 1e-15 || v.Gap.Right.Low > gap || v.Gap.Right.High < gap || v.Gap.SeqLogprob.Value != seen.Gain.Value-unseen.Gain.Value {
		t.Errorf("gap %+v, want %v and %v", v.Gap, gap, seen.Gain.Value-unseen.Gain.Value)
	}
	seenOf, unseenOf := categoryChanges(v.Seen), categoryChanges(&v.Unseen)
	for _, g := range v.Gap.ByCategory {
		a, b := seenOf[g.Category], unseenOf[g.Category]
		want := float64(a.After-a.Before)/float64(a.Total) - float64(b.After-b.Before)/float64(b.Total)
		if g.Seen != a.Total || g.Unseen != b.Total || math.Abs(g.Right.Value-want) > 1e-15 {
			t.Errorf("gap of a category %+v, want %v of %d and %d", g, want, a.Total, b.Total)
		}
		delete(seenOf, g.Category)
	}
	for name := range seenOf {
		if _, both := unseenOf[name]; both {
			t.Errorf("%s is in both sets and has no gap", name)
		}
	}
	if len(v.Gap.ByCategory) == 0 {
		t.Error("no category is in both sets: the test shows nothing")
	}
	for i, g := range v.Generated.Answers[:24] {
		if want := []string{before.Texts[i], after.Texts[i]}; !slices.Equal(g.Texts, want) || g.Prompt != probes.Set[i].Prompt || g.Set != "heldout" {
			t.Errorf("kept %+v, want %q", g, want)
		}
	}
	if v.Generated.Answers[24].Set != "search" || len(v.Generated.Answers) != 36 {
		t.Errorf("%d answers kept", len(v.Generated.Answers))
	}
	reporttest.ReadBack(t, v, "variations", Own)
}

// categoryChanges are a set's by category.
func categoryChanges(c *SetChange) map[string]AnswerChange {
	by := map[string]AnswerChange{}
	for _, k := range c.Categories {
		by[k.Category] = k.AnswerChange
	}
	return by
}

// Of two categories in both sets one gains on what the search saw alone. The other
// gains nothing, as does one of which too few were seen for an interval, and two
// are not in both.
func TestCategoryGaps(t *testing.T) {
	of := func(counts map[string]int, names ...string) (set probe.Set) {
		for _, name := range names {
			for range counts[name] {
				set = append(set, probe.Probe{Category: name})
			}
		}
		return set
	}
	seen := of(map[string]int{"sum": 8, "fact": 6, "few": 3, "one": 2}, "sum", "fact", "few", "one")
	unseen := of(map[string]int{"two": 4, "fact": 6, "sum": 12, "few": 9}, "two", "fact", "sum", "few")
	seenMarks, unseenMarks := make([]float64, len(seen)), make([]float64, len(unseen))
	for i := range 6 {
		seenMarks[i] = 1
	}
	seenMarks[14], unseenMarks[10] = 1, -1 // of few, of sum
	gaps := categoryGaps(1, seen, unseen, seenMarks, unseenMarks)
	if len(gaps) != 3 {
		t.Fatalf("%+v", gaps)
	}
	sum, fact, few := gaps[0], gaps[1], gaps[2]
	if want := gapOf(1, seenMarks[:8], unseenMarks[10:22]); sum != (CategoryGap{"sum", 8, 12, want}) || math.Abs(want.Value-(6./8+1./12)) > 1e-15 {
		t.Errorf("%+v, want %+v", sum, want)
	}
	if fact != (CategoryGap{"fact", 6, 6, report.Estimate{N: 12}}) {
		t.Errorf("%+v", fact)
	}
	if few.Right.Value != 1./3 || !math.IsNaN(few.Right.Low) {
		t.Errorf("%+v", few)
	}
	v := &Variations{Seen: &SetChange{}, Gap: &MemoryGap{ByCategory: gaps}}
	const want = "By category, the patch does more for what the search saw in sum. The intervals are not corrected for the number of categories, 3."
	if p := v.Present(); !slices.Contains(p.Findings, want) || p.Tables[len(p.Tables)-1].Name != "variations-gap-categories" || len(p.Tables[len(p.Tables)-1].Rows) != 3 {
		t.Errorf("%q, %+v", p.Findings, p.Tables)
	}
	v.Gap.ByCategory = nil // as an earlier program wrote it
	if p := v.Present(); len(p.Tables) != 3 || len(p.Findings) != 4 {
		t.Errorf("%q, %+v", p.Findings, p.Tables)
	}
}

// stepDown is Holm's correction as it is told: the least p-value times m, the
// next times m − 1, and none below the one before.
func stepDown(ps []float64) []float64 {
	out, left := make([]float64, len(ps)), allOf(len(ps))
	least := 0.0
	for len(left) > 0 {
		k := 0
		for i := range left {
			if ps[left[i]] < ps[left[k]] {
				k = i
			}
		}
		least = min(1, max(least, ps[left[k]]*float64(len(left))))
		out[left[k]] = least
		left = slices.Delete(left, k, k+1)
	}
	return out
}

// answersOf makes answers from marks: + is right, − is wrong.
func answersOf(marks string) *measure.Measurement {
	m := &measure.Measurement{}
	for _, c := range marks {
		m.Right, m.SeqLogprob = append(m.Right, c == '+'), append(m.SeqLogprob, 0)
	}
	return m
}

// fixedAndBroke are the answers before and after a patch that fixes, breaks and
// leaves right the given numbers of answers.
func fixedAndBroke(fixed, broke, right int) (before, after *measure.Measurement) {
	return answersOf(strings.Repeat("-", fixed) + strings.Repeat("+", broke+right)),
		answersOf(strings.Repeat("+", fixed) + strings.Repeat("-", broke) + strings.Repeat("+", right))
}

// The published patch fixed 2 and broke 15, 49 to 36 of 90: twice the sum of
// C(17, 0), C(17, 1) and C(17, 2) of 2¹⁷.
func TestChangeOfThePublishedPatch(t *testing.T) {
	before, after := fixedAndBroke(2, 15, 34)
	for range 39 { // that stayed wrong
		before.Right, after.Right = append(before.Right, false), append(after.Right, false)
		before.SeqLogprob, after.SeqLogprob = append(before.SeqLogprob, 0), append(after.SeqLogprob, 1)
	}
	c := changeOf(before, after, allOf(90))
	if want := (measure.Counts{Total: 90, Before: 49, After: 36, Fixed: 2, Broke: 15}); c.Counts != want {
		t.Errorf("%+v", c.Counts)
	}
	if want := 2 * (1 + 17 + 136.) / 131072; c.PValue != want {
		t.Errorf("p = %v, want %v", c.PValue, want)
	}
	if c.Gain.Value != 39./90 {
		t.Errorf("gain %v", c.Gain)
	}
}

func TestVerdict(t *testing.T) {
	type counts struct{ fixed, broke, right int }
	for _, c := range []struct {
		name   string
		unseen counts
		seen   *counts
		want   Verdict
		says   string
	}{
		{"fixes", counts{10, 1, 30}, nil, Generalises, "The patch generalises"},
		{"fixes, and more of what it saw", counts{10, 1, 300}, &counts{20, 0, 5}, Generalises, "It gains more on those that the search saw."},
		{"breaks", counts{2, 15, 30}, nil, Harms, "The patch does harm"},
		{"breaks all", counts{2, 15, 30}, &counts{1, 3, 2}, Harms, "The patch does harm"},
		{"breaks but what it saw", counts{2, 15, 30}, &counts{6, 0, 0}, Memorised, "saw, and not on unseen ones."},
		{"does nothing but to what it saw", counts{3, 3, 60}, &counts{12, 0, 8}, Memorised, "saw, and no gain on unseen ones is shown."},
		{"too few were seen", counts{3, 3, 60}, &counts{5, 0, 3}, NoEvidence, "No evidence"},
		{"gains a little on both", counts{5, 0, 15}, &counts{8, 0, 22}, NoEvidence, "No evidence"},
		{"does nothing", counts{0, 0, 9}, nil, NoEvidence, "No evidence"},
	} {
		change := func(n counts) (SetChange, []float64) {
			before, after := fixedAndBroke(n.fixed, n.broke, n.right)
			s := measure.Named{Name: "s", Set: someProbes(t, "heldout", n.fixed+n.broke+n.right).Set}
			return setChange(s, before, after), marksOf(before, after)
		}
		v := &Variations{}
		var marks []float64
		v.Unseen, marks = change(c.unseen)
		if c.seen != nil {
			seen, seenMarks := change(*c.seen)
			v.Seen, v.Gap = &seen, &MemoryGap{Right: gapOf(1, seenMarks, marks)}
		}
		v.Verdict = v.judge()
		if v.Verdict != c.want || !strings.Contains(v.finding(), c.says) {
			t.Errorf("%s: %s: %s", c.name, v.Verdict, v.finding())
		}
	}
}

// The interval of a gap is near the one of two independent means, ±1.96 standard
// errors, and the same for the same seed.
func TestGapOf(t *testing.T) {
	var a, b []float64
	for i := range 300 {
		a, b = append(a, float64(i%3)), append(b, float64(i%2))
	}
	got := gapOf(3, a, b)
	half := 1.96 * math.Sqrt((2./3+1./4)/300)
	if got.Value != 0.5 || math.Abs(got.Low-(0.5-half)) > half/5 || math.Abs(got.High-(0.5+half)) > half/5 {
		t.Errorf("%+v, want 0.5 ± %.3f", got, half)
	}
	if again := gapOf(3, a, b); again != got {
		t.Errorf("again: %+v", again)
	}
}
