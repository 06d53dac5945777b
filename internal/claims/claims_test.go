package claims

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"bankai"
	"bankai/internal/guard"
	"bankai/internal/report"
	"bankai/internal/stats"
	"bankai/internal/text"
	"bankai/measure"
)

func TestText(t *testing.T) {
	for _, c := range []struct {
		name string
		kind Kind
		want string
	}{
		{"validation#a+b", Answers, "3 of 9 right before, 5 after; 3 fixed, 1 broke"},
		{"held out, answers", Answers, "3 of 9 right before, 5 after; 3 fixed, 1 broke"},
		{"held out, preferences", Preferences, "3 of 9 right before, 5 after; 3 fixed, 1 broke (the chosen answer is the likelier one)"},
		{"held out, labels", Labels, "3 of 9 right before, 5 after; 3 fixed, 1 broke (the label is the likeliest one)"},
		{"held out, likelier answers", Likelier, "of 9 wanted answers 3 became likelier and 1 less likely"},
		{"guard, answers that stayed the same", Unchanged, "5 of 9"},
	} {
		claim := bankai.Claim{Name: c.name, Total: 9, Before: 3, After: 5, Fixed: 3, Broke: 1}
		if KindOf(claim) != c.kind || Text(claim) != c.want {
			t.Errorf("%s: %q, want %q", c.name, Text(claim), c.want)
		}
	}
}

// What was measured of data becomes claims that cannot contradict themselves.
func TestOfData(t *testing.T) {
	list := OfData(bankai.Digest{1}, &measure.DataResult{
		Preferences: &measure.Result{Total: 4, Before: 1, After: 2, Fixed: []string{"a"}, PValue: 1},
		Likelihood:  &measure.Likelihood{Examples: 4, Better: 3, Worse: 1, SignP: stats.McNemar(3, 1)},
	})
	want := []string{"held out, preferences", "held out, likelier answers"}
	if len(list) != len(want) {
		t.Fatalf("got %+v", list)
	}
	for i, c := range list {
		if c.Name != want[i] || c.Total != 4 || c.Probes != (bankai.Digest{1}) || Contradiction(c) != "" {
			t.Errorf("got %+v: %s", c, Contradiction(c))
		}
	}
}

// A claim that no model can make true is found without one.
func TestContradiction(t *testing.T) {
	claim := func(total, before, after, fixed, broke int, p float64) bankai.Claim {
		return bankai.Claim{Total: total, Before: before, After: after, Fixed: fixed, Broke: broke, PValue: p}
	}
	for _, c := range []struct {
		claim bankai.Claim
		want  string
	}{
		{claim(298, 184, 223, 43, 4, stats.McNemar(43, 4)), ""},
		{claim(9, 3, 5, 3, 1, 0.625), ""},
		{claim(9, 3, 5, 3, 1, 0.6250000001), ""}, // as rounded elsewhere
		{claim(0, 0, 0, 0, 0, 1), ""},
		{claim(9, 10, 10, 0, 0, 1), "it counts more than the 9 that there are"},
		{claim(9, 8, 10, 2, 0, 0.5), "it counts more than the 9"},
		{claim(9, 1, 0, 1, 2, 1), "more were fixed or broken than could be"},
		{claim(9, 8, 9, 2, 1, 1), "more were fixed or broken than could be"},
		{claim(9, 3, 6, 3, 1, 0.625), "3 before, 3 fixed and 1 broken make 5, not 6"},
		{claim(math.MaxInt32, 1<<30, 1<<30, 1<<29, 1<<29, 0.5), ""}, // not in time
		{claim(1400, 774, 1164, 430, 40, 1e-80), "of 430 fixed and 40 broken p is 1.23e-83, not 1e-80"},
		{claim(9, 3, 5, 3, 1, 0.01), "of 3 fixed and 1 broken p is 0.62, not 0.01"},
	} {
		if got := Contradiction(c.claim); !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%+v: %q, want %q", c.claim, got, c.want)
		}
	}
}

// The figures of a claim are those of the reports: shares with Wilson's intervals where
// right answers are counted before and after, and what the counts mean.
func TestFigures(t *testing.T) {
	for _, c := range []struct {
		claim          bankai.Claim
		kind, text     string
		before, after  *report.Estimate
		means, against string
	}{
		{
			bankai.Claim{Name: "held-out", Total: 1400, Before: 774, After: 1164, Fixed: 430, Broke: 40, PValue: stats.McNemar(430, 40)},
			"answers", "774 of 1400 right before, 1164 after; 430 fixed, 40 broke", share(774, 1400), share(1164, 1400),
			"a gain that is unlikely to be chance", "",
		},
		{
			bankai.Claim{Name: "held out, likelier answers", Total: 9, Before: 1, After: 3, Fixed: 3, Broke: 1, PValue: 0.625},
			"likelier", "of 9 wanted answers 3 became likelier and 1 less likely", nil, nil, "no evidence of a difference", "",
		},
		{
			bankai.Claim{Name: "held out, likelier answers", Total: 9, PValue: 1},
			"likelier", "of 9 wanted answers 0 became likelier and 0 less likely", nil, nil, "no answer became likelier or less likely", "",
		},
		{
			bankai.Claim{Name: guard.ClaimName, Total: 8, Before: 8, After: 6, Broke: 2, PValue: 0.5},
			"unchanged", "6 of 8", nil, share(6, 8), "", "",
		},
		{
			bankai.Claim{Name: "none", PValue: 1},
			"answers", "0 of 0 right before, 0 after; 0 fixed, 0 broke", nil, nil, "no answer went from wrong to right or back", "",
		},
		{
			bankai.Claim{Name: "more than all", Total: 2, Before: 3, After: 3, PValue: 1},
			"answers", "3 of 2 right before, 3 after; 0 fixed, 0 broke", nil, nil, "", "it counts more than the 2 that there are",
		},
	} {
		want := Figures{c.claim, c.kind, c.text, text.Probability(c.claim.PValue), c.before, c.after, c.means, c.against}
		if got := FiguresOf([]bankai.Claim{c.claim})[0]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", c.claim.Name, got, want)
		}
	}
}

func share(yes, total int) *report.Estimate { e := report.ShareOf(yes, total); return &e }

// Counts that nobody can have made cost no time: beyond mostTested changed answers, p is
// not worked out again.
func TestFiguresOfManyCounts(t *testing.T) {
	n := math.MaxInt32
	huge := bankai.Claim{Name: "huge", Total: n, Before: n / 2, After: n / 2, Fixed: n / 2, Broke: n / 2, PValue: 0.5}
	wrong := bankai.Claim{Name: "wrong", Total: 9, Before: 3, After: 5, Fixed: 3, Broke: 1, PValue: 0.5}
	got := FiguresOf([]bankai.Claim{huge, wrong})
	if got[0].Contradicts != "" || got[1].Contradicts != "of 3 fixed and 1 broken p is 0.62, not 0.50" {
		t.Errorf("%q, %q", got[0].Contradicts, got[1].Contradicts)
	}
}
