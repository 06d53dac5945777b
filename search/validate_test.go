package search_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bankai"
	"bankai/search"
)

// watched answers half of n prompts right, less lost(flips of the patch), which are
// gained where that is below 0.
func watched(n int, lost func(flips int) int, checkpoints *int) *search.Validation {
	return &search.Validation{Every: 5, Answers: func(_ context.Context, p *bankai.Patch) ([]bool, error) {
		*checkpoints++
		right, lost := make([]bool, n), lost(p.Len())
		for i := range right {
			right[i] = i >= n/2+min(0, lost) && i < n-max(0, lost)
		}
		return right, nil
	}}
}

// What a search keeps is the patch with the most right answers of those looked at;
// of several, the fittest. It says so if that is no better than none. A search whose
// fitness rises while answers are lost is ended, and keeps nothing where every patch
// loses some, if there are enough answers to tell; if there are not, it goes on and
// says so.
func TestValidation(t *testing.T) {
	for _, c := range []struct {
		name    string
		prompts int
		lost    func(flips int) int
		stopped search.Stop
		warning string // a regular expression for all of it
	}{
		{"nothing is lost", 300, func(int) int { return 0 }, search.StopSteps, "on validation the patch is no better than none: 150 of 300 right, 150 without"},
		{"every flip helps", 300, func(n int) int { return -n }, search.StopSteps, ""},
		{"chance", 300, func(n int) int { return n % 3 }, search.StopSteps, "on validation the patch is no better than none: 150 of 300 right, 150 without"},
		{"a little is lost", 300, func(n int) int { return min(n, 1) + n/9 }, search.StopSteps, "on validation the patch is worse than none: 149 of 300 right, 150 without"},
		{
			"answers fall from the start", 300, func(n int) int { return 9 * n }, search.StopOverfit,
			"fitness rose from .* while right answers on validation fell from 150 to .* of 300; the search ended; every patch that was looked at loses answers, more than chance explains: none is kept",
		},
		{"answers fall after a rise", 300, func(n int) int { return max(-2*n, 4*n-30) }, search.StopOverfit, "fitness rose from .*; the search ended"},
		{
			"too few prompts", 199, func(n int) int { return 4 * n }, search.StopSteps,
			"fitness rose from .*; the search went on, since fewer than 200 prompts are too few to end it by; on validation the patch is worse than none: .* of 199 right, 100 without",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			checkpoints := 0
			find := func(journal *search.Journal) *search.Result {
				return run(t, newLandscape(), greedy(t, search.Row, 1), search.Config{Steps: 90, Validation: watched(c.prompts, c.lost, &checkpoints), Journal: journal})
			}
			r := find(nil)
			if !regexp.MustCompile("^"+c.warning+"$").MatchString(r.Warning) || r.Stopped != c.stopped {
				t.Errorf("stopped by %q: %s", r.Stopped, r.Warning)
			}
			checkKept(t, r)
			again, err := newLandscape().Score(context.Background(), r.Patch, []search.Move{{}})
			if err != nil || again[0].Fitness != r.Fitness || r.Final.Fitness != r.Fitness {
				t.Errorf("the patch has fitness %v, the run says %v", again, r.Fitness)
			}
			seen := 0
			for i, p := range r.Trajectory {
				if p.Right == nil {
					continue
				}
				seen++
				if i > 0 && i < len(r.Trajectory)-1 && p.Cost < 5 {
					t.Errorf("looked after a cost of %v", p.Cost)
				}
			}
			if seen != len(r.Checkpoints) || seen != checkpoints {
				t.Errorf("%d points with answers, %d looks, %d times asked", seen, len(r.Checkpoints), checkpoints)
			}
		})
	}
}

// checkKept checks that the patch that a run keeps is the best of those it looked
// at, and that it says where it was if that is not the last.
func checkKept(t *testing.T, r *search.Result) {
	t.Helper()
	if strings.Contains(r.Warning, "none is kept") {
		if r.Patch.Len() > 0 || r.Fitness != 0 {
			t.Errorf("kept %d flips of fitness %v", r.Patch.Len(), r.Fitness)
		}
		return
	}
	var kept search.Checkpoint
	for _, l := range r.Checkpoints {
		if l.Fitness == r.Fitness && l.Flips == r.Patch.Len() {
			kept = l
		}
	}
	if kept.Right == nil {
		t.Fatalf("the %d flips of fitness %v were never looked at", r.Patch.Len(), r.Fitness)
	}
	for _, l := range r.Checkpoints[1:] {
		if *l.Right > *kept.Right || *l.Right == *kept.Right && l.Fitness > kept.Fitness {
			t.Errorf("kept a patch of fitness %v with %d right answers, at step %d one of %v had %d", kept.Fitness, *kept.Right, l.Step, l.Fitness, *l.Right)
		}
	}
	last := r.Checkpoints[len(r.Checkpoints)-1]
	if back := fmt.Sprintf("to step %d, ", kept.Step); (r.WentBack == "") != (kept.Step == last.Step) || r.WentBack != "" && !strings.HasPrefix(r.WentBack, back) {
		t.Errorf("kept the patch of step %d of %d: %q", kept.Step, last.Step, r.WentBack)
	}
}

// What pruning leaves is looked at, too.
func TestThePrunedPatchIsLookedAt(t *testing.T) {
	checkpoints := 0
	c := search.Config{Steps: 60, Prune: true, Validation: watched(300, func(n int) int { return 3 * n }, &checkpoints)}
	c.Validation.Every = 1000 // only the start and the end
	r := run(t, lenient(), greedy(t, search.Row, 4), c)
	if last := r.Checkpoints[len(r.Checkpoints)-1]; len(r.Checkpoints) != 2 || last.Flips != r.Patch.Len() && r.Patch.Len() > 0 {
		t.Errorf("%d looks, the last at %d flips; the patch has %d", len(r.Checkpoints), last.Flips, r.Patch.Len())
	}
}

// A resumed search does not look again at what the journal has seen.
func TestValidationIsResumed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	var results []*search.Result
	for i := range 2 {
		ev, st, checkpoints := newLandscape(), guided(t, hills(12, 1), search.Row), 0
		j, err := search.OpenJournal(path, search.Identity(empty(), ev, st), i > 0)
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, run(t, ev, st, search.Config{Steps: 50, Journal: j, Validation: watched(300, func(n int) int { return n % 3 }, &checkpoints)}))
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if i > 0 && (checkpoints > 0 || ev.scored > 0 || ev.predicted > 0) {
			t.Errorf("looked %d times, scored %d, predicted %d", checkpoints, ev.scored, ev.predicted)
		}
	}
	same(t, "resumed", results[1], results[0])
}

func TestAValidationThatFailsEndsTheRun(t *testing.T) {
	blind := errors.New("cannot see")
	c := search.Config{Steps: 9, Validation: &search.Validation{Answers: func(context.Context, *bankai.Patch) ([]bool, error) { return nil, blind }}}
	if _, err := search.Run(context.Background(), newLandscape(), greedy(t, search.Row, 1), empty(), c); !errors.Is(err, blind) {
		t.Errorf("error %v", err)
	}
}
