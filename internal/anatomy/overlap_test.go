package anatomy

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"bankai"
)

const (
	gate  = "blk.0.ffn_gate.weight"
	value = "blk.1.attn_v.weight"
)

func shape(string) (rows, cols uint32, ok bool) { return 8, 256, true }

func patchOf(flips ...bankai.Flip) *bankai.Patch {
	p, err := bankai.New(bankai.Digest{}, bankai.Meta{}, flips...).Fit(shape)
	if err != nil {
		panic(err)
	}
	return p
}

// What two patches have in common, in a word.
func TestRelations(t *testing.T) {
	row := bankai.Flip{Tensor: gate, Row: 1, N: bankai.ToEnd}
	group := bankai.Flip{Tensor: gate, Row: 1, Col: 128, N: 128}
	other := bankai.Flip{Tensor: gate, Row: 1, Col: 0, N: 128}
	far := bankai.Flip{Tensor: value, Row: 1, N: bankai.ToEnd}
	for _, c := range []struct {
		name             string
		a, b             *bankai.Patch
		want             Relation
		shared, together uint64
		common           int
	}{
		{"nothing in common", patchOf(row), patchOf(far), Independent, 0, 512, 0},
		{"halves of a row", patchOf(group), patchOf(other), Independent, 0, 256, 1},
		{"one is nothing", patchOf(row), patchOf(), Independent, 0, 256, 0},
		{"both are nothing", patchOf(), patchOf(), Equal, 0, 0, 0},
		{"the same", patchOf(row), patchOf(other, group), Equal, 256, 0, 1},
		{"a part", patchOf(row), patchOf(group), AContainsB, 128, 128, 1},
		{"a part, the other way round", patchOf(group), patchOf(row, far), BContainsA, 128, 384, 1},
		{"some of each", patchOf(row), patchOf(group, far), Overlapping, 128, 384, 1},
	} {
		o, err := Compare(c.a, c.b)
		if err != nil {
			t.Fatal(err)
		}
		if o.Relation != c.want || *o.Shared.Bits != c.shared || *o.Together.Bits != c.together || o.CommonRows != c.common || o.Verdict == "" {
			t.Errorf("%s: %s, %d shared, %d together, %d rows", c.name, o.Relation, *o.Shared.Bits, *o.Together.Bits, o.CommonRows)
		}
	}
	if _, err := Compare(patchOf().WithBase(bankai.Digest{1}), patchOf().WithBase(bankai.Digest{2})); !errors.Is(err, bankai.ErrBaseMismatch) {
		t.Errorf("of two models: %v", err)
	}
	old, err := Compare(bankai.New(bankai.Digest{}, bankai.Meta{}, row), bankai.New(bankai.Digest{}, bankai.Meta{}, row, far))
	if err != nil || old.Relation != BContainsA || old.A.Bits != nil || old.Tensors[1].A.Bits == nil {
		t.Errorf("of unknown widths: %+v, %v", old, err)
	}
}

// The amounts of the tensors add up to the whole ones, and of each |A| + |B| is twice what is
// shared and what is left together. From the other side it is the same.
func TestAmountsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) *bankai.Patch {
			flip := rapid.Custom(func(t *rapid.T) bankai.Flip {
				return bankai.Flip{
					Tensor: rapid.SampledFrom([]string{gate, value, "token_embd.weight"}).Draw(t, "tensor"), Row: rapid.Uint32Range(0, 7).Draw(t, "row"),
					Col: 64 * rapid.Uint32Range(0, 3).Draw(t, "col"), N: rapid.Uint32Range(1, 64).Draw(t, "n"),
				}
			})
			return patchOf(rapid.SliceOfN(flip, 0, 8).Draw(t, name)...)
		}
		a, b := draw("a"), draw("b")
		o, err := Compare(a, b)
		if err != nil {
			t.Fatal(err)
		}
		sum, common := [4]Amount{}, 0
		for _, s := range o.Tensors {
			for i, x := range []Amount{s.A, s.B, s.Shared, s.Together} {
				sum[i].Flips += x.Flips
				sum[i].Rows += x.Rows
			}
			common += s.CommonRows
			checkSum(t, s.Shares)
		}
		checkSum(t, o.Shares)
		for i, x := range []Amount{o.A, o.B, o.Shared, o.Together} {
			if x.Flips != sum[i].Flips || x.Rows != sum[i].Rows {
				t.Fatalf("%+v is not the sum of the tensors, %+v", x, sum[i])
			}
		}
		back, err := Compare(b, a)
		if err != nil || common != o.CommonRows || back.CommonRows != common || *back.Shared.Bits != *o.Shared.Bits || *back.Together.Bits != *o.Together.Bits {
			t.Fatalf("from the other side %+v, %v", back, err)
		}
	})
}

func checkSum(t *rapid.T, s Shares) {
	if *s.A.Bits+*s.B.Bits != 2**s.Shared.Bits+*s.Together.Bits {
		t.Fatalf("%d and %d bits share %d and leave %d", *s.A.Bits, *s.B.Bits, *s.Shared.Bits, *s.Together.Bits)
	}
	if s.CommonRows > min(s.A.Rows, s.B.Rows) || s.Shared.Rows > s.CommonRows {
		t.Fatalf("%+v", s)
	}
}
