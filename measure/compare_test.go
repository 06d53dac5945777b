package measure

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bankai/probe"
)

// four probes, one for each fate.
func fourFates() (set probe.Set, before, after *Measurement) {
	set = probe.Set{
		{Name: "kept", Category: "sum", Prompt: "1 + 1 =", Correct: " 2"},
		{Name: "gained", Category: "sum", Prompt: "1 + 2 =", Correct: " 3"},
		{Name: "lost", Category: "fact", Prompt: "Snow is", Correct: " white"},
		{Name: "never", Prompt: "Is 91 prime?", Correct: " No"},
	}
	before = &Measurement{[]string{" 2", " 4", " white", " Yes"}, []bool{true, false, true, false}, []float64{1, -1, 2, 0}}
	after = &Measurement{[]string{" 2", " 3", "\x1b[31m", ""}, []bool{true, true, false, false}, []float64{1, 1, 1, 1}}
	return set, before, after
}

func TestCompareJSON(t *testing.T) {
	r := Compare(fourFates())
	r.Outputs = r.Outputs[1:2]
	got, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
 "total": 4,
 "before": 2,
 "after": 2,
 "fixed": ["gained"],
 "broke": ["lost"],
 "stayed_right": 1,
 "stayed_wrong": 1,
 "p_value": 1,
 "by_category": {
  "": {"total": 1, "before": 0, "after": 0, "fixed": 0, "broke": 0},
  "fact": {"total": 1, "before": 1, "after": 0, "fixed": 0, "broke": 1},
  "sum": {"total": 2, "before": 1, "after": 2, "fixed": 1, "broke": 0}
 },
 "seq_logprob": {"before": 0.5, "after": 1},
 "outputs": [{"name": "gained", "category": "sum", "prompt": "1 + 2 =", "correct": " 3",
  "before": " 4", "after": " 3", "right_before": false, "right_after": true}]
}`
	var g, w any
	if json.Unmarshal(got, &g) != nil || json.Unmarshal([]byte(want), &w) != nil || !reflect.DeepEqual(g, w) {
		t.Errorf("got %s", got)
	}
}

// Without changes the lists are empty, not null.
func TestCompareNothing(t *testing.T) {
	set, before, _ := fourFates()
	b, err := json.Marshal(Compare(set, before, before))
	if err != nil || !strings.Contains(string(b), `"fixed":[],"broke":[]`) {
		t.Errorf("%s, %v", b, err)
	}
}

// The counts always add up, in the whole and by category.
func TestCompareAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 30).Draw(t, "n")
		set := make(probe.Set, n)
		before := &Measurement{Texts: make([]string, n), Right: make([]bool, n), SeqLogprob: make([]float64, n)}
		after := &Measurement{Texts: make([]string, n), Right: make([]bool, n), SeqLogprob: make([]float64, n)}
		for i := range set {
			set[i].Category = rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "category")
			before.Right[i], after.Right[i] = rapid.Bool().Draw(t, "before"), rapid.Bool().Draw(t, "after")
		}
		r := Compare(set, before, after)
		sum := Counts{}
		for _, name := range r.Categories() {
			c := r.ByCategory[name]
			sum = Counts{sum.Total + c.Total, sum.Before + c.Before, sum.After + c.After, sum.Fixed + c.Fixed, sum.Broke + c.Broke}
		}
		if sum != r.Counts() {
			t.Errorf("the categories sum to %+v, the whole is %+v", sum, r.Counts())
		}
		if r.After-r.Before != len(r.Fixed)-len(r.Broke) || r.StayedRight+r.StayedWrong+len(r.Fixed)+len(r.Broke) != n {
			t.Errorf("%+v", r)
		}
	})
}

// A result whose counts are not those of its answers is refused, whichever they are.
func TestResultCheck(t *testing.T) {
	if err := Compare(fourFates()).Check(); err != nil {
		t.Errorf("a whole one: %v", err)
	}
	for what, change := range map[string]func(r *Result){
		"total":         func(r *Result) { r.Total++ },
		"before":        func(r *Result) { r.Before-- },
		"stayed right":  func(r *Result) { r.StayedRight++ },
		"fixed":         func(r *Result) { r.Fixed[0] = "kept" },
		"broke":         func(r *Result) { r.Broke = nil },
		"category":      func(r *Result) { r.ByCategory["sum"] = Counts{Total: 2} },
		"more of them":  func(r *Result) { r.ByCategory["other"] = Counts{} },
		"p-value":       func(r *Result) { r.PValue = 0.01 },
		"an answer":     func(r *Result) { r.Outputs[0].RightAfter = false },
		"fewer answers": func(r *Result) { r.Outputs = r.Outputs[1:] },
	} {
		r := Compare(fourFates())
		if change(r); r.Check() == nil {
			t.Errorf("%s may be another", what)
		}
	}
}
