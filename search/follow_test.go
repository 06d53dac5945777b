package search_test

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"bankai"
	"bankai/search"
)

// trajectoryOf is what a follower says of a trajectory, as runs have it.
func trajectoryOf(f *search.Follower) (points []search.Point) {
	for _, p := range f.Points {
		points = append(points, p.Point)
	}
	return points
}

// A follower that reads a journal line by line sees the trajectory of the run, to the bit.
// That a run ended behind the patch that it kept last is no line of a journal.
func TestFollower(t *testing.T) {
	looks := 0
	evolution := evolve(t, 1)
	few, crowd := hills(8, 2), newCrowd(100, 400, 50, 2)
	for _, c := range []struct {
		what   string
		ev     search.Evaluator
		st     search.Strategy
		config search.Config
	}{
		{"drawn rows", newLandscape(), greedy(t, search.Row, 11), search.Config{Steps: 60}},
		{"guided", lenient(), guided(t, few, search.Row), search.Config{Steps: 60}},
		{"guided, by bits: some are kept later than measured", lenient(), guided(t, hills(1, 2), search.Bit), search.Config{Steps: 60}},
		{"evolution", lenient(), evolution, search.Config{Steps: 400}},
		{"samples", crowd, accumulator(t, crowd), search.Config{Steps: 60}},
		{"pruned", lenient(), guided(t, few, search.Row), search.Config{Steps: 60, MaxCost: 200, Prune: true}},
		{"watched", lenient(), guided(t, few, search.Row), search.Config{Steps: 60, MaxCost: 200, Prune: true, Validation: watched(20, func(n int) int { return -n }, &looks)}},
	} {
		t.Run(c.what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "journal")
			j, err := search.OpenJournal(path, search.Identity(empty()), false)
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			c.config.Journal = j
			r := run(t, c.ev, c.st, c.config)
			f := followed(t, path)
			if c.st == evolution { // asks twice for what the journal has: that is paid twice, and written once
				f.Cost, r.Cost = 0, 0
				for i := range f.Points {
					f.Points[i].Cost, r.Trajectory[i].Cost = 0, 0
				}
			}
			if got, want := trajectoryOf(f), withoutEnd(r.Trajectory); !reflect.DeepEqual(got, want) {
				t.Errorf("trajectory\n%+v\nwant\n%+v", got, want)
			}
			if f.Step != r.Steps || f.Accepted != r.Accepted || f.Cost != r.Cost || f.Fitness != r.Fitness || f.Flips != r.Patch.Len() {
				t.Errorf("%+v, want step %d, %d kept, cost %v, fitness %v, %d flips", f.Point, r.Steps, r.Accepted, r.Cost, r.Fitness, r.Patch.Len())
			}
			if f.Pruning != c.config.Prune {
				t.Errorf("pruning: %v", f.Pruning)
			}
			if looks := len(r.Checkpoints); looks > 0 && (*f.Right != *r.Checkpoints[looks-1].Right || f.Total != 20) {
				t.Errorf("%d of %d right", *f.Right, f.Total)
			}
		})
	}
}

// followed reads a journal as it grows, by a line at a time.
func followed(t *testing.T, path string) *search.Follower {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	part := path + ".part"
	f := search.NewFollower(part, empty().Base())
	lines := 0
	for line := range strings.Lines(string(data)) {
		appendTo(t, part, line)
		lines++
		if more, err := f.Poll(); !more || err != nil {
			t.Fatalf("line %d: %v, %v", lines, more, err)
		}
		if f.Lines != lines {
			t.Fatalf("%d lines, of %d", f.Lines, lines)
		}
	}
	return f
}

// withoutEnd is a trajectory without the end of the run, if nothing is known of it but that
// it was later.
func withoutEnd(points []search.Point) []search.Point {
	last := len(points) - 1
	if last > 0 && points[last].Right == nil && points[last].Flips == points[last-1].Flips {
		return points[:last]
	}
	return points
}

// A run that goes on with more steps forgets what it did at the end of the first part.
func TestFollowerOfAResumedRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	var last *search.Result
	for i, steps := range []int{6, 20} {
		j, err := search.OpenJournal(path, search.Identity(empty()), i > 0)
		if err != nil {
			t.Fatal(err)
		}
		last = run(t, lenient(), guided(t, hills(24, 2), search.Row), search.Config{Steps: steps, MaxCost: 200, Prune: true, Journal: j})
		if err := j.Wrote(last.Patch, last.Fitness); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	f := followed(t, path)
	if !f.Written || f.Step != last.Steps || f.Accepted != last.Accepted || f.Fitness != last.Fitness || f.Flips != last.Patch.Len() {
		t.Errorf("%+v, %d kept, want step %d, %d kept, fitness %v, %d flips", f.Point, f.Accepted, last.Steps, last.Accepted, last.Fitness, last.Patch.Len())
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// A journal of another model, or of a search from a patch, is refused in words.
func TestFollowerRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	recorded(t, path, false, context.Background(), search.Config{Steps: 5}, nil)
	_, err := search.NewFollower(path, bankai.Digest{9}).Poll()
	if err == nil || !strings.Contains(err.Error(), "line 1 is damaged: the run began from a patch, or in another model") {
		t.Errorf("error %v", err)
	}
}

// Whatever a file holds, a follower reads it or says what is wrong, and what it tells is of a
// journal that could be: no more points and kept moves than lines.
func FuzzFollower(f *testing.F) {
	path := filepath.Join(f.TempDir(), "journal")
	j, err := search.OpenJournal(path, search.Identity(empty()), false)
	if err != nil {
		f.Fatal(err)
	}
	run(f, lenient(), greedy(f, search.Row, 11), search.Config{Steps: 4, Journal: j})
	if err := j.Close(); err != nil {
		f.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	unsealed := regexp.MustCompile("\t\"[0-9a-f]{8}\"\n").ReplaceAllString(string(data), "\n")
	f.Add(string(data), 100)
	f.Add(unsealed, 900)
	f.Fuzz(func(t *testing.T, journal string, first int) {
		if lines := strings.SplitAfter(journal, "\n"); !strings.Contains(journal, "\t") { // sealed, so that changed lines are read, too
			for i, line := range lines[1:] {
				if record, whole := strings.CutSuffix(line, "\n"); whole {
					lines[1+i] = sealed(record)
				}
			}
			journal = strings.Join(lines, "")
		}
		path := filepath.Join(t.TempDir(), "journal")
		follower := search.NewFollower(path, empty().Base())
		for _, part := range []string{journal[:max(0, min(first, len(journal)))], journal} {
			if err := os.WriteFile(path, []byte(part), 0o666); err != nil {
				t.Fatal(err)
			}
			follower.Poll()
			if len(follower.Points) > follower.Lines || follower.Accepted > follower.Lines {
				t.Errorf("%d points, %d kept, of %d lines", len(follower.Points), follower.Accepted, follower.Lines)
			}
		}
	})
}
