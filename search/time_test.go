package search_test

import (
	"context"
	"path/filepath"
	"testing"

	"bankai"
	"bankai/search"
)

// patient answers so many questions, and then waits until the time is up.
type patient struct {
	*landscape
	left int
}

func (p *patient) Score(ctx context.Context, cur *bankai.Patch, moves []search.Move) ([]search.Score, error) {
	if p.left--; p.left < 0 {
		<-ctx.Done()
	}
	return p.landscape.Score(ctx, cur, moves)
}

// A time limit ends a run also where a measurement takes longer, which is given up; what
// was decided before stands. The journal of such a run repeats it, and with more time it
// goes on as if there had been no limit.
func TestTimeLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	timed := func(ev search.Evaluator, limits search.Config) *search.Result {
		st := greedy(t, search.Row, 1)
		j, err := search.OpenJournal(path, search.Identity(empty(), newLandscape(), st), true)
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		limits.Journal = j
		r, err := search.Run(context.Background(), ev, st, empty(), limits)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	short := timed(&patient{newLandscape(), 20}, search.Config{Steps: 60, MaxSeconds: 0.5})
	if short.Stopped != search.StopTime || short.Steps != 19 {
		t.Fatalf("stopped by %q after %d candidates", short.Stopped, short.Steps)
	}
	want := run(t, newLandscape(), greedy(t, search.Row, 1), search.Config{Steps: short.Steps})
	if short.Patch.ContentDigest() != want.Patch.ContentDigest() || short.Fitness != want.Fitness {
		t.Errorf("%v, want %v", short.Patch.Flips(), want.Patch.Flips())
	}
	again := timed(&patient{newLandscape(), 0}, search.Config{Steps: 60, MaxSeconds: 1e-9 + short.Seconds})
	if again.Steps != short.Steps || again.Patch.ContentDigest() != short.Patch.ContentDigest() || again.Stopped != search.StopTime {
		t.Errorf("repeated: %d candidates, stopped by %q", again.Steps, again.Stopped)
	}
	long := timed(newLandscape(), search.Config{Steps: 60})
	want = run(t, newLandscape(), greedy(t, search.Row, 1), search.Config{Steps: 60})
	if long.Patch.ContentDigest() != want.Patch.ContentDigest() || long.Fitness != want.Fitness {
		t.Errorf("with more time %v, want %v", long.Patch.Flips(), want.Patch.Flips())
	}
}
