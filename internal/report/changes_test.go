package report

import (
	"fmt"
	"strings"
	"testing"

	"bankai/measure"
)

// mark writes the spans of a text with those that differ in brackets.
func mark(spans []span) string {
	var b strings.Builder
	for _, s := range spans {
		if s.Marked {
			fmt.Fprintf(&b, "[%s]", s.Text)
		} else {
			b.WriteString(s.Text)
		}
	}
	return b.String()
}

func TestDiffering(t *testing.T) {
	for _, c := range []struct{ s, other, want string }{
		{"10x^4 + 12x^2", "10x^4 + 4x^3", "10x^4 + [12x^2]"},
		{"10x^4 + 4x^3", "10x^4 + 12x^2", "10x^4 + [4x^3]"},
		{"the red house", "the blue house", "the [red] house"},
		{"the reader", "the reads", "the [reader]"}, // whole words
		{"same", " same\n", "same"},
		{"a b", "a", "a[ b]"},
		{"a", "a b", "a"},
		{"", "a", "[(nothing)]"},
		{"", "", "(nothing)"},
		{"größer", "große", "[größer]"},
	} {
		if got := mark(differing(c.s, c.other)); got != c.want {
			t.Errorf("%q beside %q: %q, want %q", c.s, c.other, got, c.want)
		}
	}
}

// A long text is shortened to what surrounds the difference, and the whole is there.
func TestShortened(t *testing.T) {
	same := strings.Repeat("word ", 100)
	l := shortened(same+"one", same+"two")
	if got := mark(l.Short); !strings.HasPrefix(got, "…") || !strings.HasSuffix(got, "[one]") || len(got) > longText {
		t.Errorf("%q", got)
	}
	if got := mark(l.Whole); got != same+"[one]" {
		t.Errorf("%q", got)
	}
	if l := shortened("short", "other"); l.Whole != nil {
		t.Errorf("%v", l)
	}
	if got := mark(plainText(same).Short); len([]rune(got)) != longText+1 || !strings.HasSuffix(got, "…") {
		t.Errorf("%q", got)
	}
}

// dataResult is of two answers, one hostile and long.
func dataResult() *measure.DataResult {
	hostile := `</td><script>alert("x")</script> & ` + strings.Repeat("long ", 80) + "\x1b[31m"
	outputs := []measure.Output{
		{Name: "lost", Prompt: "<b>?</b>", Correct: hostile, Before: hostile, After: hostile + "<img src=x onerror=y>", RightBefore: true, ReasonBefore: "fine", ReasonAfter: "<i>goes on</i>"},
		{Name: "won", Prompt: "1 + 2 =", Correct: "3", Before: "4", After: "3", RightAfter: true},
	}
	return &measure.DataResult{
		Answers: &measure.Result{
			Total: 2, Before: 1, After: 1, Fixed: []string{"won"}, Broke: []string{"lost"}, PValue: 1,
			ByCategory: map[string]measure.Counts{"": {Total: 2, Before: 1, After: 1, Fixed: 1, Broke: 1}}, Outputs: outputs,
		},
		Labels: &measure.Result{
			Total: 1, Before: 1, StayedRight: 1, After: 1, PValue: 1, ByCategory: map[string]measure.Counts{"": {Total: 1, Before: 1, After: 1}},
			Outputs: []measure.Output{{Name: "l", Prompt: "x", Correct: "<u>", Before: "<u>", After: "<u>", RightBefore: true, RightAfter: true}},
		},
		Confusion:  &measure.Confusion{Labels: []string{"<u>", "b"}, Before: [][]int{{1, 0}, {0, 0}}, After: [][]int{{1, 0}, {0, 0}}},
		Likelihood: &measure.Likelihood{Examples: 2, Tokens: 8, PerAnswer: []measure.Shift{{Name: "<s>"}}, Better: 1, Worse: 1, SignP: 1, RankP: 1},
		MaxTokens:  20, Cut: 1, Undecided: 1,
	}
}

// Nothing that a model or the data say becomes markup; what differs is marked; long texts
// are whole behind a click.
func TestDataPage(t *testing.T) {
	var b strings.Builder
	e := &EvaluatedData{About: About{Experiment: "eval", Command: "bankai eval <x>"}, Data: []string{"<d>"}, Patches: []string{"p"}, Taken: []string{"<t>"}, Result: dataResult()}
	if err := WriteResults(&b, "bankai report", e); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, bad := range []string{"<script", "<img", "<i>goes", "<b>?", "<u>", "<s>", "<t>", "<d>", "<x>"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
	for _, want := range []string{
		"Broke: answers 1", "Fixed: answers 1", "<mark>&lt;img src=x onerror=y&gt;</mark>", "<details><summary><span", "&lt;i&gt;goes on",
		"Stayed right: labels 1", "Labels: wanted (rows)", "1 answer was cut off there",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

// On a terminal long answers stand below each other, from where they differ.
func TestWriteData(t *testing.T) {
	var b strings.Builder
	if err := WriteData(&b, dataResult(), true, false); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, want := range []string{
		"1 of 2 right before, 1 after: 1 fixed, 1 broke",
		"\nBroke:\n  lost: <b>?</b>\n    wanted  …",
		"long ·[31m<img src=x onerror=y>\n            (<i>goes on</i>)\n",
		"\nFixed:\n  1 + 2 =  4  → 3  wanted 3\n",
		"Of 2 examples 1 became likelier and 1 less likely (sign test: p = 1.00; Wilcoxon: p = 1.00). This is no evidence of a difference.",
		"1 answer is neither right nor wrong",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
	for line := range strings.Lines(got[strings.Index(got, "Broke:"):]) {
		if len([]rune(line)) > lineWidth+1 && strings.HasPrefix(line, "    ") {
			t.Errorf("too wide: %q", line)
		}
	}
	if strings.Contains(got, "\x1b") {
		t.Error("control characters come through")
	}
}

// Without a patch nothing is before or after.
func TestWriteDataOfTheBase(t *testing.T) {
	r := dataResult()
	r.Answers.Outputs[0].After = r.Answers.Outputs[0].Before
	var b strings.Builder
	if err := WriteData(&b, r, false, true); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); strings.Contains(got, "before") || strings.Contains(got, "after") || !strings.Contains(got, "1 of 2 right.") {
		t.Errorf("%s", got)
	}
}
