package experiment

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"bankai/measure"
	"bankai/probe"
)

// A result is refused if any of it is not as it was written, but white space.
func TestReadRefusesAChangedResult(t *testing.T) {
	var b bytes.Buffer
	if err := WriteJSON(&b, stored()); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	var compact bytes.Buffer
	if err := json.Compact(&compact, whole); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(&compact, Own); err != nil {
		t.Errorf("without white space: %v", err)
	}
	name := stored().Head().Experiment
	for i, c := range whole {
		for _, other := range []byte{c ^ 1, c ^ 0x20, '"', '9'} {
			changed := bytes.Clone(whole)
			changed[i] = other
			if white := []byte(" \n"); other == c || bytes.IndexByte(white, c) >= 0 && bytes.IndexByte(white, other) >= 0 {
				continue
			}
			if r, err := Read(bytes.NewReader(changed), Own); err == nil {
				t.Fatalf("byte %d, %q for %q: read as a result of %s", i, other, c, r.Head().Experiment)
			}
		}
		if i > 0 && i < len(whole)-1 {
			if _, err := Read(bytes.NewReader(whole[:i]), Own); err == nil {
				t.Fatalf("read after the first %d bytes of %d", i, len(whole))
			}
		}
	}
	for what, doc := range map[string]string{
		"does not begin with a checksum, so it was written by hand or by an older version": fmt.Sprintf(`{"experiment":%q}`, name),
		"does not match its checksum, so it was changed or was written by another version": strings.Replace(string(whole), `"seed": 0`, `"seed": 1`, 1),
	} {
		want := "is not a whole result of " + name + ": it " + what + ": give the file that the experiment wrote, or do it again"
		if _, err := Read(strings.NewReader(doc), Own); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// stored is a result that kept the texts of two models on four questions.
func stored() *Comparison {
	set := measure.Named{Name: "sums", Set: probe.Set{
		{Name: "one", Prompt: "1 + 1 =", Correct: " 2"},
		{Name: "two", Prompt: "1 + 2 =", Correct: " 3"},
		{Name: "three", Prompt: "half of 1 is", Correct: " 0.5"},
		{Name: "four", Prompt: "2 + 2 =", Correct: " 4"},
	}}
	texts := [][]string{{" 2", " 12", " 1/2", " 5"}, {" 2.", " 3", " half", " 4"}}
	c := &Comparison{Probes: "sums", Generated: Generated{By: []string{Base}}}
	var by []*measure.Measurement
	for _, column := range texts {
		m := &measure.Measurement{Texts: column, SeqLogprob: make([]float64, 4)}
		for i, text := range column {
			m.Right = append(m.Right, set.Set[i].Match(text))
		}
		by = append(by, m)
	}
	c.compare([]PatchSize{{Name: "fix"}}, by)
	c.Generated.keep(set, by)
	c.Experiment = "compare"
	return c
}
