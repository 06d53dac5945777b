package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"bankai"
	"bankai/internal/source"
	"bankai/internal/stats"
	"bankai/search"
)

// watchedSearch searches late rows of the demo model for better answers to 30
// probes, by predictions, as strictly as published: no slack for controls. It watches
// the answers to as many others as it takes. It returns what the search says, and
// what it saw from the journal: for each look, a 1 for every right answer.
func watchedSearch(t *testing.T, metric string) (doc searchDoc, looks []string) {
	t.Helper()
	for name, n := range map[string]int{"search": 30, "validate": search.StopAnswers} {
		s, err := source.ReadSet(source.Demo + name)
		if err != nil {
			t.Fatal(err)
		}
		if err := writeProbes(name+".json", s.Draw(n, 1)); err != nil {
			t.Fatal(err)
		}
	}
	status, out, log := runApp("search", "--probes", "search.json", "--controls", "demo:control_few", "--validate", "validate.json",
		"-o", "p.bankai", "--metric", metric, "--slack", "0", "--screen", "0", "--granularity", "row",
		"--proj", "gate,up", "--layers", "4,5", "--max-cost", "32", "--steps", "1000", "--json")
	if status != statusDone {
		t.Fatalf("exit status %d: %s", status, log)
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	journal, err := os.ReadFile("p.bankai.journal")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(journal) {
		var record struct{ Look *struct{ Right string } }
		line, _, _ = bytes.Cut(line, []byte("\t")) // the checksum
		if err := json.Unmarshal(line, &record); err != nil {
			t.Fatal(err)
		}
		if record.Look != nil {
			looks = append(looks, record.Look.Right)
		}
	}
	return doc, looks
}

// sightings are the points of a trajectory at which the answers were looked at.
func sightings(t *testing.T, doc searchDoc, looks []string) (seen []search.Point) {
	t.Helper()
	for _, p := range doc.Trajectory {
		if p.Right != nil {
			seen = append(seen, p)
		}
	}
	if len(seen) != len(looks) {
		t.Fatalf("%d points have answers, the journal has %d looks", len(seen), len(looks))
	}
	for i, p := range seen {
		if n := strings.Count(looks[i], "1"); n != *p.Right || len(looks[i]) != search.StopAnswers {
			t.Errorf("look %d: %d of %d right, the trajectory has %d", i, n, len(looks[i]), *p.Right)
		}
	}
	return seen
}

// The published fitness can be driven up by what helps no answer: guided search
// does so within thirty passes. The watch notices that answers are lost, and what is
// written is the patch with the most right answers.
func TestPublishedFitnessIsGamed(t *testing.T) {
	if testing.Short() {
		t.Skip("searches for some seconds")
	}
	t.Chdir(t.TempDir())
	doc, looks := watchedSearch(t, "seq_logprob")
	if doc.Stopped != search.StopOverfit || !strings.HasSuffix(doc.Warning, "; the search ended") || !strings.Contains(doc.WentBack, "where the most answers were right") {
		t.Fatalf("ended by %s: %s; went back %s", doc.Stopped, doc.Warning, doc.WentBack)
	}
	seen := sightings(t, doc, looks)
	best, end := 0, len(seen)-1
	for i := range seen {
		if *seen[i].Right > *seen[best].Right {
			best = i
		}
	}
	kept, last := seen[best], seen[end]
	if kept.Fitness <= 0 || last.Fitness < 1.5*kept.Fitness {
		t.Errorf("the fitness was %v where most answers were right, and %v at the end", kept.Fitness, last.Fitness)
	}
	fixed, lost := 0, 0
	for i := range looks[best] {
		switch before, after := looks[best][i], looks[end][i]; {
		case before < after:
			fixed++
		case before > after:
			lost++
		}
	}
	if lost <= fixed || stats.McNemar(fixed, lost) >= 0.02 { // 1 % on the side of losses
		t.Errorf("from %d right answers to %d: %d lost, %d fixed", *kept.Right, *last.Right, lost, fixed)
	}

	patch, err := bankai.ReadFile("p.bankai")
	if err != nil {
		t.Fatal(err)
	}
	if patch.Len() != kept.Flips || doc.Flips != kept.Flips || doc.Fitness != kept.Fitness || kept.Flips == last.Flips {
		t.Errorf("%d flips are written, %d reported with fitness %v; kept were %d with %v", patch.Len(), doc.Flips, doc.Fitness, kept.Flips, kept.Fitness)
	}
	if c := patch.Meta().Claims; len(c) != 1 || c[0].After != *kept.Right || doc.Validate == nil || doc.Validate.After != *kept.Right {
		t.Errorf("the patch claims %+v, the search %+v, when looked at it had %d right answers", c, doc.Validate, *kept.Right)
	}
}

// The likelihood of what the model would answer is not gamed by the same search: it
// spends its budget, and answers get better.
func TestAnswerLikelihoodIsNotGamed(t *testing.T) {
	if testing.Short() {
		t.Skip("searches for some seconds")
	}
	t.Chdir(t.TempDir())
	doc, looks := watchedSearch(t, "answer_logprob")
	if doc.Stopped != search.StopCost || doc.Warning != "" {
		t.Errorf("ended by %s: %s", doc.Stopped, doc.Warning)
	}
	seen := sightings(t, doc, looks)
	if first, last := seen[0], seen[len(seen)-1]; *last.Right <= *first.Right || doc.Validate.After != *last.Right {
		t.Errorf("from %d right answers to %d, and %d at the end", *first.Right, *last.Right, doc.Validate.After)
	}
}
