package report

import (
	"strings"
	"testing"

	"bankai/measure"
)

// What is said of a result is what eval and reports say, with Wilson's intervals.
func TestSaid(t *testing.T) {
	right := measure.Output{Category: "a", RightBefore: true, RightAfter: true}
	fixed := measure.Output{Category: "", RightAfter: true}
	counts := measure.Counts{Total: 10, After: 10, Fixed: 10}
	r := &measure.Result{
		Total: 12, Before: 2, After: 12, Fixed: make([]string, 10), StayedRight: 2, PValue: 0.001953125,
		ByCategory: map[string]measure.Counts{"a": {Total: 2, Before: 2, After: 2}, "": counts}, Outputs: []measure.Output{right, fixed},
		SeqLogprob: &measure.BeforeAfter{Before: 0.5, After: -1},
	}
	said := SaidOf(r, true)
	if said.Verdict != Verdict(r) || said.Meaning != "The gain is unlikely to be chance." || said.Chance != "If the patch changed answers at random, a split at least as uneven would come up about once in 500 cases." || said.P != "0.002" {
		t.Errorf("%+v", said)
	}
	if said.Likelihood != "Mean seq_logprob +0.500 before, -1.000 after (nats)." {
		t.Error(said.Likelihood)
	}
	for i, want := range []string{"a a 100.0 % (34.2 to 100.0) 100.0 % (34.2 to 100.0)", " (none) 0.0 % (0.0 to 27.8) 100.0 % (72.2 to 100.0)", " all 16.7 % (4.7 to 44.8) 100.0 % (75.8 to 100.0)"} {
		c := said.Categories[i]
		if got := strings.Join([]string{c.Category, c.Name, c.WasText, c.IsText}, " "); got != want || c.Whole != (i == 2) || c.Was.String() != c.WasText {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if base := SaidOf(r, false); base.Verdict != "2 of 12 right." || base.Likelihood != "Mean seq_logprob +0.500 (nats)." {
		t.Errorf("of a model as it is: %+v", base)
	}
	if same := SaidOf(&measure.Result{Total: 1, PValue: 1}, true); same.Meaning != "" || same.Chance != "" || !strings.HasSuffix(same.Verdict, "No answer changed from right to wrong or back.") {
		t.Errorf("of no change: %+v", same)
	}
}
