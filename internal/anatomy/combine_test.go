package anatomy

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"bankai"
)

// bit is one weight.
type bit struct {
	tensor   string
	row, col uint32
}

// bitsOf are the weights that a patch inverts.
func bitsOf(p *bankai.Patch) map[bit]bool {
	bits := map[bit]bool{}
	flips, err := p.Resolve(shape)
	if err != nil {
		panic(err)
	}
	for _, f := range flips {
		for col := range f.N {
			bits[bit{f.Tensor, f.Row, f.Col + col}] = true
		}
	}
	return bits
}

// counted is an amount but for its flips, of bits.
func counted(bits map[bit]bool) Amount {
	rows, n := map[row]bool{}, uint64(len(bits))
	for b := range bits {
		rows[row{b.tensor, b.row}] = true
	}
	return Amount{Bits: &n, Rows: len(rows)}
}

func withoutFlips(a Amount) Amount { a.Flips = 0; return a }

// Whatever patches are combined: what their XOR inverts, what cancels and what overlaps is
// what counting every weight finds, in all and for each tensor; and two of them have in
// common what Compare says.
func TestCombineCountsEveryWeight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		flip := rapid.Custom(func(t *rapid.T) bankai.Flip {
			return bankai.Flip{
				Tensor: rapid.SampledFrom([]string{gate, value, "token_embd.weight"}).Draw(t, "tensor"), Row: rapid.Uint32Range(0, 3).Draw(t, "row"),
				Col: 32 * rapid.Uint32Range(0, 3).Draw(t, "col"), N: rapid.Uint32Range(1, 64).Draw(t, "n"),
			}
		})
		var patches []*bankai.Patch
		for range rapid.IntRange(0, 5).Draw(t, "patches") {
			patches = append(patches, patchOf(rapid.SliceOfN(flip, 0, 6).Draw(t, "flips")...))
		}
		times := map[bit]int{}
		for _, p := range patches {
			for b := range bitsOf(p) {
				times[b]++
			}
		}
		odd, even, more := map[bit]bool{}, map[bit]bool{}, map[bit]bool{}
		for b, n := range times {
			if n%2 == 1 {
				odd[b] = true
			} else {
				even[b] = true
			}
			if n > 1 {
				more[b] = true
			}
		}
		c, err := Combine(context.Background(), patches)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(bitsOf(c.Sum), odd) || c.Digest != c.Sum.ContentDigest() || c.Together.Flips != c.Sum.Len() {
			t.Fatalf("together %+v", c.Together)
		}
		for what, got := range map[string]struct {
			is   Amount
			want map[bit]bool
		}{"together": {c.Together, odd}, "cancelled": {c.Cancelled, even}, "overlapping": {c.Overlapping, more}} {
			if !reflect.DeepEqual(withoutFlips(got.is), counted(got.want)) {
				t.Fatalf("%s: %+v, want %+v", what, got.is, counted(got.want))
			}
		}
		checkPairs(t, c, patches)
		checkCells(t, c, odd, even)
	})
}

func checkPairs(t *rapid.T, c *Combination, patches []*bankai.Patch) {
	at := 0
	for a := range patches {
		for b := a + 1; b < len(patches); b++ {
			o, err := Compare(patches[a], patches[b])
			if err != nil {
				t.Fatal(err)
			}
			tensors := 0
			for _, s := range o.Tensors {
				if s.A.Rows > 0 && s.B.Rows > 0 {
					tensors++
				}
			}
			if tensors == 0 {
				continue
			}
			if at == len(c.Pairs) {
				t.Fatalf("%d and %d touch %d tensors both, and are not told of", a, b, tensors)
			}
			if want := (PairShares{a, b, o.Relation, o.Shared, o.CommonRows, tensors}); !reflect.DeepEqual(c.Pairs[at], want) {
				t.Fatalf("%+v, want %+v", c.Pairs[at], want)
			}
			at++
		}
	}
	if at != len(c.Pairs) {
		t.Fatalf("%d pairs, want %d", len(c.Pairs), at)
	}
}

func checkCells(t *rapid.T, c *Combination, odd, even map[bit]bool) {
	in := func(bits map[bit]bool, tensor string) Amount {
		some := map[bit]bool{}
		for b := range bits {
			if b.tensor == tensor {
				some[b] = true
			}
		}
		return counted(some)
	}
	for _, cell := range c.Cells {
		if !reflect.DeepEqual(withoutFlips(cell.Together), in(odd, cell.Tensor)) || !reflect.DeepEqual(withoutFlips(cell.Cancelled), in(even, cell.Tensor)) || cell.Patches == 0 {
			t.Fatalf("%+v", cell)
		}
	}
}

// Three patches of which all invert a weight: it overlaps, and is inverted all the same.
func TestCombineOfThree(t *testing.T) {
	row := bankai.Flip{Tensor: gate, Row: 1, N: bankai.ToEnd}
	a, b := patchOf(row), patchOf(row, bankai.Flip{Tensor: value, Row: 2, N: 128})
	c, err := Combine(context.Background(), []*bankai.Patch{a, b, a})
	if err != nil {
		t.Fatal(err)
	}
	if *c.Together.Bits != 256+128 || *c.Overlapping.Bits != 256 || *c.Cancelled.Bits != 0 || len(c.Pairs) != 3 || c.Pairs[1].Relation != Equal || c.Cells[0].Patches != 3 || c.Cells[1].Patches != 1 {
		t.Errorf("%+v", c)
	}
	if size, err := b.ContentSize(); err != nil || c.Content != size {
		t.Errorf("%d bytes, want %d: %v", c.Content, size, err)
	}
}

func TestCombineEnds(t *testing.T) {
	of := func(base byte) *bankai.Patch { return patchOf().WithBase(bankai.Digest{base}) }
	if _, err := Combine(context.Background(), []*bankai.Patch{of(1), of(2)}); !errors.Is(err, bankai.ErrBaseMismatch) {
		t.Errorf("of two models: %v", err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Combine(gone, []*bankai.Patch{of(1), of(1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("for a client that is gone: %v", err)
	}
}
