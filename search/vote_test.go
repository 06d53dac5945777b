package search_test

import (
	"testing"

	"bankai"
	"bankai/search"

	"pgregory.net/rapid"
)

// The majority is, weight by weight, what enough patches flip.
func TestMajority(t *testing.T) {
	const width = 40
	rapid.Check(t, func(t *rapid.T) {
		var patches []*bankai.Patch
		var votes [3][width]int
		n := rapid.IntRange(1, 5).Draw(t, "patches")
		for range n {
			p := bankai.New(bankai.Digest{3}, bankai.Meta{})
			for range rapid.IntRange(0, 4).Draw(t, "flips") {
				f := bankai.Flip{Tensor: "a", Row: rapid.Uint32Range(0, 2).Draw(t, "row"), Col: rapid.Uint32Range(0, width-1).Draw(t, "col")}
				f.N = rapid.Uint32Range(1, width-f.Col).Draw(t, "n")
				p, _ = p.Xor(bankai.New(bankai.Digest{3}, bankai.Meta{}, f))
			}
			for _, f := range p.Flips() {
				for c := range f.N {
					votes[f.Row][f.Col+c]++
				}
			}
			patches = append(patches, p)
		}
		least := rapid.IntRange(1, n).Draw(t, "least")
		var want []bankai.Flip
		for r := range votes {
			for c, v := range votes[r] {
				if v >= least {
					want = append(want, bankai.Flip{Tensor: "a", Row: uint32(r), Col: uint32(c), N: 1})
				}
			}
		}
		got := search.Majority(patches, least)
		if got.ContentDigest() != bankai.New(bankai.Digest{3}, bankai.Meta{}, want...).ContentDigest() {
			t.Fatalf("of %d votes %v", least, got.Flips())
		}
	})
}

func TestMajorityOfWholeRows(t *testing.T) {
	row := func(r uint32) bankai.Flip { return bankai.Flip{Tensor: "a", Row: r, N: bankai.ToEnd} }
	a := bankai.New(bankai.Digest{}, bankai.Meta{}, row(1), row(2))
	b := bankai.New(bankai.Digest{}, bankai.Meta{}, row(2), row(3), bankai.Flip{Tensor: "a", Row: 4, Col: 128, N: 128})
	c := bankai.New(bankai.Digest{}, bankai.Meta{}, row(3), row(4))
	want := bankai.New(bankai.Digest{}, bankai.Meta{}, row(2), row(3), bankai.Flip{Tensor: "a", Row: 4, Col: 128, N: 128})
	if got := search.Majority([]*bankai.Patch{a, b, c}, 2); got.ContentDigest() != want.ContentDigest() {
		t.Errorf("got %v", got.Flips())
	}
}
