package engine

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bankai"
	"bankai/internal/testmodel"
	"bankai/internal/weights"
)

// hybrids are models with delta-nets: 1, 2 and 3 value heads a key head, heads of 64, 128
// and 256, all or a quarter of a head's dimensions rotating, tied and not, ending with a
// delta-net, without attention, with floats for alpha and beta, and with a block that
// guesses further tokens.
var hybrids = map[string]testmodel.Shape{
	"2 values a key": testmodel.TinyHybrid,
	"3 values a key, tied, a delta-net on top": {
		Layers: 5, Hidden: 128, FFN: 256, Heads: 2, KVHeads: 1, HeadDim: 64, Vocab: 331, Tied: true,
		Hybrid: &testmodel.Hybrid{KeyHeads: 2, ValueHeads: 6, State: 64, Rotary: 16},
	},
	"1 value a key, wide heads, float gates": {
		Layers: 4, Hidden: 256, FFN: 384, Heads: 4, KVHeads: 2, HeadDim: 256, Vocab: 320,
		Hybrid: &testmodel.Hybrid{KeyHeads: 2, ValueHeads: 2, State: 128, Rotary: 64, FloatGates: true},
	},
	"guesses ahead, whole heads rotate": {
		Layers: 4, Hidden: 128, FFN: 128, Heads: 2, KVHeads: 2, HeadDim: 128, Vocab: 320,
		Hybrid: &testmodel.Hybrid{KeyHeads: 1, ValueHeads: 2, State: 256, Rotary: 128, Ahead: 1},
	},
	"no attention": {
		Layers: 3, Hidden: 128, FFN: 256, Heads: 2, KVHeads: 1, HeadDim: 64, Vocab: 320, Tied: true,
		Hybrid: &testmodel.Hybrid{KeyHeads: 1, ValueHeads: 2, State: 64, Rotary: 32},
	},
}

// oneDeltaNet is all mixing that a model has, for what is slow.
var oneDeltaNet = testmodel.Shape{
	Layers: 1, Hidden: 128, FFN: 128, Heads: 2, KVHeads: 1, HeadDim: 64, Vocab: 320,
	Hybrid: &testmodel.Hybrid{KeyHeads: 1, ValueHeads: 2, State: 64, Rotary: 16},
}

// In exact precision every logit is that of the formulas in float64.
func TestHybridIsTheFormulas(t *testing.T) {
	for name, shape := range hybrids {
		m := testModel(t, shape, Options{Precision: Exact})
		ids := randomIDs(rand.New(rand.NewPCG(60, 1)), 40, shape.Vocab)
		got := logitsOf(t, m, nil, ids)
		f := reference{m: m, weights: map[string][]float32{}}
		for pos, want := range f.sequence(ids, 0) {
			row := head(got, pos, shape.Vocab)
			sum := m.LogSumExp(row)
			for v, p := range want {
				if d := math.Abs(float64(row[v]) - sum - p); d > 1e-4 {
					t.Fatalf("%s: at position %d, ln p(%d) is %v, want %v", name, pos, v, float64(row[v])-sum, p)
				}
			}
		}
	}
}

// Some flips change nothing, to the bit: a dimension of a key head that does not rotate,
// together with the same one of the queries that read it, and a pair that rotates.
func TestFlipsThatChangeNothing(t *testing.T) {
	shape := hybrids["1 value a key, wide heads, float gates"] // 2 query heads a key head
	for _, precision := range []Precision{Fast, Exact} {
		m := testModel(t, shape, Options{Precision: precision})
		ids := randomIDs(rand.New(rand.NewPCG(61, 1)), 200, shape.Vocab)
		want := logitsOf(t, m, nil, ids)
		// flipped negates dimensions of key head 1, and of its queries if read is true.
		flipped := func(read bool, dims ...int) []float32 {
			var flips []bankai.Flip
			for _, d := range dims {
				flips = append(flips, bankai.Flip{Tensor: "blk.3.attn_k.weight", Row: uint32(shape.HeadDim + d), N: bankai.ToEnd})
				for head := 2; read && head < 4; head++ {
					row := 2*head*shape.HeadDim + d // gates are between the queries of two heads
					flips = append(flips, bankai.Flip{Tensor: "blk.3.attn_q.weight", Row: uint32(row), N: bankai.ToEnd})
				}
			}
			o, err := m.Overlay(patchOf(m, flips...))
			if err != nil {
				t.Fatal(err)
			}
			return logitsOf(t, m, o, ids)
		}
		sameBits(t, "a dimension that does not rotate", flipped(true, 64), want)
		sameBits(t, "the last one", flipped(true, 255), want)
		sameBits(t, "a pair that rotates", flipped(true, 7, 7+32), want)
		for what, got := range map[string][]float32{
			"without the queries": flipped(false, 64), "half a pair": flipped(true, 7), "no pair": flipped(true, 7, 8),
		} {
			if slices.Equal(got, want) {
				t.Errorf("%v, %s: nothing changes", precision, what)
			}
		}
	}
}

// Sequences that part from one at several places while it is read, in passes that end
// between them, at them, or behind all, go on as it would have.
func TestBranchesOfOneSpan(t *testing.T) {
	ctx := context.Background()
	for _, shape := range []testmodel.Shape{testmodel.TinyHybrid, hybrids["3 values a key, tied, a delta-net on top"]} {
		m := testModel(t, shape, Options{Threads: 3})
		ids := randomIDs(rand.New(rand.NewPCG(62, 1)), 60, shape.Vocab)
		whole := logitsOf(t, m, nil, ids)
		for _, most := range []int{1, 2, 7, 20, 100} {
			b := m.NewBatch(most)
			s := b.NewSeq(nil)
			feedAll(t, s, ids[:5], 5)
			var forks []*Seq
			for _, n := range []int{6, 7, 8, 20, 21, 40, 49, 50} {
				forks = append(forks, s.branch(n))
			}
			emit := func([]logitRow, []float32) {}
			if err := b.feed(ctx, job{sink: sink{emit: emit}}, []span{{seq: s, forks: forks, tokens: ids[5:50], want: 45}}); err != nil {
				t.Fatal(err)
			}
			for _, f := range append(forks, s) {
				n := f.n
				sameBits(t, "a branch", feedAll(t, f, ids[n:], 9), whole[n*shape.Vocab:])
			}
		}
	}
}

// Each sequence of the 27B's shape has 156,893,184 bytes of states, whatever its length,
// and 128 KiB of keys and values a token, a quarter of that where they are old.
func TestDeltaStateBytes(t *testing.T) {
	c := weights.Config{KVHeads: 4, HeadDim: 256, Delta: &weights.Delta{KeyHeads: 16, ValueHeads: 48, HeadDim: 128, Taps: 4}}
	m := &Model{config: c, kvLayers: 16, deltaLayers: 48}
	if got := m.SeqBytes(0); got != 156_893_184 {
		t.Errorf("no token takes %d bytes", got)
	}
	if got := m.SeqBytes(64) - m.SeqBytes(0); got != 64*128<<10 {
		t.Errorf("64 tokens take %d bytes of keys and values", got)
	}
}

// A second turn goes on behind the first even if there is no room for the states of both:
// it takes over what was kept.
func TestPrefixIsTakenOver(t *testing.T) {
	m := testModel(t, testmodel.TinyHybrid, Options{})
	rng := rand.New(rand.NewPCG(63, 1))
	first := Request{Prompt: randomIDs(rng, 100, 250), Max: 5, Cache: &Caching{At: []int{60, 90}}}
	answer := inLoop(t, m, LoopOptions{}, first)
	second := first
	second.Prompt = slices.Concat(first.Prompt, answer.IDs, randomIDs(rng, 20, 250))
	want := inLoop(t, m, LoopOptions{}, second)
	one := m.mostSeqBytes(130)
	for _, c := range []struct {
		room   int64
		kept   int // after the first turn
		cached int // of the second
		then   int // kept after that
	}{
		{one + one/2, 1, 104, 1},
		{20 * one, 3, 104, 4},
	} {
		l := m.Loop(LoopOptions{MaxBytes: c.room})
		submit(t, l, first).Result()
		if kept := l.Stats().Kept; kept != c.kept {
			t.Errorf("room for %d: %d are kept, want %d", c.room, kept, c.kept)
		}
		got := submit(t, l, second).Result()
		if got.Cached != c.cached {
			t.Errorf("room for %d: %d tokens are found, want %d", c.room, got.Cached, c.cached)
		}
		if got.Cached = 0; !slices.Equal(got.IDs, want.IDs) {
			t.Errorf("room for %d: %v, want %v", c.room, got.IDs, want.IDs)
		}
		if kept := l.Stats().Kept; kept != c.then {
			t.Errorf("room for %d: %d are kept in the end, want %d", c.room, kept, c.then)
		}
		l.Close()
	}
}
