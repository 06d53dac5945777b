package search

import (
	"testing"

	"bankai"

	"pgregory.net/rapid"
)

func flipLists(t *rapid.T, name string) []bankai.Flip {
	flips := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) bankai.Flip {
		return bankai.Flip{Tensor: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "tensor"), Row: rapid.Uint32Range(0, 9).Draw(t, "row"), N: bankai.ToEnd}
	}), 0, 12, rapid.ID[bankai.Flip]).Draw(t, name)
	return xorFlips(nil, sortedFlips(flips))
}

func sortedFlips(flips []bankai.Flip) (out []bankai.Flip) {
	for _, f := range flips {
		out = xorFlips(out, []bankai.Flip{f})
	}
	return out
}

// XOR of ordered lists is what XOR of patches is, and the distance is its length.
func TestXorFlips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := flipLists(t, "a"), flipLists(t, "b")
		p, err := bankai.New(bankai.Digest{}, bankai.Meta{}, a...).Xor(bankai.New(bankai.Digest{}, bankai.Meta{}, b...))
		if err != nil {
			t.Fatal(err)
		}
		x := xorFlips(a, b)
		if got := bankai.New(bankai.Digest{}, bankai.Meta{}, x...); got.ContentDigest() != p.ContentDigest() {
			t.Fatalf("%v xor %v is %v, want %v", a, b, x, p.Flips())
		}
		if distance(a, b) != len(x) || distance(a, a) != 0 {
			t.Fatalf("distance %d of %v and %v, which differ in %v", distance(a, b), a, b, x)
		}
	})
}

// A child takes the place of what it resembles, or of the worst, or none; the
// fittest is never lost.
func TestPopulationStaysDiverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := &Evolve{population: []genome{{}}}
		best := 0.0
		for range rapid.IntRange(1, 60).Draw(t, "children") {
			g := genome{flipLists(t, "child"), rapid.Float64Range(-1, 1).Draw(t, "fitness")}
			at := e.settle(g)
			best = max(best, g.fitness)
			if len(e.population) > evolvePopulation {
				t.Fatal("overcrowded")
			}
			if at >= 0 && e.population[at].fitness != g.fitness {
				t.Fatal("the child is not where it is said to be")
			}
			top := -1.0
			for _, g := range e.population {
				top = max(top, g.fitness)
			}
			if top != best {
				t.Fatalf("the fittest has %v, it was %v", top, best)
			}
		}
	})
}
