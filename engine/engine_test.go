package engine

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"bankai"
	"bankai/internal/kernel"
	"bankai/internal/testmodel"
	"bankai/internal/weights"
)

// shapes are the models most tests run on: tied and untied heads, 1, 2 and 3
// query heads per key-value head, both head sizes, odd layer counts.
var shapes = map[string]testmodel.Shape{
	"tied, head_dim 64":       {Layers: 2, Hidden: 128, FFN: 256, Heads: 2, KVHeads: 1, HeadDim: 64, Vocab: 331, Tied: true},
	"untied, head_dim 128":    {Layers: 3, Hidden: 256, FFN: 384, Heads: 2, KVHeads: 2, HeadDim: 128, Vocab: 320},
	"3 query heads a kv head": {Layers: 1, Hidden: 128, FFN: 384, Heads: 6, KVHeads: 2, HeadDim: 64, Vocab: 350},
}

// allShapes are those of dense models and of hybrids.
func allShapes() map[string]testmodel.Shape {
	all := maps.Clone(shapes)
	maps.Copy(all, hybrids)
	return all
}

// someShapes are those of dense models and of a few hybrids, for tests that take long.
func someShapes() map[string]testmodel.Shape {
	some := maps.Clone(shapes)
	for _, name := range []string{"2 values a key", "3 values a key, tied, a delta-net on top"} {
		some[name] = hybrids[name]
	}
	return some
}

func load(t testing.TB, data []byte, o Options) *Model {
	t.Helper()
	f, err := weights.FromBytes("test model", data)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Load(f, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func testModel(t testing.TB, s testmodel.Shape, o Options) *Model {
	return load(t, testmodel.Bytes(s, 1), o)
}

func randomIDs(rng *rand.Rand, n, vocab int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(rng.IntN(vocab))
	}
	return ids
}

// logitsOf runs each sequence alone and returns the logits of all its tokens.
func logitsOf(t testing.TB, m *Model, o *Overlay, ids []int32) []float32 {
	t.Helper()
	b := m.NewBatch(0)
	out, err := b.Step(context.Background(), []Input{{b.NewSeq(o), ids, len(ids)}})
	if err != nil {
		t.Fatal(err)
	}
	return out[0]
}

func sameBits(t testing.TB, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: value %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

// The first rule: a sequence's logits are the same bits whatever runs beside
// it, however it is cut into steps and passes, on any number of threads and on
// every kernel set.
func TestInvariance(t *testing.T) {
	for i, name := range slices.Sorted(maps.Keys(someShapes())) {
		for _, precision := range []Precision{Fast, Exact} {
			t.Run(fmt.Sprint(name, " ", precision), func(t *testing.T) {
				shape := allShapes()[name]
				rng := rand.New(rand.NewPCG(1, 2))
				var seqs [][]int32
				var want [][]float32
				base := testModel(t, shape, Options{Precision: precision, Threads: 1})
				for _, n := range []int{1, 2, 7, 16, 17, 33, 40, 150} {
					ids := randomIDs(rng, n, shape.Vocab)
					seqs, want = append(seqs, ids), append(want, logitsOf(t, base, nil, ids))
				}
				for _, set := range kernel.Available() {
					for _, threads := range []int{1, 3} {
						m := testModel(t, shape, Options{Precision: precision, Kernel: set.Name, Threads: threads})
						for j, pass := range []int{0, 5, 24} {
							// Every two of shape, precision, kernels, threads and pass meet. Plain Go is
							// slow: one of its passes is enough.
							if (i+int(precision)+threads/2+j)%2 > 0 || set == kernel.Generic && (threads == 1 || j != (i+int(precision)+1)%2) {
								continue
							}
							checkBatch(t, fmt.Sprintf("%s, %d threads, passes of %d", set.Name, threads, pass), m, pass, seqs, want)
						}
					}
				}
			})
		}
	}
}

// checkBatch feeds all sequences together, each in two steps, and compares.
func checkBatch(t *testing.T, what string, m *Model, pass int, seqs [][]int32, want [][]float32) {
	t.Helper()
	b := m.NewBatch(pass)
	got := make([][]float32, len(seqs))
	var first, second []Input
	for i, ids := range seqs {
		cut := i * len(ids) / len(seqs)
		s := b.NewSeq(nil)
		first = append(first, Input{s, ids[:cut], cut})
		second = append(second, Input{s, ids[cut:], len(ids) - cut})
	}
	for _, in := range [][]Input{first, second} {
		out, err := b.Step(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range out {
			got[i] = append(got[i], l...)
		}
	}
	for i := range seqs {
		sameBits(t, fmt.Sprintf("%s, sequence %d", what, i), got[i], want[i])
	}
}

// patches for a shape: whole rows, groups and single bits in every kind of
// matrix, the embedding and the head included.
func testPatches(m *Model) map[string]*bankai.Patch {
	row := func(tensor string, r uint32) bankai.Flip { return bankai.Flip{Tensor: tensor, Row: r, N: bankai.ToEnd} }
	group := func(tensor string, r, g uint32) bankai.Flip {
		return bankai.Flip{Tensor: tensor, Row: r, Col: g * 128, N: 128}
	}
	bit := func(tensor string, r, c uint32) bankai.Flip { return bankai.Flip{Tensor: tensor, Row: r, Col: c, N: 1} }
	var all []bankai.Flip
	for _, w := range everyKind(m) {
		in := func(r int) uint32 { return uint32(r % m.matrices[w].Rows) }
		all = append(all, row(w, in(3)), row(w, in(63)), group(w, in(5), 0), bit(w, in(7), 77), bit(w, in(7), 78), bit(w, in(32), 127))
	}
	embd := []bankai.Flip{row("token_embd.weight", 5), group("token_embd.weight", 6, 0), bit("token_embd.weight", 9, 1), row("token_embd.weight", 300)}
	p := map[string]*bankai.Patch{
		"one row":   bankai.New(bankai.Digest{}, bankai.Meta{}, row("blk.0.ffn_gate.weight", 11)),
		"rows":      bankai.New(m.Digest(), bankai.Meta{}, row("blk.0.ffn_up.weight", 0), row("blk.0.ffn_down.weight", 127), row(everyKind(m)[1], 1)),
		"mixed":     bankai.New(bankai.Digest{}, bankai.Meta{}, all...),
		"embedding": bankai.New(bankai.Digest{}, bankai.Meta{}, embd...),
	}
	if !m.Config().Tied {
		p["head"] = bankai.New(bankai.Digest{}, bankai.Meta{}, row("output.weight", 0), bit("output.weight", 319, 100))
	}
	return p
}

// everyKind are the projections of the lowest layer and, if that has another kind of them,
// of the lowest with attention.
func everyKind(m *Model) (names []string) {
	seen := map[weights.Part]bool{}
	for layer := range m.config.Layers {
		for i, part := range []weights.Part{weights.Attention, weights.DeltaNet, weights.MLP} {
			if !m.config.Has(part, layer) || seen[part] {
				continue
			}
			seen[part] = true
			for _, p := range m.blocks[2*layer+i/2].projections() {
				names = append(names, p.tensor)
			}
		}
	}
	return names
}

// bakedModel is loaded from a file that holds m patched by p.
func bakedModel(t *testing.T, m *Model, p *bankai.Patch, precision Precision) *Model {
	t.Helper()
	path := filepath.Join(t.TempDir(), "baked.gguf")
	if err := m.Weights().Bake(path, p); err != nil {
		t.Fatal(err)
	}
	baked, err := Open(path, Options{Precision: precision})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { baked.Close() })
	return baked
}

// The second rule: in place, as an overlay, and baked into a file agree to the
// bit; and applying twice is nothing.
func TestThreeExecutions(t *testing.T) {
	for name, shape := range allShapes() {
		for _, precision := range []Precision{Fast, Exact} {
			w, m := testBench(t, shape, Options{Precision: precision})
			ids := append([]int32{5, 6, 9, 300}, randomIDs(rand.New(rand.NewPCG(3, 4)), 20, shape.Vocab)...)
			base := logitsOf(t, m, nil, ids)
			for what, p := range testPatches(m) {
				what = fmt.Sprintf("%s, %v, %s", name, precision, what)
				o, err := m.Overlay(p)
				if err != nil {
					t.Fatal(err)
				}
				overlaid := logitsOf(t, m, o, ids)
				if slices.Equal(overlaid, base) {
					t.Errorf("%s: the patch changes nothing", what)
				}

				baked := bakedModel(t, m, p, precision)
				sameBits(t, what+": baked against overlay", logitsOf(t, baked, nil, ids), overlaid)

				if err := w.Apply(p); err != nil {
					t.Fatal(err)
				}
				sameBits(t, what+": in place against overlay", logitsOf(t, m, nil, ids), overlaid)
				if err := w.Apply(p); err != nil {
					t.Fatal(err)
				}
				sameBits(t, what+": applied twice", logitsOf(t, m, nil, ids), base)
			}
		}
	}
}

// Sequences with different patches share a batch without touching each other.
func TestOverlaysInOneBatch(t *testing.T) {
	shape := shapes["untied, head_dim 128"]
	m := testModel(t, shape, Options{})
	rng := rand.New(rand.NewPCG(5, 6))
	b := m.NewBatch(16)
	var in []Input
	var want [][]float32
	for _, p := range testPatches(m) {
		o, err := m.Overlay(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range []*Overlay{nil, o} {
			ids := randomIDs(rng, 1+rng.IntN(30), shape.Vocab)
			in = append(in, Input{b.NewSeq(o), ids, len(ids)})
			want = append(want, logitsOf(t, m, o, ids))
		}
	}
	got, err := b.Step(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	for i := range in {
		sameBits(t, fmt.Sprintf("sequence %d", i), got[i], want[i])
	}
}

// A fork continues as its origin would have, and neither disturbs the other.
func TestFork(t *testing.T) {
	for _, shape := range []testmodel.Shape{shapes["tied, head_dim 64"], testmodel.TinyHybrid} {
		checkFork(t, shape)
	}
}

func checkFork(t *testing.T, shape testmodel.Shape) {
	m := testModel(t, shape, Options{})
	rng := rand.New(rand.NewPCG(7, 8))
	ctx := context.Background()
	for _, prefix := range []int{1, 15, 16, 17, 32, 300} {
		ids := randomIDs(rng, prefix, shape.Vocab)
		left, right := randomIDs(rng, 20, shape.Vocab), randomIDs(rng, 20, shape.Vocab)
		b := m.NewBatch(0)
		s := b.NewSeq(nil)
		if _, err := b.Step(ctx, []Input{{s, ids, 0}}); err != nil {
			t.Fatal(err)
		}
		f := s.Fork()
		got, err := b.Step(ctx, []Input{{s, left, 20}, {f, right, 20}})
		if err != nil {
			t.Fatal(err)
		}
		for i, rest := range [][]int32{left, right} {
			whole := logitsOf(t, m, nil, append(append([]int32(nil), ids...), rest...))
			sameBits(t, fmt.Sprintf("prefix %d, branch %d", prefix, i), got[i], whole[prefix*shape.Vocab:])
		}
		s.Release()
		if f.Len() != prefix+20 {
			t.Errorf("releasing a sequence changed its fork's length to %d", f.Len())
		}
	}
}

func TestRefusals(t *testing.T) {
	w, m := testBench(t, testmodel.Tiny, Options{})
	other := testModel(t, testmodel.Tiny, Options{})
	b := m.NewBatch(0)
	stale, err := m.Overlay(testPatches(m)["one row"])
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := other.Overlay(testPatches(m)["one row"])
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Apply(testPatches(m)["one row"]); err != nil {
		t.Fatal(err)
	}
	s := b.NewSeq(nil)
	for what, in := range map[string][]Input{
		"a token outside the vocabulary": {{s, []int32{320}, 0}},
		"a negative token":               {{s, []int32{-1}, 0}},
		"more logits than tokens":        {{s, []int32{1}, 2}},
		"a sequence twice":               {{s, []int32{1}, 0}, {s, []int32{1}, 0}},
		"another batch's sequence":       {{m.NewBatch(0).NewSeq(nil), []int32{1}, 0}},
		"no sequence":                    {{nil, []int32{1}, 0}},
		"a stale overlay":                {{b.NewSeq(stale), []int32{1}, 0}},
		"another model's overlay":        {{b.NewSeq(foreign), []int32{1}, 0}},
		"more tokens than the context":   {{s, make([]int32, m.Config().Context+1), 0}},
	} {
		if _, err := b.Step(context.Background(), in); err == nil {
			t.Errorf("%s was accepted", what)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := b.Step(ctx, []Input{{s, []int32{1}, 1}}); err != context.Canceled {
		t.Errorf("a cancelled step returned %v", err)
	}
	bad := bankai.New(bankai.Digest{}, bankai.Meta{}, bankai.Flip{Tensor: "blk.9.ffn_up.weight", N: 1})
	if err := w.Apply(bad); err == nil {
		t.Error("a patch for a layer that does not exist was applied")
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none.gguf"), Options{}); err == nil {
		t.Error("a file that does not exist was opened")
	}
	if _, err := ParsePrecision("sloppy"); err == nil {
		t.Error("precision sloppy was accepted")
	}
}
