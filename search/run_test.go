package search_test

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"bankai"
	"bankai/search"
)

func TestRunFindsAFitterPatch(t *testing.T) {
	ev := newLandscape()
	r, err := search.Run(context.Background(), ev, greedy(t, search.Row, 1), empty(), search.Config{Steps: 60})
	if err != nil {
		t.Fatal(err)
	}
	if r.Stopped != search.StopSteps || r.Steps != 60 {
		t.Errorf("stopped by %q after %d steps", r.Stopped, r.Steps)
	}
	if r.Start.Fitness != 0 || r.Fitness <= 0 || r.Accepted == 0 || r.Screened == 0 {
		t.Errorf("fitness %v → %v, %d accepted, %d screened", r.Start.Fitness, r.Fitness, r.Accepted, r.Screened)
	}
	if r.Patch.Base() != empty().Base() || r.Patch.Meta().Name != "found" || r.Patch.Len() != r.Accepted {
		t.Errorf("the patch has %d flips of %d, base %v, name %q", r.Patch.Len(), r.Accepted, r.Patch.Base(), r.Patch.Meta().Name)
	}
	again, err := ev.Score(context.Background(), r.Patch, []search.Move{{}})
	if err != nil || !reflect.DeepEqual(again[0], r.Final) || r.Final.Fitness != r.Fitness {
		t.Errorf("the patch scores %v (%v), the run said %v", again, err, r.Final)
	}
}

// A trajectory starts at the start, climbs at every point but the last, and ends
// where the run does.
func TestTrajectory(t *testing.T) {
	r, err := search.Run(context.Background(), newLandscape(), greedy(t, search.Group, 3), empty(), search.Config{Steps: 50})
	if err != nil {
		t.Fatal(err)
	}
	points := timeless(r.Trajectory)
	if first := (search.Point{Cost: 1}); points[0] != first {
		t.Errorf("starts with %v, want %v", points[0], first)
	}
	last := search.Point{Step: r.Steps, Cost: r.Cost, Fitness: r.Fitness, Flips: r.Patch.Len()}
	if points[len(points)-1] != last {
		t.Errorf("ends with %v, want %v", points[len(points)-1], last)
	}
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		if b.Step <= a.Step || b.Cost <= a.Cost || b.Fitness < a.Fitness || b.Fitness == a.Fitness && i < len(points)-1 {
			t.Errorf("point %d: %v after %v", i, b, a)
		}
	}
	if n := len(points); n < r.Accepted+1 || n > r.Accepted+2 {
		t.Errorf("%d points for %d accepted", n, r.Accepted)
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct {
		name   string
		config search.Config
		start  int // flips before
		want   search.Stop
		check  func(*search.Result) bool
	}{
		{"steps", search.Config{Steps: 7, Batch: 4}, 0, search.StopSteps, func(r *search.Result) bool { return r.Steps == 7 }},
		{"flips", search.Config{Steps: 90, MaxFlips: 3}, 0, search.StopFlips, func(r *search.Result) bool { return r.Patch.Len() == 3 }},
		{"flips from the start", search.Config{Steps: 90, MaxFlips: 3}, 3, search.StopFlips, func(r *search.Result) bool { return r.Steps == 0 }},
		{"cost", search.Config{Steps: 90, MaxCost: 9.5}, 0, search.StopCost, func(r *search.Result) bool { return r.Cost >= 9.5 && r.Cost < 10.5 }},
		{"nothing left", search.Config{Steps: 9000}, 0, search.StopExhausted, func(r *search.Result) bool { return r.Steps > 80 && r.Steps <= 96 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			cur := bankai.New(bankai.Digest{}, bankai.Meta{})
			for i := range c.start {
				cur, _ = cur.Xor(bankai.New(bankai.Digest{}, bankai.Meta{}, bankai.Flip{Tensor: "x", Row: uint32(i), N: bankai.ToEnd}))
			}
			r, err := search.Run(context.Background(), newLandscape(), greedy(t, search.Row, 1), cur, c.config)
			if err != nil || r.Stopped != c.want || !c.check(r) {
				t.Errorf("stopped by %q, %v: %d steps, %d flips, cost %v", r.Stopped, err, r.Steps, r.Patch.Len(), r.Cost)
			}
		})
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, c := range []struct {
		config search.Config
		want   string
	}{
		{search.Config{}, "search: steps 0: must be at least 1"},
		{search.Config{Steps: -3}, "search: steps -3: must be at least 1"},
		{search.Config{Steps: 1, MaxFlips: -1}, "search: max flips -1: must be at least 1, or 0 for no limit"},
		{search.Config{Steps: 1, Batch: -1}, "search: batch -1: must be at least 1, or 0 for the default"},
		{search.Config{Steps: 1, MaxCost: -2}, "search: max cost -2: must be above 0, or 0 for no limit"},
		{search.Config{Steps: 1, MaxCost: math.NaN()}, "search: max cost NaN: must be above 0, or 0 for no limit"},
	} {
		if _, err := search.Run(context.Background(), newLandscape(), greedy(t, search.Row, 1), empty(), c.config); err == nil || err.Error() != c.want {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
}

// An evaluator that works n times and then ends its run, one way or the other.
type ending struct {
	search.Evaluator
	n   int
	end func() error
}

func (e *ending) Score(ctx context.Context, cur *bankai.Patch, moves []search.Move) ([]search.Score, error) {
	if e.n--; e.n < 0 {
		if err := e.end(); err != nil {
			return nil, err
		}
	}
	return e.Evaluator.Score(ctx, cur, moves)
}

// Whenever a run ends, what it found is what a shorter run would have found.
func TestEndsKeepThePatch(t *testing.T) {
	broken := errors.New("the machine is on fire")
	for n := range 30 {
		want := &search.Result{Patch: empty()}
		if n > 1 {
			var err error
			if want, err = search.Run(context.Background(), newLandscape(), greedy(t, search.Row, 5), empty(), search.Config{Steps: n - 1}); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		interrupted := &ending{newLandscape(), n, func() error { cancel(); return nil }}
		r, err := search.Run(ctx, interrupted, greedy(t, search.Row, 5), empty(), search.Config{Steps: 90})
		if err != nil || r.Stopped != search.StopInterrupted {
			t.Errorf("interrupted: stopped by %q, error %v", r.Stopped, err)
		}
		failed := &ending{newLandscape(), n, func() error { return broken }}
		f, err := search.Run(context.Background(), failed, greedy(t, search.Row, 5), empty(), search.Config{Steps: 90})
		if !errors.Is(err, broken) || f.Stopped != "" {
			t.Errorf("failed: stopped by %q, error %v", f.Stopped, err)
		}
		for _, got := range []*search.Result{r, f} {
			if !reflect.DeepEqual(got.Patch.Flips(), want.Patch.Flips()) || got.Fitness != want.Fitness {
				t.Errorf("after %d calls: %v, want %v", n, got.Patch.Flips(), want.Patch.Flips())
			}
		}
	}
}

// A strategy or an evaluator that breaks its contract is an error, not a panic.
type confused struct{ search.Strategy }

func (confused) Next(int) []search.Move   { return []search.Move{{}, {}} }
func (confused) Learn([]search.Trial) int { return 2 }

type silent struct{ search.Evaluator }

func (silent) Score(context.Context, *bankai.Patch, []search.Move) ([]search.Score, error) {
	return nil, nil
}

func TestContractsAreChecked(t *testing.T) {
	if _, err := search.Run(context.Background(), newLandscape(), confused{}, empty(), search.Config{Steps: 5}); err == nil ||
		!strings.Contains(err.Error(), "kept trial 2 of 2") {
		t.Errorf("error %v", err)
	}
	if _, err := search.Run(context.Background(), silent{}, greedy(t, search.Row, 1), empty(), search.Config{Steps: 5}); err == nil ||
		!strings.Contains(err.Error(), "0 scores for 1 moves") {
		t.Errorf("error %v", err)
	}
}

func TestAStartThatCannotBeComparedIsRefused(t *testing.T) {
	ev := newLandscape()
	ev.bias = math.NaN()
	r, err := search.Run(context.Background(), ev, greedy(t, search.Row, 1), empty(), search.Config{Steps: 5})
	if err == nil || !strings.Contains(err.Error(), "has fitness NaN") || r.Patch.Len() != 0 || len(r.Trajectory) != 0 {
		t.Errorf("error %v, result %+v", err, r)
	}
}

// A move may carry any flips, also ones that take earlier ones back.
type script []search.Move

func (s *script) Next(int) []search.Move {
	if len(*s) == 0 {
		return nil
	}
	m := (*s)[0]
	*s = (*s)[1:]
	return []search.Move{m}
}
func (*script) Learn([]search.Trial) int { return 0 }

func TestMovesCompose(t *testing.T) {
	a, b := bankai.Flip{Tensor: "a", Row: 1, Col: 3, N: 1}, bankai.Flip{Tensor: "a", Row: 2, N: bankai.ToEnd}
	st := &script{{Flips: []bankai.Flip{a, b}}, {Flips: []bankai.Flip{a}}}
	r, err := search.Run(context.Background(), newLandscape(), st, empty(), search.Config{Steps: 9})
	if err != nil || !reflect.DeepEqual(r.Patch.Flips(), []bankai.Flip{b}) {
		t.Errorf("patch %v, error %v", r.Patch.Flips(), err)
	}
}

func TestProgress(t *testing.T) {
	var seen []search.Progress
	c := search.Config{Steps: 20, MaxCost: 1000, Progress: func(p search.Progress) { seen = append(seen, p) }}
	r, err := search.Run(context.Background(), newLandscape(), greedy(t, search.Row, 1), empty(), c)
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != 21 || seen[0].Step != 0 || seen[0].Rate != 0 {
		t.Fatalf("%d reports, the first %+v", len(seen), seen[0])
	}
	last := seen[20]
	if last.Step != 20 || last.Steps != 20 || last.Fitness != r.Fitness || last.Accepted != r.Accepted ||
		last.Screened != r.Screened || last.Rate <= 0 || last.ETA != 0 || seen[10].ETA <= 0 {
		t.Errorf("the last report is %+v", last)
	}
}

// scripted proposes the moves of a script, and keeps one of them.
type scripted struct {
	script []search.Move
	keep   int // the place in the script of the move that is kept
	at     int
}

func (s *scripted) Next(int) []search.Move {
	if s.at >= len(s.script) {
		return nil
	}
	return s.script[s.at : s.at+1]
}

func (s *scripted) Learn(trials []search.Trial) int {
	if len(trials[0].Flips) == 0 {
		return -1
	}
	if s.at++; s.at-1 == s.keep {
		return 0
	}
	return -1
}

// A candidate costs its measurement. If it is kept at once that is all; if others
// were measured before it is kept, the way on from it has to be computed anew.
func TestCostOfKeeping(t *testing.T) {
	flip := func(row uint32) search.Move {
		return search.Move{Flips: []bankai.Flip{{Tensor: "blk.0.ffn_up.weight", Row: row, N: bankai.ToEnd}}}
	}
	for _, c := range []struct {
		name   string
		script []search.Move
		keep   int
		want   float64 // the start costs 1, too
	}{
		{"nothing is kept", []search.Move{flip(7), flip(8)}, -1, 3},
		{"kept at once", []search.Move{flip(7), flip(8)}, 1, 3},
		{"kept after another", []search.Move{flip(7), flip(8), flip(7)}, 2, 4},
		{"remembered and not kept", []search.Move{flip(7), flip(8), flip(7)}, -1, 3},
	} {
		ev := newLandscape()
		ev.screen = ev.targets - 1 // then rows 7 and 8 are measured in full
		r := run(t, ev, &scripted{script: c.script, keep: c.keep}, search.Config{Steps: 9})
		if r.Screened > 0 || r.Cost != c.want {
			t.Errorf("%s: cost %v, want %v; %d screened", c.name, r.Cost, c.want, r.Screened)
		}
	}
}
