package search_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"bankai"
	"bankai/search"
)

// watched answers n prompts right, less lost(flips of the patch).
func watched(n int, lost func(flips int) int, looks *int) *search.Watch {
	return &search.Watch{Every: 5, Answers: func(_ context.Context, p *bankai.Patch) ([]bool, error) {
		*looks++
		right := make([]bool, n)
		for i := range right {
			right[i] = i >= n/2 && i < n-lost(p.Len())
		}
		return right, nil
	}}
}

// A search whose fitness rises while answers are lost is ended, and what was best
// for the answers is kept, if there are enough of them to tell; if there are not,
// it goes on and says so.
func TestWatch(t *testing.T) {
	for _, c := range []struct {
		name    string
		prompts int
		lost    func(flips int) int
		stopped search.Stop
		flips   int // of the patch that was kept; -1 for the last one
		warning string
	}{
		{"nothing is lost", 300, func(int) int { return 0 }, search.StopSteps, -1, ""},
		{"chance", 300, func(n int) int { return n % 3 }, search.StopSteps, -1, ""},
		{"answers fall from the start", 300, func(n int) int { return 4 * n }, search.StopFooled, 0, "the patch with the most right answers was kept"},
		{"answers fall after a rise", 300, func(n int) int { return max(-2*n, 4*n-30) }, search.StopFooled, 4, "the patch with the most right answers was kept"},
		{"too few prompts", 199, func(n int) int { return 4 * n }, search.StopSteps, -1, "the search went on, since fewer than 200 prompts are too few"},
	} {
		t.Run(c.name, func(t *testing.T) {
			looks := 0
			find := func(journal *search.Journal) *search.Result {
				return run(t, newLandscape(), greedy(t, search.Row, 1), search.Config{Steps: 90, Watch: watched(c.prompts, c.lost, &looks), Journal: journal})
			}
			r := find(nil)
			if r.Stopped != c.stopped || (r.Warning == "") != (c.warning == "") || !strings.Contains(r.Warning, c.warning) {
				t.Errorf("stopped by %q: %s", r.Stopped, r.Warning)
			}
			last := r.Looks[len(r.Looks)-1]
			if c.flips >= 0 && r.Patch.Len() > c.flips || c.flips < 0 && r.Patch.Len() != last.Flips {
				t.Errorf("kept %d flips, the last look saw %d", r.Patch.Len(), last.Flips)
			}
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
			if seen != len(r.Looks) || seen != looks {
				t.Errorf("%d points with answers, %d looks, %d times asked", seen, len(r.Looks), looks)
			}
		})
	}
}

// A resumed search does not look again at what the journal has seen.
func TestWatchIsResumed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	var results []*search.Result
	for i := range 2 {
		ev, st, looks := newLandscape(), guided(t, hills(12, 1), search.Row), 0
		j, err := search.OpenJournal(path, search.Identity(empty(), ev, st), i > 0)
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, run(t, ev, st, search.Config{Steps: 50, Journal: j, Watch: watched(300, func(n int) int { return n % 3 }, &looks)}))
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if i > 0 && (looks > 0 || ev.scored > 0 || ev.foreseen > 0) {
			t.Errorf("looked %d times, scored %d, forecast %d", looks, ev.scored, ev.foreseen)
		}
	}
	same(t, "resumed", results[1], results[0])
}

func TestAWatchThatFailsEndsTheRun(t *testing.T) {
	blind := errors.New("cannot see")
	c := search.Config{Steps: 9, Watch: &search.Watch{Answers: func(context.Context, *bankai.Patch) ([]bool, error) { return nil, blind }}}
	if _, err := search.Run(context.Background(), newLandscape(), greedy(t, search.Row, 1), empty(), c); !errors.Is(err, blind) {
		t.Errorf("error %v", err)
	}
}
