package search_test

import (
	"context"
	"fmt"
	"reflect"
	"testing"

	"bankai"
	"bankai/search"
)

// Whatever a strategy wants to know, an evaluator that cannot tell is an error.
func TestGuidedNeedsPredictions(t *testing.T) {
	st, err := search.NewGuided([]search.Matrix{{Name: "blk.0.ffn_gate.weight", Rows: 4, Groups: 1}}, 1, search.Row)
	if err != nil {
		t.Fatal(err)
	}
	_, err = search.Run(context.Background(), blind{}, st, bankai.New(bankai.Digest{}, bankai.Meta{}), search.Config{Steps: 3})
	if err == nil {
		t.Error("no error")
	}
}

// blind scores everything alike.
type blind struct{}

func (blind) Score(_ context.Context, _ *bankai.Patch, moves []search.Move) ([]search.Score, error) {
	return make([]search.Score, len(moves)), nil
}

// The strategy alone, on predictions that are given: it tries the promising ones,
// best first, a few in a round, lets those rest that failed, and gives up.
func TestGuidedStrategy(t *testing.T) {
	ms := []search.Matrix{{Name: "blk.0.ffn_gate.weight", Rows: 100, Groups: 1}}
	st, err := search.NewGuided(ms, 1, search.Row)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(row int) bankai.Flip {
		return bankai.Flip{Tensor: ms[0].Name, Row: uint32(row), N: bankai.ToEnd}
	}
	var prediction search.Predictions
	for row := range 80 {
		prediction.Best[search.Row] = append(prediction.Best[search.Row], search.Prediction{Flip: flip(row), Fitness: 1 - float64(row)/50}) // 50 of them above 0
	}
	st.Learn([]search.Trial{{}}) // the start: fitness 0
	var log []string
	for {
		for w := st.Wants(); !w.Empty(); w = st.Wants() {
			log = append(log, fmt.Sprintf("prediction of %d", w.Best[search.Row]))
			st.Inform(prediction)
		}
		moves := st.Next(1)
		if len(moves) == 0 {
			break
		}
		row := moves[0].Flips[0].Row
		s := search.Score{Fitness: -1}
		if row == 2 { // only this one helps
			s.Fitness = 0.01
		}
		log = append(log, fmt.Sprint(row, st.Learn([]search.Trial{{Move: moves[0], Score: s}})))
	}
	want := []string{"prediction of 80"}
	for row := range uint32(16) { // the first round
		want = append(want, fmt.Sprint(row, map[bool]int{true: 0, false: -1}[row == 2]))
	}
	want = append(want, "prediction of 80", fmt.Sprint(uint32(2), -1)) // flipping it back is a candidate
	for row := uint32(16); row < 49; row++ {                           // the others rest, and 1 − 49/50 is not above 0.01
		want = append(want, fmt.Sprint(row, -1))
	}
	// The first round's rows may be tried again in the fifth, but after two whole
	// rounds without success and a third and fourth with what is left, it gives up.
	if !reflect.DeepEqual(log[:min(len(log), len(want))], want) {
		t.Errorf("it went\n%v, want\n%v", log, want)
	}
	if len(log) > len(want)+16 {
		t.Errorf("it went on for %d candidates", len(log)-len(want))
	}
}

func guided(t testing.TB, ms []search.Matrix, sizes ...search.Granularity) *search.Guided {
	t.Helper()
	st, err := search.NewGuided(ms, 1, sizes...)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func run(t testing.TB, ev search.Evaluator, st search.Strategy, c search.Config) *search.Result {
	t.Helper()
	r, err := search.Run(context.Background(), ev, st, empty(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Guided search finds in a few trials what drawing by scale needs many for, with
// rows, groups, bits, and one after the other in one patch.
func TestGuidedOnALandscape(t *testing.T) {
	for _, c := range []struct {
		name  string
		rows  int
		sizes []search.Granularity
	}{
		{"rows", 24, []search.Granularity{search.Row}},
		{"groups", 12, []search.Granularity{search.Group}},
		{"bits", 1, []search.Granularity{search.Bit}},
		{"mixed", 2, []search.Granularity{search.Row, search.Group, search.Bit}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ms := hills(c.rows, 2)
			r := run(t, lenient(), guided(t, ms, c.sizes...), search.Config{Steps: 400})
			if r.Stopped != search.StopExhausted || r.Fitness < 0.4 {
				t.Errorf("stopped by %q after %d candidates with fitness %v, %d flips", r.Stopped, r.Steps, r.Fitness, r.Patch.Len())
			}
			kept, seen := 0, map[search.Granularity]bool{}
			for _, o := range r.Outcomes {
				seen[o.Granularity] = true
				if o.Kept {
					kept++
				}
				if o.Kept && o.True <= 0 {
					t.Errorf("kept %+v", o)
				}
			}
			if kept != r.Accepted || len(r.Outcomes) != r.Steps-r.Screened {
				t.Errorf("%d outcomes, %d of them kept, of %d candidates, %d accepted", len(r.Outcomes), kept, r.Steps, r.Accepted)
			}
			if len(seen) != len(c.sizes) {
				t.Errorf("tried %v", seen)
			}
			again := run(t, lenient(), guided(t, ms, c.sizes...), search.Config{Steps: 400, Batch: 3})
			// However many are scored at once, it decides the same.
			if again.Patch.ContentDigest() != r.Patch.ContentDigest() {
				t.Errorf("in batches of 3: %v, want %v", again.Patch.Flips(), r.Patch.Flips())
			}
		})
	}
}

// lenient screens on nearly all its targets, so that hardly anything is screened.
func lenient() *landscape {
	ev := newLandscape()
	ev.screen = 5
	return ev
}

// Bits go together: 128 and 64 of the best are tried, and the better is kept; then twice
// as many, but never more than 128, and as many. After a failure it is a quarter, down to
// 8. What is kept is measured once more only if it was not the last.
func TestBitsAreALineSearch(t *testing.T) {
	for _, c := range []struct {
		best int // number of bits that is worth most
		want string
	}{
		{300, "| 128 64 128 kept | 128 32 8 8 8 8 8 8 "},
		{60, "| 128 64 kept | 128 64 16 8 8 8 8 8 "},
		{30, "| 128 64 kept | 128 64 16 kept | 32 16 32 kept | 64 32 8 8 "},
	} {
		if got := lineSearch(t, c.best); got[:min(len(got), len(c.want))] != c.want {
			t.Errorf("with %d bits worth most it went %q, want %q", c.best, got, c.want)
		}
	}
}

// lineSearch logs a search by bits of which that many are worth most: where it predicts,
// the numbers of bits it tries, and which of these it keeps.
func lineSearch(t *testing.T, most int) (log string) {
	ms := []search.Matrix{{Name: "blk.0.ffn_up.weight", Rows: 4096, Groups: 4}}
	st := guided(t, ms, search.Bit)
	var prediction search.Predictions
	for i := range ms[0].Rows {
		f := bankai.Flip{Tensor: ms[0].Name, Row: uint32(i), Col: uint32(i % 512), N: 1}
		prediction.Best[search.Bit] = append(prediction.Best[search.Bit], search.Prediction{Flip: f, Fitness: 9 - float64(i)/1000})
	}
	worth := func(k int) float64 { return 1 - float64((k-most)*(k-most))/1e6 }
	st.Learn([]search.Trial{{}})
	best := 0.0
	for range 14 {
		for w := st.Wants(); !w.Empty(); w = st.Wants() {
			log += "| "
			st.Inform(prediction)
		}
		m := st.Next(1)
		if len(m) == 0 {
			break
		}
		k := len(m[0].Flips)
		keep := st.Learn([]search.Trial{{Move: m[0], Score: search.Score{Fitness: worth(k)}}})
		log += fmt.Sprint(k, " ")
		if keep >= 0 {
			log += "kept "
			if worth(k) <= best {
				t.Errorf("kept %d bits, which is worse", k)
			}
			best = worth(k)
		}
	}
	return log
}

// Without the limits nothing is left out; with them the patch stays within, and is
// not measured beyond.
func TestTheSizeOfAPatchIsLimited(t *testing.T) {
	shape := func(string) (rows, cols uint32, ok bool) { return 12, bankai.GroupSize, true }
	free := run(t, lenient(), guided(t, hills(12, 1), search.Row), search.Config{Steps: 300})
	size := func(r *search.Result) int {
		fitted, err := r.Patch.Fit(shape)
		if err != nil {
			t.Fatal(err)
		}
		n, err := fitted.ContentSize()
		if err != nil {
			t.Fatal(err)
		}
		return int(n)
	}
	bytes := size(free) - 2*free.Patch.Len()/3
	for _, c := range []struct {
		name   string
		config search.Config
	}{
		{"flips", search.Config{Steps: 300, MaxFlips: free.Patch.Len() / 2}},
		{"bytes", search.Config{Steps: 300, MaxBytes: bytes, Shape: shape}},
	} {
		r := run(t, lenient(), guided(t, hills(12, 1), search.Row), c.config)
		if n := c.config.MaxFlips; n > 0 && (r.Patch.Len() > n || r.Stopped != search.StopFlips) {
			t.Errorf("%s: %d flips, stopped by %q", c.name, r.Patch.Len(), r.Stopped)
		}
		if n := c.config.MaxBytes; n > 0 && (size(r) > n || size(r) < n-60) {
			t.Errorf("%s: %d bytes of %d (%d without the limit)", c.name, size(r), n, size(free))
		}
		if r.Fitness <= 0 || r.Fitness >= free.Fitness {
			t.Errorf("%s: fitness %v, without the limit %v", c.name, r.Fitness, free.Fitness)
		}
	}
}

// Pruning leaves a patch that is no worse and no larger, and that no single flip
// can be taken out of for nothing.
func TestPruning(t *testing.T) {
	ms := hills(12, 1)
	full := run(t, lenient(), greedy(t, search.Row, 4), search.Config{Steps: 60})
	pruned := run(t, lenient(), greedy(t, search.Row, 4), search.Config{Steps: 60, Prune: true})
	if pruned.Fitness < full.Fitness || pruned.Patch.Len() >= full.Patch.Len() {
		t.Errorf("fitness %v of %d flips, without pruning %v of %d", pruned.Fitness, pruned.Patch.Len(), full.Fitness, full.Patch.Len())
	}
	if limit := full.Cost * 1.2; pruned.Cost > limit {
		t.Errorf("pruning went from cost %v to %v", full.Cost, pruned.Cost)
	}
	capped := run(t, lenient(), guided(t, ms, search.Row), search.Config{Steps: 900, MaxCost: 20, Prune: true})
	if capped.Cost > 24 || capped.Stopped != search.StopCost {
		t.Errorf("cost %v of 20, stopped by %q", capped.Cost, capped.Stopped)
	}
}
