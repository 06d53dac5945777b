package search_test

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"testing"

	"bankai"
	"bankai/search"
)

// accumulator is a search by samples of a crowd.
func accumulator(t testing.TB, c *crowd) *search.Accumulator {
	t.Helper()
	st, err := search.NewAccumulator(c.matrices(), c.deal.Blocks, search.Row)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// For what a search on all examples spends on a few rounds, one by samples finds more,
// also for examples that neither has seen; and what it says of its patch is about true.
func TestSamplesFindMore(t *testing.T) {
	c := newCrowd(400, 800, 40, 1)
	limits := search.Config{Steps: 1e6, MaxCost: 10}
	all := run(t, c, guided(t, c.matrices(), search.Row), limits)
	some := run(t, c, accumulator(t, c), limits)
	if a, s := c.truth(all.Patch), c.truth(some.Patch); s < 1.2*a || a <= 0 {
		t.Errorf("by samples %v, on all examples %v, of examples not seen", s, a)
	}
	own, err := c.Score(context.Background(), some.Patch, []search.Move{{}})
	if err != nil {
		t.Fatal(err)
	}
	if said, is := some.Fitness, own[0].Fitness; said < 0.9*is || said > 1.1*is {
		t.Errorf("it says %v of a fitness of %v", said, is)
	}
	on := accumulator(t, c).Yardstick()
	if again, err := c.Score(context.Background(), some.Patch, []search.Move{{Sample: on}}); err != nil || !reflect.DeepEqual(again[0].Targets, some.Final.Targets) || again[0].Fitness != some.Fitness {
		t.Errorf("the patch scores %v on %v (%v), the run said %v", again[0].Fitness, on, err, some.Fitness)
	}
}

// A round costs as much of few examples as of many.
func TestARoundCostsTheSameOfManyExamples(t *testing.T) {
	examples := func(n int) float64 { // measured or predicted on, in passes over one
		c := newCrowd(200, n, 50, 1)
		r := run(t, c, accumulator(t, c), search.Config{Steps: 24})
		return r.Cost * float64(n)
	}
	if few, many := examples(400), examples(3200); many > 1.5*few {
		t.Errorf("24 candidates took passes over %.0f examples of 400 and over %.0f of 3,200", few, many)
	}
}

// However many moves are measured at once, it decides the same; and where nothing
// helps, it ends.
func TestAccumulatorInBatches(t *testing.T) {
	c := newCrowd(300, 400, 50, 2)
	one := run(t, c, accumulator(t, c), search.Config{Steps: 60})
	three := run(t, c, accumulator(t, c), search.Config{Steps: 60, Batch: 3})
	if one.Accepted == 0 || one.Patch.ContentDigest() != three.Patch.ContentDigest() {
		t.Errorf("one by one %v, in batches of 3 %v", one.Patch.Flips(), three.Patch.Flips())
	}
	c = newCrowd(6, 400, 50, 2)
	if r := run(t, c, accumulator(t, c), search.Config{Steps: 1e6}); r.Stopped != search.StopExhausted {
		t.Errorf("stopped by %q after %d candidates", r.Stopped, r.Steps)
	}
}

// Rows, groups and bits have their turns in every round, and what a flip takes back of
// another is a move as well.
func TestAccumulatorByAllSizes(t *testing.T) {
	st, err := search.NewAccumulator(hills(2, 2)[:2], 1, search.Row, search.Group, search.Bit)
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, lenient(), st, search.Config{Steps: 40})
	seen := map[search.Granularity]bool{}
	for _, o := range r.Outcomes {
		seen[o.Granularity] = true
	}
	if len(seen) != search.Granularities || r.Fitness <= 0 {
		t.Errorf("tried %v, fitness %v", seen, r.Fitness)
	}
}

// What it prunes, it measures on the yardstick; its patch is no worse there.
func TestPruningOnSamples(t *testing.T) {
	c := newCrowd(300, 400, 50, 3)
	limits := search.Config{Steps: 80}
	full := run(t, c, accumulator(t, c), limits)
	limits.Prune = true
	pruned := run(t, c, accumulator(t, c), limits)
	if pruned.Fitness < full.Fitness || pruned.Patch.Len() > full.Patch.Len() {
		t.Errorf("fitness %v of %d flips, without pruning %v of %d", pruned.Fitness, pruned.Patch.Len(), full.Fitness, full.Patch.Len())
	}
}

// A run on samples that was interrupted ends as it would have, and answers nothing twice.
func TestResumingARunOnSamples(t *testing.T) {
	c := newCrowd(300, 400, 50, 4)
	path := filepath.Join(t.TempDir(), "j")
	resumed := func(ev search.Evaluator, ctx context.Context) *search.Result {
		st := accumulator(t, c)
		j, err := search.OpenJournal(path, search.Identity(empty(), c, st), true)
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		r, err := search.Run(ctx, ev, st, empty(), search.Config{Steps: 50, Prune: true, Journal: j})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	want := run(t, c, accumulator(t, c), search.Config{Steps: 50, Prune: true})
	for left := range 4 {
		ctx, cancel := context.WithCancel(context.Background())
		resumed(&leaving{crowd: c, left: 9 + left, end: cancel}, ctx)
		cancel()
	}
	got := resumed(c, context.Background())
	if got.Patch.ContentDigest() != want.Patch.ContentDigest() || !reflect.DeepEqual(got.Final, want.Final) || got.Cost != want.Cost {
		t.Errorf("it ended with %v, cost %v, want %v, %v", got.Final.Fitness, got.Cost, want.Final.Fitness, want.Cost)
	}
	if resumed(&leaving{crowd: c, left: 1}, context.Background()).Cost != want.Cost {
		t.Error("a run that is complete measures again")
	}
}

// leaving is a crowd that answers so many questions, and then ends the run; without an
// end, it fails.
type leaving struct {
	*crowd
	left int
	end  func()
}

func (e *leaving) Score(ctx context.Context, cur *bankai.Patch, moves []search.Move) ([]search.Score, error) {
	if e.left--; e.left < 0 && e.end == nil {
		return nil, errors.New("asked too often")
	} else if e.left < 0 {
		e.end()
	}
	return e.crowd.Score(ctx, cur, moves)
}

// A patch that is worse than the start on the yardstick is not the result.
func TestSamplesThatPromiseTooMuch(t *testing.T) {
	c := newCrowd(300, 400, 50, 5)
	r := run(t, &boasting{c}, accumulator(t, c), search.Config{Steps: 30})
	if r.Accepted == 0 || r.Patch.Len() != 0 || r.Fitness != r.Start.Fitness || r.WentBack == "" {
		t.Errorf("%d kept, %d flips in the end, fitness %v, %q", r.Accepted, r.Patch.Len(), r.Fitness, r.WentBack)
	}
}

// boasting is a crowd whose yardstick says the opposite of the blocks.
type boasting struct{ *crowd }

func (b *boasting) Score(ctx context.Context, cur *bankai.Patch, moves []search.Move) ([]search.Score, error) {
	scores, err := b.crowd.Score(ctx, cur, moves)
	for i, m := range moves {
		if m.Sample.N == b.deal.Blocks {
			scores[i].Fitness *= -1
		}
	}
	return scores, err
}
