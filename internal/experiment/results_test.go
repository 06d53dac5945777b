package experiment

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bankai/engine"
	"bankai/internal/report"
	"bankai/internal/reporttest"
	"bankai/measure"
	"bankai/probe"
)

func TestReadRefuses(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"", "is no result of an experiment"},
		{"[]", "is no result of an experiment"},
		{`{"total": 3}`, "is no result of an experiment"},
		{`{"experiment": "alchemy"}`, `is of an experiment "alchemy" that this program does not know`},
		{`{"experiment": "perplexity", "window": "wide"}`, "is not a whole result of perplexity"},
	} {
		if _, err := report.Read(strings.NewReader(c.file), Own); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want …%s…", c.file, err, c.want)
		}
	}
}

// somePerplexity is a result without a model.
func somePerplexity() *Perplexity {
	o := TextOptions{Name: "a <b>text</b>", Window: 8, Stride: 4, Patch: Patching{Overlay: &engine.Overlay{}, Name: "fix.bankai"}}
	p := o.result([]int{0, 4}, []window{
		{Before: []float64{-1, -2, -0.5}, After: []float64{-1.5, -2, -0.25}, KL: []float64{0.1, 0, 0.2}, RightBefore: 2, RightAfter: 1},
		{Before: []float64{-1, -1, -3}, After: []float64{-1, -1.5, -3}, KL: []float64{0.3, 0, 0.1}, RightBefore: 1, RightAfter: 1},
	})
	p.About = report.About{Experiment: "perplexity", Command: "bankai experiment perplexity --text 'a <b>'", Tool: "bankai", Model: "demo", Digest: "0f", Precision: "fast", Seed: 1, Seconds: 2}
	return p
}

// What is written can be read again, and shows the same.
func TestResultsGoThroughFiles(t *testing.T) {
	dir := t.TempDir()
	p := somePerplexity()
	files, err := report.Save(dir, p, reporttest.Put)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, filepath.Base(f))
	}
	if want := []string{"perplexity.json", "perplexity.csv", "perplexity-windows.csv", "perplexity.svg", "perplexity.html"}; !slices.Equal(names, want) {
		t.Errorf("wrote %v, want %v", names, want)
	}
	f, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	again, err := report.Read(f, Own)
	if err != nil {
		t.Fatal(err)
	}
	reporttest.SameFiles(t, p, again)
}

// A page stands alone, and says what came from files as text.
func TestPageStandsAlone(t *testing.T) {
	var b strings.Builder
	if err := report.WriteResults(&b, report.ByExperiment, somePerplexity(), somePerplexity()); err != nil {
		t.Fatal(err)
	}
	html := b.String()
	for _, bad := range []string{"<b>", "<script", "http://", "https://", "<img", "<link", "ZgotmplZ"} {
		if strings.Contains(strings.ReplaceAll(html, "http://www.w3.org/", ""), bad) {
			t.Errorf("the page has %q", bad)
		}
	}
	for _, want := range []string{"2 experiments", "a &lt;b&gt;text&lt;/b&gt;", "<svg", `href="#r1"`, `id="r1"`, "4.123", "fix.bankai"} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// A result is refused if any of it is not as it was written, but white space.
func TestReadRefusesAChangedResult(t *testing.T) {
	var b bytes.Buffer
	if err := report.WriteJSON(&b, stored()); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	var compact bytes.Buffer
	if err := json.Compact(&compact, whole); err != nil {
		t.Fatal(err)
	}
	if _, err := report.Read(&compact, Own); err != nil {
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
			if r, err := report.Read(bytes.NewReader(changed), Own); err == nil {
				t.Fatalf("byte %d, %q for %q: read as a result of %s", i, other, c, r.Head().Experiment)
			}
		}
		if i > 0 && i < len(whole)-1 {
			if _, err := report.Read(bytes.NewReader(whole[:i]), Own); err == nil {
				t.Fatalf("read after the first %d bytes of %d", i, len(whole))
			}
		}
	}
	for what, doc := range map[string]string{
		"does not begin with a checksum, so it was written by hand or by an older version": fmt.Sprintf(`{"experiment":%q}`, name),
		"does not match its checksum, so it was changed or was written by another version": strings.Replace(string(whole), `"seed": 0`, `"seed": 1`, 1),
	} {
		want := "is not a whole result of " + name + ": it " + what + ": give the file that the experiment wrote, or do it again"
		if _, err := report.Read(strings.NewReader(doc), Own); err == nil || err.Error() != want {
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

// A file beside a result that is not as the result gives it is told from those that are.
func TestUnchangedFiles(t *testing.T) {
	dir, p := t.TempDir(), somePerplexity()
	files, err := report.Save(dir, p, reporttest.Put)
	if err != nil {
		t.Fatal(err)
	}
	notes := files[1]
	if err := os.WriteFile(notes, []byte("my notes"), 0o666); err != nil {
		t.Fatal(err)
	}
	same := report.Unchanged(dir, p)
	for _, f := range files {
		if same[f] != (f != notes) {
			t.Errorf("%s: unchanged is %v", filepath.Base(f), same[f])
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "perplexities.csv"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if got, want := report.Tables(dir, "perplexity"), []string{"perplexity-windows.csv", "perplexity.csv", "perplexity.svg"}; !slices.Equal(got, want) {
		t.Errorf("tables are %v, want %v", got, want)
	}
}
