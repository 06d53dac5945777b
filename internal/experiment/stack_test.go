package experiment

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/reporttest"
	"bankai/measure"
)

// Every combination is what the patches do in place, one after another.
func TestStack(t *testing.T) {
	sets, patches := []measure.Named{someProbes(t, "heldout", 12), someProbes(t, "control", 3)}, threePatches()
	s := steady(t, func(ctx context.Context, r *Run) (*Stack, error) {
		return MeasureStack(ctx, r, StackOptions{Patches: patches, Probes: sets})
	})
	m := enginetest.Demo(t, engine.Options{Threads: 2})
	all := slices.Concat(sets[0].Set, sets[1].Set)
	before := plainly(t, m, all)
	got := map[string]*measure.Measurement{}
	for _, c := range s.Combinations {
		var some []*bankai.Patch
		for _, i := range c.Members {
			some = append(some, patches[i].Patch)
		}
		got[c.Name] = plainly(t, m, all, some...)
		counted(t, c.Name, c.AnswerChange, before, got[c.Name])
		if c.Right[0]+c.Right[1] != c.After {
			t.Errorf("%s: %v right of the sets, %d in all", c.Name, c.Right, c.After)
		}
	}
	if len(got) != 7 {
		t.Errorf("%d combinations of 3 patches", len(got))
	}
	for _, p := range s.Probes {
		i := slices.IndexFunc(s.Generated.Answers, func(g Generation) bool { return g.Name == p.Name })
		gain := func(name string) float64 { return got[name].SeqLogprob[i] - before.SeqLogprob[i] }
		sum := gain("a") + gain("b") + gain("c")
		if p.Sum != sum || p.Together != gain("a ^ b ^ c") || p.Interference != p.Together-sum || p.Prompt != all[i].Prompt {
			t.Errorf("%+v, want a sum of %v, together %v", p, sum, gain("a ^ b ^ c"))
		}
	}
	if want := (OrderCheck{Orders: 6, AllOrders: true, Probes: 8, Logits: s.Orders.Logits, Overlay: true}); s.Orders != want || s.Orders.Logits == 0 {
		t.Errorf("%+v", s.Orders)
	}
	// b is 10 of a's 40 rows, c shares none with them; a row has 256 bits.
	if want := []Overlap{
		{[]int{0, 1}, 10 * 256, 40 * 256, 30 * 256},
		{[]int{0, 2}, 0, 100 * 256, 100 * 256},
		{[]int{1, 2}, 0, 70 * 256, 70 * 256},
		{[]int{0, 1, 2}, 10 * 256, 100 * 256, 90 * 256},
	}; !reflect.DeepEqual(s.Overlaps, want) {
		t.Errorf("%+v, want %+v", s.Overlaps, want)
	}
	reporttest.ReadBack(t, s, "stack", Own)
}

// Six probes, two patches: the answers that are fixed and broken alone and
// together, counted by hand.
func TestInterfere(t *testing.T) {
	s := &Stack{
		Patches:      make([]PatchSize, 2),
		Combinations: []Combination{{Members: []int{0}}, {Members: []int{1}}, {Members: []int{0, 1}}},
		Generated:    Generated{Answers: make([]Generation, 6)},
	}
	by := []*measure.Measurement{answersOf("---+++"), answersOf("+--+-+"), answersOf("-+-+++"), answersOf("-++--+")}
	for k, gains := range [][]float64{{}, {1, 0, 0, 0, 0, 0}, {2, 0, 0, 0, 0, 0}, {1, 0, 4, 0, 0, 0}} {
		copy(by[k].SeqLogprob, gains)
	}
	s.interfere(by)
	i := s.Interference[0]
	if i.FixedAlone != 2 || i.Lost != 1 || i.FixedJoint != 1 || i.BrokeJoint != 1 || i.Mean.Value != (4-2)/6. {
		t.Errorf("%+v", i)
	}
	if want := []float64{4, -2, 0, 0, 0, 0}; !reflect.DeepEqual(column(s.Probes), want) {
		t.Errorf("%v, want %v", column(s.Probes), want)
	}
}

func column(probes []Interfered) (values []float64) {
	for _, p := range probes {
		values = append(values, p.Interference)
	}
	return values
}

// Bits are counted as in a bit map of one byte a bit.
func TestCoveredBits(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{Threads: 1})
	rng := rand.New(rand.NewPCG(1, 1))
	const tensor, rows, cols = "blk.0.ffn_gate.weight", 3, 256
	for range 50 {
		var patches []*bankai.Patch
		var covered [rows][cols]int
		for range 1 + rng.IntN(4) {
			var flips []bankai.Flip
			for range rng.IntN(6) {
				col := rng.IntN(cols)
				flips = append(flips, bankai.Flip{Tensor: tensor, Row: uint32(rng.IntN(rows)), Col: uint32(col), N: uint32(1 + rng.IntN(cols-col))})
			}
			p := bankai.New(m.Digest(), bankai.Meta{}, flips...)
			patches = append(patches, p)
			for _, f := range flips {
				for c := f.Col; c < f.Col+f.N; c++ {
					covered[f.Row][c] ^= 1 << (8 + len(patches))
				}
			}
		}
		for least := 1; least <= 3; least++ {
			want := uint64(0)
			for _, row := range covered {
				for _, by := range row {
					want += uint64(one(ones(by) >= least))
				}
			}
			if got, err := coveredBits(m, least, patches...); err != nil || got != want {
				t.Fatalf("%d patches, %d or more at a bit: %d, want %d (%v)", len(patches), least, got, want, err)
			}
		}
	}
}

func ones(x int) (n int) {
	for ; x > 0; x /= 2 {
		n += x % 2
	}
	return n
}

func TestOrders(t *testing.T) {
	if got, want := orders(3, 1), [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	if n := len(orders(4, 1)); n != 24 {
		t.Errorf("%d orders of 4", n)
	}
	many := orders(6, 1)
	seen := map[string]bool{}
	for _, o := range many {
		if sorted := slices.Sorted(slices.Values(o)); !slices.Equal(sorted, allOf(6)) {
			t.Errorf("%v is no order of 6", o)
		}
		seen[string([]byte{byte(o[0]), byte(o[1]), byte(o[2]), byte(o[3]), byte(o[4])})] = true
	}
	if len(many) != someOrders || len(seen) != someOrders || !reflect.DeepEqual(orders(6, 1), many) || reflect.DeepEqual(orders(6, 2), many) {
		t.Errorf("%d orders of 6, %d different", len(many), len(seen))
	}
}

// Bits that differ are seen, and said.
func TestOrderCheckSeesDifferences(t *testing.T) {
	o := &ordering{patches: []*bankai.Patch{threePatches()[0].Patch, threePatches()[2].Patch}, orders: orders(2, 1)}
	done := map[string]piece{
		o.key(nil):         {Bits: &orderBits{On: "x", Off: "base"}},
		o.key([]int{0, 1}): {Bits: &orderBits{On: "y", Off: "base"}},
		o.key([]int{1, 0}): {Bits: &orderBits{On: "x", Off: "other"}},
	}
	got := o.check(done)
	if want := (OrderCheck{Orders: 2, AllOrders: true, Differ: 1, NotBack: 1}); got != want {
		t.Errorf("%+v", got)
	}
	const want = "Applied in place in all 2 orders, the patches gave other bits than the first order in 1; " +
		"taken off, the base's bits did not come back in 1. As an overlay they gave other bits."
	if got.sentence() != want {
		t.Error(got.sentence())
	}
}

// Whatever fails, the patches come off.
func TestInPlaceTakesOff(t *testing.T) {
	w := enginetest.Demo(t, engine.Options{Threads: 1}).Workbench()
	probes := someProbes(t, "control_few", 2).Set
	before := plainly(t, w.Model, probes)
	good, bad := threePatches()[0].Patch, rowsPatch("x", "blk.0.ffn_up.weight", 5000).Patch
	failed := errors.New("failed")
	if err := inPlace(w, []*bankai.Patch{good}, []int{0}, func() error { return failed }); !errors.Is(err, failed) {
		t.Errorf("work fails: %v", err)
	}
	err := inPlace(w, []*bankai.Patch{good, bad}, []int{0, 1}, func() error { t.Error("worked"); return nil })
	if fault := new(bankai.RangeError); !errors.As(err, &fault) {
		t.Errorf("a patch that does not fit: %v", err)
	}
	if got := plainly(t, w.Model, probes); !reflect.DeepEqual(got, before) {
		t.Error("the workbench is not what it was")
	}
}
