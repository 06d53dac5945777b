package report

import (
	"strings"
	"testing"

	"bankai/measure"
)

func TestWriteFindings(t *testing.T) {
	var f measure.Findings
	for _, name := range []string{"a", "b", "d", "e", "f", "g", "h"} {
		f = append(f, measure.Finding{Probe: name, Kind: measure.WeakDistractor, Severity: measure.Warning, Detail: "is weak"})
	}
	f = append(
		f, measure.Finding{Category: "trig", Kind: measure.RepeatedContrast, Severity: measure.Info, Detail: "repeats"},
		measure.Finding{Probe: "z", Kind: measure.Dead, Severity: measure.Fatal, Detail: "is dead"},
		measure.Finding{Kind: measure.Overview, Severity: measure.Info, Detail: "the model knows 3 of 8"},
	)
	for _, c := range []struct {
		f    measure.Findings
		all  bool
		want string
	}{
		{nil, false, "No defects found.\n"},
		{f, false, `
fatal   dead                  1  right and wrong answer reduce to the same tokens: nothing to measure
          z: is dead
warning weak_distractor       7  the wrong answer is not what the model would say instead
          a: is weak
          b: is weak
          d: is weak
          e: is weak
          f: is weak
          … and 2 more
info    repeated_contrast     1  harmless unless the metric is token_gap: the category repeats one choice between two answers
The model knows 3 of 8.
`},
		{f[6:8], true, `
warning weak_distractor       1  the wrong answer is not what the model would say instead
          h: is weak
info    repeated_contrast     1  harmless unless the metric is token_gap: the category repeats one choice between two answers
          category trig: repeats
`},
	} {
		var b strings.Builder
		if err := WriteFindings(&b, c.f, c.all); err != nil {
			t.Fatal(err)
		}
		if want := strings.TrimPrefix(c.want, "\n"); b.String() != want {
			t.Errorf("got\n%s\nwant\n%s", b.String(), want)
		}
	}
	if !f.Fatal() || f[:8].Fatal() {
		t.Error("Fatal is about findings of that severity")
	}
}
