package experiment

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/testmodel"
	"bankai/measure"
	"bankai/search"
)

// madeModel is a tiny model with random weights.
func madeModel() *testmodel.Model { return testmodel.New(testmodel.Tiny, 1) }

// bitOf is the byte and the mask of a weight in the blocks of a tensor: 18 bytes
// for every 128 weights, the first two being their scale.
func bitOf(cols, row, col int) (at int, mask byte) {
	block := (row*cols + col) / 128
	return block*18 + 2 + col%128/8, 1 << (col % 8)
}

// flipBytes inverts the bits of flips in a made model, one by one.
func flipBytes(m *testmodel.Model, shape bankai.Shape, flips []bankai.Flip) {
	for _, f := range flips {
		_, cols, _ := shape(f.Tensor)
		data := m.Tensor(f.Tensor).Data
		for c := range f.N {
			at, mask := bitOf(int(cols), int(f.Row), int(f.Col+c))
			data[at] ^= mask
		}
	}
}

// differing counts the bits in which the tensors of two made models differ, and
// names the tensors.
func differing(a, b *testmodel.Model) (n int, tensors []string) {
	for i, t := range a.Tensors {
		here := 0
		for j, x := range t.Data {
			here += bits.OnesCount8(x ^ b.Tensors[i].Data[j])
		}
		if n += here; here > 0 {
			tensors = append(tensors, t.Name)
		}
	}
	return n, tensors
}

// Every set of numbers is drawn about as often as any other, in order and without
// repetition; by way of those that are left out, too.
func TestDrawIsEven(t *testing.T) {
	for _, n := range []uint64{1, 2, 3, 4} {
		rng := drawing(1, fmt.Sprint(n))
		seen := map[string]int{}
		const rounds = 12000
		for range rounds {
			d := draw(rng, n, 5)
			if uint64(len(d)) != n || !slices.IsSorted(d) || len(slices.Compact(slices.Clone(d))) != len(d) || d[len(d)-1] >= 5 {
				t.Fatalf("drew %v, wanted %d of 5", d, n)
			}
			seen[fmt.Sprint(d)]++
		}
		sets := map[uint64]int{1: 5, 2: 10, 3: 10, 4: 5}[n] // 5 over n
		if len(seen) != sets {
			t.Errorf("%d of 5: %d sets, there are %d", n, len(seen), sets)
		}
		chi := 0.0
		for _, k := range seen {
			d := float64(k) - rounds/float64(sets)
			chi += d * d / (rounds / float64(sets))
		}
		if chi > 27.9 { // the 99.9 % quantile of χ² with 9 degrees of freedom
			t.Errorf("%d of 5: χ² is %.1f: %v", n, chi, seen)
		}
	}
	if d := draw(drawing(1, "all"), 7, 7); !slices.Equal(d, []uint64{0, 1, 2, 3, 4, 5, 6}) {
		t.Errorf("all of 7 are %v", d)
	}
}

// All pieces of a pool are all rows of its tensors, every bit once.
func TestPiecesCoverEveryBitOnce(t *testing.T) {
	untied := testmodel.Tiny
	untied.Tied = false
	m := enginetest.Load(t, testmodel.Bytes(untied, 1), engine.Options{Threads: 1})
	for _, c := range []struct {
		where   string
		layers  []int
		tensors string
		bits    uint64
	}{
		{"mlp", nil, "blk.0.ffn_gate blk.0.ffn_up blk.0.ffn_down blk.1.ffn_gate blk.1.ffn_up blk.1.ffn_down", 6 * 256 * 128},
		{"mlp", []int{1}, "blk.1.ffn_gate blk.1.ffn_up blk.1.ffn_down", 3 * 256 * 128},
		{"attention", []int{0}, "blk.0.attn_q blk.0.attn_k blk.0.attn_v blk.0.attn_output", (128 + 64 + 64 + 128) * 128},
		{"embedding", []int{0}, "token_embd", 320 * 128},
		{"head", nil, "output", 320 * 128},
		{"all", []int{0}, "blk.0.ffn_gate blk.0.ffn_up blk.0.ffn_down blk.0.attn_q blk.0.attn_k blk.0.attn_v blk.0.attn_output token_embd output", 3*256*128 + 384*128 + 2*320*128},
	} {
		for size, per := range map[search.Granularity]uint64{search.Bit: 1, search.Group: 128, search.Row: 0} {
			p, err := newPool(m.Weights(), c.where, c.layers, size, "any")
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, x := range p.tensors {
				names = append(names, strings.TrimSuffix(x.Name, ".weight"))
			}
			if got := strings.Join(names, " "); got != c.tensors || p.allBits() != c.bits || per > 0 && p.pieces() != c.bits/per {
				t.Errorf("%s by %ss: %d bits, %d pieces of %s", c.where, size, p.allBits(), p.pieces(), got)
			}
			all := make([]uint64, p.pieces())
			for i := range all {
				all[i] = uint64(i)
			}
			patch, err := p.patch(all).Fit(m.Weights().Shape)
			if err != nil {
				t.Fatal(err)
			}
			rows := 0
			for _, x := range p.tensors {
				rows += x.Rows
			}
			if n, _ := patch.Bits(); n != c.bits || patch.Len() != rows {
				t.Errorf("%s by %ss: all pieces are %d bits in %d runs, want %d in %d rows", c.where, size, n, patch.Len(), c.bits, rows)
			}
		}
	}
	tied := enginetest.Load(t, madeModel().Bytes(), engine.Options{Threads: 1})
	if _, err := newPool(tied.Weights(), "head", nil, search.Bit, "any"); err == nil || !strings.Contains(err.Error(), "its embedding is the head") {
		t.Error(err)
	}
}

// What has medium or high scale is told by the file's own float16 numbers.
func TestScalesOfAPool(t *testing.T) {
	made := madeModel()
	type unit struct {
		flip  bankai.Flip
		scale float64
	}
	groups, rows := []unit{}, []unit{}
	for _, name := range []string{"blk.1.ffn_gate", "blk.1.ffn_up", "blk.1.ffn_down"} {
		x := made.Tensor(name + ".weight")
		cols := 128
		if name == "blk.1.ffn_down" {
			cols = 256
		}
		for r := range len(x.Data) / 18 * 128 / cols {
			mean := 0.0
			for g := range cols / 128 {
				h := binary.LittleEndian.Uint16(x.Data[(r*cols/128+g)*18:])
				s := float64(h&1023|1024) * float64(uint64(1)<<(h>>10&31)) // of a normal number; 2^-25 is 1
				groups = append(groups, unit{bankai.Flip{Tensor: x.Name, Row: uint32(r), Col: uint32(g * 128), N: 128}, s})
				mean += s / float64(cols/128)
			}
			rows = append(rows, unit{bankai.Flip{Tensor: x.Name, Row: uint32(r), N: uint32(cols)}, mean})
		}
	}
	m := enginetest.Load(t, made.Bytes(), engine.Options{Threads: 1})
	for size, units := range map[search.Granularity][]unit{search.Group: groups, search.Row: rows} {
		sorted := slices.Clone(units)
		slices.SortFunc(sorted, func(a, b unit) int { return cmp.Compare(a.scale, b.scale) })
		n := len(units)
		for scale, limits := range map[string][2]float64{
			"medium": {sorted[n*2/5].scale, sorted[n-n*2/5-1].scale}, "high": {sorted[n*4/5].scale, sorted[n-1].scale},
		} {
			var want []bankai.Flip
			for _, u := range units {
				if u.scale >= limits[0] && u.scale <= limits[1] {
					want = append(want, u.flip)
				}
			}
			p, err := newPool(m.Weights(), "mlp", []int{1}, size, scale)
			if err != nil {
				t.Fatal(err)
			}
			var got []bankai.Flip
			for i := range p.pieces() {
				got = append(got, p.flip(i))
			}
			if !slices.Equal(got, want) || len(got) < n/6 || len(got) > n/4 {
				t.Errorf("%s scale by %ss: %d of %d, want %d", scale, size, len(got), n, len(want))
			}
		}
	}
}

// Whatever happens to the work, the model is afterwards as it was.
func TestFlipsAreTakenOff(t *testing.T) {
	w := enginetest.Load(t, madeModel().Bytes(), engine.Options{Threads: 1}).Workbench()
	lines := []string{"the king sleeps", "an apple a day"}
	perplexity := func() float64 {
		p, err := measure.Perplexity(context.Background(), w.Model, nil, lines)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p, err := newPool(w.Weights(), "all", nil, search.Bit, "any")
	if err != nil {
		t.Fatal(err)
	}
	before := perplexity()
	failed := errors.New("no luck")
	for _, want := range []error{nil, failed, context.Canceled} {
		during := 0.0
		n, err := p.flipped(w, draw(drawing(1, "x"), 5000, p.pieces()), func() error {
			during = perplexity()
			return want
		})
		if !errors.Is(err, want) || want == nil && n != 5000 || during == before || perplexity() != before {
			t.Errorf("%v: %v, %d bits, perplexity %v, then %v, then %v", want, err, n, before, during, perplexity())
		}
	}
}
