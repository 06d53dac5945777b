package measure

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bankai/internal/stats"
	"bankai/probe"
)

// Seen from the other side, what was fixed is broken: nothing else changes. And every
// probe has one fate, in one category.
func TestCompareFromTheOtherSide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var set probe.Set
		before, after := &Measurement{}, &Measurement{}
		for i := range rapid.IntRange(0, 12).Draw(t, "n") {
			set = append(set, probe.Probe{Name: fmt.Sprint(i), Category: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "category")})
			for _, m := range []*Measurement{before, after} {
				m.Texts, m.SeqLogprob = append(m.Texts, ""), append(m.SeqLogprob, float64(i))
				m.Right = append(m.Right, rapid.Bool().Draw(t, "right"))
			}
		}
		there, back := Compare(set, before, after), Compare(set, after, before)
		c := there.Counts()
		if want := (Counts{c.Total, c.After, c.Before, c.Broke, c.Fixed}); back.Counts() != want || back.PValue != there.PValue {
			t.Errorf("there %+v (p = %v), back %+v (p = %v)", c, there.PValue, back.Counts(), back.PValue)
		}
		if !slices.Equal(there.Fixed, back.Broke) || !slices.Equal(there.Broke, back.Fixed) || there.StayedRight != back.StayedRight {
			t.Errorf("there %v and %v, back %v and %v", there.Fixed, there.Broke, back.Fixed, back.Broke)
		}
		if c.Fixed+c.Broke+there.StayedRight+there.StayedWrong != c.Total || c.Before-c.Broke+c.Fixed != c.After {
			t.Errorf("the fates do not add up: %+v", there)
		}
		var sum Counts
		for _, name := range there.Categories() {
			k := there.ByCategory[name]
			sum = Counts{sum.Total + k.Total, sum.Before + k.Before, sum.After + k.After, sum.Fixed + k.Fixed, sum.Broke + k.Broke}
		}
		if sum != c || there.PValue != stats.McNemar(c.Broke, c.Fixed) {
			t.Errorf("the categories have %+v, the set %+v", sum, c)
		}
	})
}

// auditedSet is of few prompts and answers, so that it has nearly every defect.
func auditedSet(t *rapid.T) (set probe.Set) {
	answers := rapid.SampledFrom([]string{" 2", "2", " 3", " 2.", " 1/2", " 0.5", " yes", " Yes", "\n", " x^2 + C"})
	for i := range rapid.IntRange(1, 8).Draw(t, "n") {
		set = append(set, probe.Probe{
			Name: fmt.Sprintf("p%d", i), Category: rapid.SampledFrom([]string{"", "c"}).Draw(t, "category"),
			Prompt:  rapid.SampledFrom([]string{"1 + 1 =", "1+1 =", "half", "is it", "derive"}).Draw(t, "prompt"),
			Correct: answers.Draw(t, "correct"), Wrong: answers.Draw(t, "wrong"),
		})
	}
	return set
}

// kindsOf are the findings about single probes, but those that a pair of probes has,
// which stand with the later one.
func kindsOf(f Findings) (out []string) {
	for _, x := range f {
		if x.Probe != "" && x.Kind != Duplicate && x.Kind != Contradiction {
			out = append(out, fmt.Sprint(x.Probe, " ", x.Kind, " ", x.Severity, " ", x.Detail))
		}
	}
	slices.Sort(out)
	return out
}

// What is wrong with a probe alone does not depend on where it stands in the set. Of a
// set that another shares every probe leaks. The summary counts all defects, the worst
// first.
func TestAuditInAnyOrder(t *testing.T) {
	ctx := context.Background()
	rapid.Check(t, func(t *rapid.T) {
		set := auditedSet(t)
		m := rapid.SampledFrom([]probe.Metric{probe.AnswerLogprob, probe.TokenGap}).Draw(t, "metric")
		other := rapid.Permutation(set).Draw(t, "order")
		one, err := Audit(ctx, set, m, nil, bytewise{" =", "= "}, nil)
		if err != nil {
			t.Fatal(err)
		}
		two, err := Audit(ctx, other, m, nil, bytewise{" =", "= "}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := kindsOf(one), kindsOf(two); !slices.Equal(a, b) {
			t.Errorf("%s\nin another order:\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
		}
		leaks, err := Audit(ctx, set, m, []Named{{"other.json", other}}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(leaks.Of(Leakage, Fatal)); n != len(set) || !leaks.Fatal() {
			t.Errorf("of %d probes that another set has %d leak", len(set), n)
		}
		total := 0
		for _, r := range one.Summary() {
			total += r.Count
		}
		if n := len(one.Defects()); n != total || n+len(one.Of(Overview, Info)) != len(one) {
			t.Errorf("%d findings, %d defects, the summary counts %d", len(one), n, total)
		}
		if !slices.IsSortedFunc(one.Summary(), func(a, b KindCount) int { return cmp.Compare(worth(a), worth(b)) }) {
			t.Errorf("not the worst first: %+v", one.Summary())
		}
	})
}

func worth(k KindCount) int { return slices.Index([]Severity{Fatal, Warning, Info}, k.Severity) }

// A probe fits as long as all but its last token do, which nobody reads; every answer
// is looked at, and without a limit everything fits.
func TestCheckLength(t *testing.T) {
	p := probe.Probe{Name: "p", Prompt: "12345", Correct: "67", Wrong: "6"} // 5 + 2 + the end of the line
	long := p
	long.Name, long.Wrong = "long", "67890"
	other := p
	other.Name, other.Alternates = "other", []string{"678901"}
	for _, c := range []struct {
		set     probe.Set
		context int
		want    string
	}{
		{probe.Set{p}, 7, ""},
		{probe.Set{p}, 6, "probe p: prompt and answer are 8 tokens, more than the model's context of 6: shorten it, or leave it out"},
		{probe.Set{p, long}, 9, "probe long: prompt and answer are 11 tokens, more than the model's context of 9: shorten it, or leave it out"},
		{probe.Set{p, long}, 10, ""},
		{probe.Set{p, other, long}, 7, "probe other (and 1 more): prompt and answer are 12 tokens, more than the model's context of 7: shorten it, or leave it out"},
		{probe.Set{p, other, long}, 0, ""},
		{nil, 1, ""},
	} {
		got := ""
		if err := CheckLength(c.set, bytewise{}, c.context); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%d probes in %d tokens: %q, want %q", len(c.set), c.context, got, c.want)
		}
	}
	found, rest, tokens := auditLengths(nil, probe.Set{long, p, other}, make([]probe.Tokens, 3), bytewise{}, 7)
	if len(found.Of(TooLong, Fatal)) != 2 || !reflect.DeepEqual(rest, probe.Set{p}) || len(tokens) != 1 {
		t.Errorf("%+v, left are %+v", found, rest)
	}
}
