package evaluation

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"bankai/internal/source"
	"bankai/measure"
)

// small is the document of an evaluation of two probes.
func small(t testing.TB) (*Doc, []byte) {
	t.Helper()
	r := &measure.Result{
		Total: 2, Before: 1, After: 2, Fixed: []string{"b"}, Broke: []string{}, StayedRight: 1, PValue: 1,
		ByCategory: map[string]measure.Counts{"": {Total: 2, Before: 1, After: 2, Fixed: 1}},
		Outputs: []measure.Output{
			{Name: "a", Prompt: "1 + 1 =", Correct: " 2", Before: " 2", After: " 2", RightBefore: true, RightAfter: true},
			{Name: "b", Prompt: "1 + 2 =", Correct: " 3", Before: " <b>", After: " 3", RightAfter: true},
		},
	}
	d := &Doc{Result: r, Set: source.SetRef{Source: "p.json", Probes: 2}, SampledFrom: 9, Patches: []string{"x"}, Precision: "fast", Tool: "bankai", Command: "bankai eval"}
	text, err := d.Sealed().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return d, text
}

// What is read is what was written; everything else is refused, and told apart from what is
// no evaluation.
func TestRead(t *testing.T) {
	want, text := small(t)
	got, err := Read(text)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read is %+v, %v", got, err)
	}
	if e := got.Evaluated(); e.Probes != "p.json" || e.SampledFrom != 9 || !got.Patched() || e.Present().Title != "Answers to p.json" {
		t.Errorf("for a report it is %+v", e)
	}
	for _, c := range []struct {
		text, says string
		other      bool
	}{
		{strings.Replace(string(text), `"1 + 1 ="`, `"1 + 3 ="`, 1), "does not match its checksum", false},
		{string(text[1:]), "is no result of eval on probes", true},
		{`{"set": {"source": "p"}}`, "is no result of eval on probes", true},
		{`7`, "is no result of eval on probes", true},
	} {
		if _, err := Read([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.says) || errors.Is(err, ErrOther) != c.other {
			t.Errorf("%.60s: %v, want %s", c.text, err, c.says)
		}
	}
}

// Whatever is read adds up.
func FuzzRead(f *testing.F) {
	_, text := small(f)
	f.Add(text)
	f.Add([]byte(`{"checksum": "", "outputs": [{}], "set": {"source": "p"}, "total": 1}`))
	f.Add([]byte(`{"outputs": [{}], "set": {"source": "p"}, "by_category": null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if d, err := Read(data); err == nil && (d.Check() != nil || len(d.Outputs) == 0) {
			t.Errorf("read is %+v", d)
		}
	})
}
