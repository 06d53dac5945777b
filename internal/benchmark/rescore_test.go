package benchmark

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"bankai/internal/experiment"
	"bankai/internal/report"
	"bankai/internal/reporttest"
	"bankai/measure"
	"bankai/probe"
)

// stored is a result that kept the texts of two models on four questions.
func stored() *experiment.Comparison {
	set := probe.Set{
		{Name: "one", Prompt: "1 + 1 =", Correct: " 2"},
		{Name: "two", Prompt: "1 + 2 =", Correct: " 3"},
		{Name: "three", Prompt: "half of 1 is", Correct: " 0.5"},
		{Name: "four", Prompt: "2 + 2 =", Correct: " 4"},
	}
	texts := [][]string{{" 2", " 2."}, {" 12", " 3"}, {" 1/2", " half"}, {" 5", " 4"}} // of the base, of the patched model
	c := &experiment.Comparison{Probes: "sums", Generated: experiment.Generated{By: []string{experiment.Base, "fix"}}}
	for i, p := range set {
		g := experiment.Generation{Set: "sums", Name: p.Name, Prompt: p.Prompt, Correct: p.Correct, Texts: texts[i]}
		for _, text := range texts[i] {
			g.Right = append(g.Right, p.Match(text))
		}
		c.Generated.Answers = append(c.Generated.Answers, g)
	}
	c.Experiment = "compare"
	return c
}

func written(t *testing.T, r report.Result) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	if err := report.WriteJSON(&b, r); err != nil {
		t.Fatal(err)
	}
	return &b
}

// With alternates "1/2" and "half" both models have the third answer right: base
// 1 to 2, patched 3 to 4, and still two fixed.
func TestRescore(t *testing.T) {
	head, generated, err := ReadGenerated(written(t, stored()))
	if err != nil {
		t.Fatal(err)
	}
	same, err := Rescore(head, generated, RescoreOptions{Source: "compare.json"})
	if err != nil || len(same.Changed) != 0 || same.Of != "compare" {
		t.Errorf("by the rules of the time: %+v, %v", same, err)
	}
	probes := measure.Named{Name: "new.json", Set: probe.Set{
		{Name: "other", Prompt: "1 + 1 =", Correct: " 2"},
		{Name: "two", Prompt: "1 + 2 =", Correct: " 3"},
		{Name: "three", Prompt: "half of 1 is", Correct: " 0.5", Alternates: []string{" 1/2", " half"}},
		{Name: "four", Prompt: "2 + 2 equals", Correct: " 4"},
		{Name: "one", Prompt: "unused", Correct: " 7"},
	}}
	got, err := Rescore(head, generated, RescoreOptions{Source: "compare.json", Probes: &probes})
	if err != nil {
		t.Fatal(err)
	}
	want := []Remarked{
		{Set: "sums", By: experiment.Base, Total: 4, RightWas: 1, RightNow: 2, ShareWas: report.ShareOf(1, 4), ShareNow: report.ShareOf(2, 4)},
		{
			Set: "sums", By: "fix", Total: 4, RightWas: 3, RightNow: 4, ShareWas: report.ShareOf(3, 4), ShareNow: report.ShareOf(4, 4),
			AgainstWas: &AgainstBase{Fixed: 2, McNemar: experiment.McNemar{PValue: 0.5, Holm: 0.5}}, AgainstNow: &AgainstBase{Fixed: 2, McNemar: experiment.McNemar{PValue: 0.5, Holm: 0.5}},
		},
	}
	if a, b := asJSON(t, got.Rows), asJSON(t, want); a != b {
		t.Errorf("%s, want %s", a, b)
	}
	if want := []ChangedMark{
		{"sums", "three", experiment.Base, "half of 1 is", " 1/2", " 0.5", true},
		{"sums", "three", "fix", "half of 1 is", " half", " 0.5", true},
	}; !slices.Equal(got.Changed, want) {
		t.Errorf("%+v", got.Changed)
	}
	if got.ByName != 1 { // the fourth
		t.Errorf("%d by name", got.ByName)
	}
	reporttest.ReadBack(t, got, "rescore", Kinds)
	if stored := generated.Answers[2]; stored.Right[0] || stored.Alternates != nil {
		t.Errorf("what was read is changed: %+v", stored)
	}
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Without rules, nil or not, answers are marked as they were; and by AnswerRules
// where a result names none.
func TestRescoreByNoRules(t *testing.T) {
	for _, stored := range [][]Rule{AnswerRules[2:], nil} {
		g := &GSM8K{About: report.About{Experiment: "gsm8k"}, Solved: []Solved{{Line: 1, Want: "4", Base: Solution{Text: "#### 4, of 5"}}}}
		g.Rescore(stored)
		wantRight := one(stored == nil) // the last number is 5
		for _, rules := range [][]string{nil, {}} {
			head, texts, err := ReadGenerated(written(t, g))
			if err != nil {
				t.Fatal(err)
			}
			got, err := Rescore(head, texts, RescoreOptions{Rules: rules})
			if err != nil || got.Rows[0].RightNow != wantRight {
				t.Errorf("stored %v, given %v: %+v, %v, want %d right", g.Rules, rules, got, err, wantRight)
			}
		}
	}
	g := stored().Generated
	if _, err := Rescore(&report.About{}, &g, RescoreOptions{Rules: []string{}}); err != nil {
		t.Errorf("without rules to choose: %v", err)
	}
}

// A result may have a rule of its own.
func TestRescoreByAnotherRule(t *testing.T) {
	g := stored().Generated
	g.Match = func(g experiment.Generation, text string) bool {
		return strings.TrimSpace(text) != strings.TrimSpace(g.Correct)
	}
	got, err := Rescore(&report.About{}, &g, RescoreOptions{})
	if err != nil || got.Rows[0].RightNow != 3 || got.Of != "eval" {
		t.Errorf("%+v, %v", got.Rows, err)
	}
}

func TestRescoreOfEval(t *testing.T) {
	set := probe.Set{{Name: "p", Prompt: "a", Correct: " x"}, {Name: "q", Prompt: "b", Correct: " y"}}
	r := measure.Compare(set, &measure.Measurement{Texts: []string{" x", " z"}, Right: []bool{true, false}, SeqLogprob: []float64{0, 0}},
		&measure.Measurement{Texts: []string{" w", " y"}, Right: []bool{false, true}, SeqLogprob: []float64{0, 0}})
	head, g, err := ReadGenerated(strings.NewReader(asJSON(t, report.Sealed{Doc: r})))
	if err != nil || head.Experiment != "" {
		t.Fatal(head, err)
	}
	got, err := Rescore(head, g, RescoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if now := got.Rows[1].AgainstNow; now.Fixed != 1 || now.Broke != 1 || now.PValue != 1 || len(got.Changed) != 0 {
		t.Errorf("%+v, %+v", now, got.Changed)
	}
}

func TestRescoreRefuses(t *testing.T) {
	const head = `{"experiment": "compare", "patches": [{"name": "fix"}], "generated": `
	for doc, want := range map[string]string{
		``:                          "is no result of an experiment",
		`{"outputs": []}`:           "is no result of an experiment",
		`{"outputs": [{}]}`:         "is not a whole result of eval: it does not begin with a checksum",
		`{"experiment": "compare"}`: "is not a whole result of compare: it does not begin with a checksum",
		`{"experiment": "x"}`:       "does not know",
	} {
		if _, _, err := ReadGenerated(strings.NewReader(doc)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", doc, err, want)
		}
	}
	for doc, want := range map[string]string{
		`{"experiment": "perplexity"}`: "keeps no generated texts",
		head + `{}}`:                   "holds no generated texts",
		head + `{"by": ["base"]}}`:     "holds no generated texts",
		head + `{"by": ["base", "fix"], "answers": [{"set": "s", "name": "n", "texts": ["x"], "right": [true, false]}]}}`: `s "n": has 1 texts and 2 marks: want 2 of each, one by each of base, fix`,
	} {
		whole := asJSON(t, report.Sealed{Doc: json.RawMessage(doc)})
		if _, _, err := ReadGenerated(strings.NewReader(whole)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", whole, err, want)
		}
	}
	g := stored().Generated
	_, err := Rescore(&report.About{}, &g, RescoreOptions{Probes: &measure.Named{Name: "new.json", Set: probe.Set{{Name: "x", Prompt: "1 + 1 =", Correct: " 2"}}}})
	const want = `new.json: 3 of 4 questions are not in it, neither by prompt nor by name: two ("1 + 2 ="), three ("half of 1 is"), four ("2 + 2 ="): give the file they were asked from`
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

// No file makes it panic, and what it takes can be marked and shown.
func FuzzReadGenerated(f *testing.F) {
	var b bytes.Buffer
	if err := report.WriteJSON(&b, stored()); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(asJSON(f, stored())))
	f.Add(b.Bytes())
	f.Add([]byte(`{"outputs": [{"name": "p", "prompt": "a", "correct": " x", "before": " x", "after": "", "right_before": true}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, err := json.Marshal(report.Sealed{Doc: json.RawMessage(data)})
		if err != nil {
			whole = data
		}
		head, g, err := ReadGenerated(bytes.NewReader(whole))
		if err != nil {
			return
		}
		r, err := Rescore(head, g, RescoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Present().WriteText(&bytes.Buffer{}); err != nil {
			t.Fatal(err)
		}
	})
}
