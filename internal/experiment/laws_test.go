package experiment

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/rng"
	"bankai/internal/stats"
)

// somePatches draws patches of rows, groups and runs in few places, so that they share
// bits.
func somePatches(t *rapid.T, m *engine.Model, n int) (all []*bankai.Patch) {
	for range n {
		flips := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) bankai.Flip {
			f := bankai.Flip{
				Tensor: rapid.SampledFrom([]string{"blk.0.ffn_gate.weight", "blk.0.ffn_up.weight"}).Draw(t, "tensor"),
				Row:    rapid.Uint32Range(0, 2).Draw(t, "row"), N: bankai.ToEnd,
			}
			if rapid.Bool().Draw(t, "part") {
				f.Col, f.N = rapid.Uint32Range(0, 40).Draw(t, "col"), rapid.Uint32Range(1, 60).Draw(t, "n")
			}
			return f
		}), 0, 5).Draw(t, "flips")
		p, err := m.Weights().Fit(bankai.New(m.Digest(), bankai.Meta{}, flips...))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// Bits that one, two and all patches invert add up to the bits of the patches; what two
// share is what their XOR loses, twice; and the order of the patches is nothing.
func TestCoveredBitsAddUp(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{})
	rapid.Check(t, func(t *rapid.T) {
		patches := somePatches(t, m, 3)
		covered := func(least int, some ...*bankai.Patch) uint64 {
			n, err := coveredBits(m, least, some...)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		bits := func(p *bankai.Patch) uint64 {
			n, known := p.Bits()
			if !known {
				t.Fatal("the bits of a fitted patch are not known")
			}
			return n
		}
		total, sum := uint64(0), uint64(0)
		for i, p := range patches {
			total += bits(p)
			sum += covered(i+1, patches...)
		}
		if sum != total {
			t.Errorf("the patches have %d bits, by how many invert them %d", total, sum)
		}
		both, err := xorOf(m, patches[:2]...)
		if err != nil {
			t.Fatal(err)
		}
		if shared := covered(2, patches[:2]...); bits(both)+2*shared != bits(patches[0])+bits(patches[1]) {
			t.Errorf("of %d and %d bits %d are shared, the XOR has %d", bits(patches[0]), bits(patches[1]), shared, bits(both))
		}
		other := slices.Clone(patches)
		slices.Reverse(other)
		for least := range 3 {
			if a, b := covered(least+1, patches...), covered(least+1, other...); a != b {
				t.Errorf("at least %d invert %d bits, in another order %d", least+1, a, b)
			}
		}
	})
}

// Holm's p-values are no smaller than those that they adjust, keep their order, and do
// not depend on that of the tests; of one test it is the same.
func TestHolmKeepsTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tests []McNemar
		for range rapid.IntRange(1, 6).Draw(t, "n") {
			tests = append(tests, NewMcNemar(rapid.IntRange(0, 15).Draw(t, "fixed"), rapid.IntRange(0, 15).Draw(t, "broke")))
		}
		adjusted := func(order []int) []McNemar {
			all := slices.Clone(tests)
			var look []*McNemar
			for _, i := range order {
				look = append(look, &all[i])
			}
			AdjustHolm(look)
			return all
		}
		all := adjusted(allOf(len(tests)))
		if other := adjusted(rapid.Permutation(allOf(len(tests))).Draw(t, "order")); !slices.Equal(all, other) {
			t.Errorf("%v, in another order %v", all, other)
		}
		for _, a := range all {
			if a.Holm < a.PValue || a.Holm > 1 || a.Holm > float64(len(all))*a.PValue*(1+1e-12) || len(all) == 1 && a.Holm != a.PValue {
				t.Errorf("%+v, of %d tests", a, len(all))
			}
			for _, b := range all {
				if a.PValue < b.PValue && a.Holm > b.Holm {
					t.Errorf("%+v and %+v change places", a, b)
				}
			}
		}
	})
}

// A draw and the numbers that it leaves are all numbers, each once and in order.
func TestDrawAndTheOthers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.Uint64Range(1, 60).Draw(t, "total")
		n := rapid.Uint64Range(0, total).Draw(t, "n")
		seed := rapid.Uint64().Draw(t, "seed")
		drawn := draw(rng.Numbered(seed, 1), n, total)
		rest := others(drawn, total)
		all := slices.Sorted(slices.Values(slices.Concat(drawn, rest)))
		if uint64(len(drawn)) != n || uint64(len(all)) != total || !slices.IsSorted(drawn) || !slices.IsSorted(rest) {
			t.Fatalf("%d of %d: %v and %v", n, total, drawn, rest)
		}
		for i, v := range all {
			if v != uint64(i) {
				t.Fatalf("%d of %d: %v and %v", n, total, drawn, rest)
			}
		}
		if again := draw(rng.Numbered(seed, 1), n, total); !slices.Equal(again, drawn) {
			t.Errorf("one seed draws %v and %v", drawn, again)
		}
	})
}

// Ranks know nothing of how far values lie apart, and of two orders that are opposite
// the correlation is opposite.
func TestCorrelationIsOfRanks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(4, 12).Draw(t, "n")
		x := rapid.SliceOfN(rapid.Float64Range(-3, 3), n, n).Draw(t, "x")
		y := rapid.SliceOfN(rapid.Float64Range(-3, 3), n, n).Draw(t, "y")
		stretched, turned := make([]float64, n), make([]float64, n)
		for i, v := range x {
			stretched[i], turned[i] = 8*v, -v
		}
		a, b, c := correlate(x, y), correlate(stretched, y), correlate(turned, y)
		if math.IsNaN(a.Rho.Value) {
			return // all values of one are equal
		}
		if a.Rho != b.Rho && !math.IsNaN(a.Rho.Low) || math.Abs(a.Rho.Value+c.Rho.Value) > 1e-12 || a.P != b.P {
			t.Errorf("%+v, stretched %+v, turned %+v", a, b, c)
		}
		if rho := stats.Spearman(y, x); math.Abs(rho-a.Rho.Value) > 1e-12 {
			t.Errorf("%v, the other way round %v", a.Rho.Value, rho)
		}
	})
}
