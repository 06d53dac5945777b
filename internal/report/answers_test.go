package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bankai/measure"
	"bankai/probe"
)

// four probes, one for each fate.
func fourFates() (set probe.Set, before, after *measure.Measurement) {
	set = probe.Set{
		{Name: "kept", Category: "sum", Prompt: "1 + 1 =", Correct: " 2"},
		{Name: "gained", Category: "sum", Prompt: "1 + 2 =", Correct: " 3"},
		{Name: "lost", Category: "fact", Prompt: "Snow is", Correct: " white"},
		{Name: "never", Prompt: "Is 91 prime?", Correct: " No"},
	}
	before = &measure.Measurement{Texts: []string{" 2", " 4", " white", " Yes"}, Right: []bool{true, false, true, false}, SeqLogprob: []float64{1, -1, 2, 0}}
	after = &measure.Measurement{Texts: []string{" 2", " 3", "\x1b[31m", ""}, Right: []bool{true, true, false, false}, SeqLogprob: []float64{1, 1, 1, 1}}
	return set, before, after
}

func TestWriteAnswers(t *testing.T) {
	const want = `
  probes  before  after  fixed  broke  category
       2       1      2      1      0  sum
       1       1      0      0      1  fact
       1       0      0      0      0  (none)
       4       2      2      1      1  all

2 of 4 right before, 2 after: 1 fixed, 1 broke (McNemar, exact: p = 1.00). This is no evidence of a difference. If the patch changed answers at random, a split at least as uneven would come up practically always.
Mean seq_logprob +0.500 before, +1.000 after (nats).

Broke:
  Snow is  white  → ·[31m  wanted white

Fixed:
  1 + 2 =  4  → 3  wanted 3

Stayed right:
  1 + 1 =  2  → 2  wanted 2

Stayed wrong:
  Is 91 prime?  Yes  → (nothing)  wanted No
`
	var b strings.Builder
	if err := WriteAnswers(&b, measure.Compare(fourFates()), true); err != nil {
		t.Fatal(err)
	}
	if b.String() != want[1:] {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want[1:])
	}
}

// All that broke is open to view; of what was fixed the first answers are, the
// rest and the unchanged a click away.
func TestAnswerGroups(t *testing.T) {
	r := &measure.Result{}
	for range openRows + 3 {
		r.Outputs = append(r.Outputs, measure.Output{RightAfter: true}, measure.Output{RightBefore: true}, measure.Output{}, measure.Output{RightBefore: true, RightAfter: true})
	}
	groups := answerGroups(r)
	for i, want := range []struct {
		name        string
		first, more int
	}{{"Fixed", openRows, 3}, {"Stayed right", 0, openRows + 3}, {"Stayed wrong", 0, openRows + 3}} {
		if g := groups[i]; g.Name != want.name || len(g.First) != want.first || len(g.More) != want.more {
			t.Errorf("group %d: %s %d + %d, want %v", i, g.Name, len(g.First), len(g.More), want)
		}
	}
}

// What broke is listed whole, worst category first.
func TestBrokenByCategory(t *testing.T) {
	r := &measure.Result{
		ByCategory: map[string]measure.Counts{"a": {Total: 3, Before: 2, Broke: 1, Fixed: 1}, "b": {Total: 1}, "": {Total: 2, Before: 2, Broke: 2}},
		Outputs: []measure.Output{
			{Name: "1", Category: "a", RightBefore: true},
			{Name: "2", Category: "a", RightAfter: true},
			{Name: "3", Category: "b"},
			{Name: "4", RightBefore: true},
			{Name: "5", Category: "a", RightBefore: true, RightAfter: true},
			{Name: "6", RightBefore: true},
		},
	}
	var got []string
	for _, g := range brokenByCategory(r) {
		line := fmt.Sprintf("%s %d of %d:", g.Name, g.Broke, g.Before)
		for _, o := range g.Outputs {
			line += " " + o.Name
		}
		got = append(got, line)
	}
	if want := []string{"(none) 2 of 2: 4 6", "a 1 of 2: 1"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Shares have tenths of a per cent; what is little, or nearly all, is never said to be none
// or all.
func TestIntervals(t *testing.T) {
	for _, c := range []struct {
		right, total int
		want         string
	}{
		{3, 4, "75.0 % (30.1 to 95.4)"},
		{7, 15, "46.7 % (24.8 to 69.9)"},
		{0, 10_000, "0.0 % (0.0 to 0.04)"},
		{10_000, 10_000, "100.0 % (99.96 to 100.0)"},
		{3, 10_000, "0.03 % (0.01 to 0.1)"},
		{0, 0, "0.0 % (0.0 to 100.0)"},
	} {
		if got := newInterval(c.right, c.total).String(); got != c.want {
			t.Errorf("%d of %d: %s, want %s", c.right, c.total, got, c.want)
		}
	}
}

// A category that is a whole text is cut short where it is shown.
func TestLongCategory(t *testing.T) {
	if got := []rune(CategoryName(strings.Repeat("é", 1<<20))); len(got) != longestCategory {
		t.Errorf("%d characters are shown", len(got))
	}
}
