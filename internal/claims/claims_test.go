package claims

import (
	"strings"
	"testing"

	"bankai"
	"bankai/internal/stats"
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
		{claim(9, 3, 5, 3, 1, 0.01), "of 3 fixed and 1 broken p is 0.62, not 0.01"},
	} {
		if got := Contradiction(c.claim); !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%+v: %q, want %q", c.claim, got, c.want)
		}
	}
}

// How answers were judged is read from the command that made the patch, or it is said that
// it cannot be.
func TestJudgingOf(t *testing.T) {
	for _, c := range []struct {
		command, rule string
		most          int
		lost          string
	}{
		{"bankai adapt a.jsonl -o p.bankai", "", 0, ""},
		{"bankai adapt a.jsonl --match contains:fold -o p.bankai --max-tokens=9", "contains", 9, ""},
		{"bankai adapt a.jsonl --match=number", "number", 0, ""},
		{"bankai adapt a.jsonl --match 'regex:^a b$'", "", 0, "--match"},
		{"bankai adapt a.jsonl --match", "", 0, "--match"},
		{"bankai adapt a.jsonl --judge judge.sh", "", 0, "--judge"},
		{"bankai adapt a.jsonl --judge 'python3 judge.py' --match number", "number", 0, "--judge"},
		{"bankai adapt a.jsonl --max-tokens many", "", 0, "--max-tokens"},
		{"", "", 0, ""},
	} {
		got, rule := judgingOf(c.command), ""
		if got.rule != nil {
			rule = string(got.rule.Kind)
		}
		if rule != c.rule || got.most != c.most || got.lost != c.lost {
			t.Errorf("%s: rule %q, %d tokens, lost %q", c.command, rule, got.most, got.lost)
		}
	}
}
