package dataset

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"

	"bankai/models/demo"
	"bankai/probe"
)

// The example files are read without a fault, can be divided, and ask nothing that the
// built-in model's own sets ask.
func TestExamples(t *testing.T) {
	known := map[string]string{}
	for _, s := range demo.Sets() {
		if filepath.Ext(s.File()) != ".json" {
			continue
		}
		data, err := demo.Read(s.Name)
		if err != nil {
			t.Fatal(err)
		}
		var set probe.Set
		if err := json.Unmarshal(data, &set); err != nil {
			t.Fatal(err)
		}
		for _, p := range set {
			known[probe.Normalize(p.Prompt)] = s.Name
		}
	}
	for _, c := range []struct {
		file   string
		kind   Kind
		n      int
		labels []string
	}{
		{"derivatives.jsonl", Answer, 300, nil},
		{"notation.jsonl", Answer, 200, nil},
		{"preferences.jsonl", Preference, 200, nil},
		{"sentences.csv", Label, 200, []string{"statement", "question"}},
	} {
		d, err := ReadFiles([]string{filepath.Join("..", "docs", "examples", c.file)}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if d.Count(c.kind) != c.n || len(d.Examples) != c.n || len(d.Skipped)+len(d.Notes) > 0 || !slices.Equal(d.Labels, c.labels) {
			t.Errorf("%s: %d examples, skipped %v, labels %v, notes %v", c.file, len(d.Examples), d.Skipped, d.Labels, d.Notes)
		}
		for _, e := range d.Examples {
			if set, ok := known[probe.Normalize(e.Plain().Prompt)]; ok {
				t.Errorf("%s:%d is in demo:%s: %s", c.file, e.Line, set, e.Plain().Prompt)
			}
		}
		p, err := d.Split(SplitOptions{Seed: 1})
		if err != nil || len(p.Notes) > 0 || len(p.HeldOut) < c.n/6 {
			t.Errorf("%s: %d held out, near %d, %v, %v", c.file, len(p.HeldOut), p.Near, p.Notes, err)
		}
		t.Logf("%s: near %d, clusters %d, %d/%d/%d", c.file, p.Near, p.Clusters, len(p.Search), len(p.Validation), len(p.HeldOut))
	}
}
