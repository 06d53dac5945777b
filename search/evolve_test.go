package search_test

import (
	"reflect"
	"testing"

	"bankai/search"
)

func evolve(t testing.TB, seed uint64) *search.Evolve {
	t.Helper()
	st, err := search.NewEvolve(hills(40, 1), search.Row, seed)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// Evolution climbs, ends by itself, and depends on nothing but its seed.
func TestEvolve(t *testing.T) {
	r := run(t, lenient(), evolve(t, 1), search.Config{Steps: 2000})
	if r.Stopped != search.StopExhausted || r.Fitness < 0.4 || r.Patch.Len() < 4 {
		t.Errorf("stopped by %q after %d candidates with fitness %v, %d flips", r.Stopped, r.Steps, r.Fitness, r.Patch.Len())
	}
	best := 0.0
	for _, p := range r.Trajectory {
		if p.Fitness < best {
			t.Errorf("the current patch fell to %v", p.Fitness)
		}
		best = p.Fitness
	}
	same(t, "again", run(t, lenient(), evolve(t, 1), search.Config{Steps: 2000, Batch: 4}), r)
	if other := run(t, lenient(), evolve(t, 2), search.Config{Steps: 2000}); reflect.DeepEqual(other.Patch.Flips(), r.Patch.Flips()) {
		t.Error("another seed found the same patch")
	}
}
