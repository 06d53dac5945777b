package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"bankai"
	"bankai/internal/kernel"
	"bankai/internal/testmodel"
)

// streamsOf are the residual streams of a sequence at all cuts, as one plain pass leaves
// them.
func streamsOf(t *testing.T, m *Model, o *Overlay, ids []int32) map[Cut][]float32 {
	t.Helper()
	keep := map[Cut][]float32{}
	for c := Cut(1); c <= m.lastCut(); c++ {
		keep[c] = make([]float32, len(ids)*m.config.Hidden)
	}
	b := m.NewBatch(0)
	spans := []span{{seq: b.NewSeq(o), tokens: ids}}
	if err := b.feed(context.Background(), job{sink: sink{keep: keep, emit: func([]logitRow, []float32) {}}}, spans); err != nil {
		t.Fatal(err)
	}
	return keep
}

func traced(t *testing.T, m *Model, ids []int32, o *Overlay) *Trace {
	t.Helper()
	trace, err := m.Trace(context.Background(), ids, o, TraceOptions{Lens: true})
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

func overlayOf(t *testing.T, m *Model, p *bankai.Patch) *Overlay {
	t.Helper()
	o, err := m.Overlay(p)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// A trace is what comparing two whole passes says: their streams, and their logits.
func TestTraceIsTwoPassesCompared(t *testing.T) {
	for name, shape := range allShapes() {
		m := testModel(t, shape, Options{})
		ids := randomIDs(rand.New(rand.NewPCG(8, 8)), traceTokens+9, shape.Vocab) // in two parts
		for what, p := range testPatches(m) {
			what = name + ", " + what
			o := overlayOf(t, m, p)
			got := traced(t, m, ids, o)
			was, is := streamsOf(t, m, nil, ids), streamsOf(t, m, o, ids)
			if len(got.Cuts) != 2*shape.Layers+1 || got.Cuts[0].Cut != 1 || got.Cuts[len(got.Cuts)-1].Cut != m.lastCut() {
				t.Fatalf("%s: cuts %+v", what, got.Cuts)
			}
			for _, cut := range got.Cuts {
				for i, d := range cut.Difference {
					var apart, size float64
					for k := range shape.Hidden {
						x, y := float64(was[cut.Cut][i*shape.Hidden+k]), float64(is[cut.Cut][i*shape.Hidden+k])
						apart, size = math.Hypot(apart, y-x), math.Hypot(size, x)
					}
					if want := apart / size; math.Abs(float64(d)-want) > 1e-6*want {
						t.Fatalf("%s: token %d differs by %v at cut %d, want %v", what, i, d, cut.Cut, want)
					}
				}
			}
			checkSaid(t, what, m, ids, got, o)
		}
	}
}

// checkSaid compares what a trace says of logits with those of two plain passes.
func checkSaid(t *testing.T, what string, m *Model, ids []int32, got *Trace, o *Overlay) {
	t.Helper()
	vocab, top := m.config.Vocab, got.Cuts[len(got.Cuts)-1]
	base, patched := logitsOf(t, m, nil, ids), logitsOf(t, m, o, ids)
	for i := range ids {
		was, is := head(base, i, vocab), head(patched, i, vocab)
		if want := plainKL(was, is); math.Abs(got.KL[i]-want) > max(1e-6, 1e-5*want) {
			t.Fatalf("%s: token %d diverges by %v, want %v", what, i, got.KL[i], want)
		}
		if b, p := got.Base.Likeliest[i], got.Patched.Likeliest[i]; was[b] != slices.Max(was) || is[p] != slices.Max(is) {
			t.Fatalf("%s: behind token %d are likeliest %d and %d", what, i, b, p)
		}
		if i+1 == len(ids) {
			break
		}
		next := ids[i+1]
		wantBase, wantPatched := float64(was[next])-m.LogSumExp(was), float64(is[next])-m.LogSumExp(is)
		if got.Base.LogProbs[i] != wantBase || got.Patched.LogProbs[i] != wantPatched || top.BaseLens[i] != wantBase || top.PatchedLens[i] != wantPatched {
			t.Fatalf("%s: the token behind %d has %v and %v, want %v and %v", what, i, got.Base.LogProbs[i], got.Patched.LogProbs[i], wantBase, wantPatched)
		}
	}
}

// The lens reads a stream as if it came to the head: at every layer it says what a model says
// of which the layers above are taken out.
func TestLensIsTheModelWithoutTheLayersAbove(t *testing.T) {
	for name, shape := range someShapes() {
		m := testModel(t, shape, Options{})
		ids := randomIDs(rand.New(rand.NewPCG(9, 9)), 12, shape.Vocab)
		trace := traced(t, m, ids, overlayOf(t, m, testPatches(m)["one row"]))
		streams := streamsOf(t, m, nil, ids)
		for _, cut := range trace.Cuts {
			if inside := cut.Layer >= 0 && cut.Part != "mlp"; inside != (cut.BaseLens == nil) {
				t.Fatalf("%s: cut %d, above %s, has a lens: %v", name, cut.Cut, cut.Part, cut.BaseLens != nil)
			}
			for i, got := range cut.BaseLens {
				x := make([]float32, shape.Hidden)
				m.rmsNorm(x, head(streams[cut.Cut], i, shape.Hidden), m.outputNorm)
				var acts kernel.Acts
				m.kernel.Reset(&acts, 1, len(x), m.exact)
				m.kernel.SetToken(&acts, 0, x)
				logits := make([]float32, shape.Vocab)
				m.kernel.MatMul(logits, shape.Vocab, m.head, &acts, 0, m.head.Tiles())
				if want := float64(logits[ids[i+1]]) - m.LogSumExp(logits); got != want {
					t.Errorf("%s: at cut %d token %d is followed with %v, want %v", name, cut.Cut, i, got, want)
				}
			}
		}
	}
}

// Below the lowest matrix that is patched nothing differs, and without an overlay nothing at
// all, exactly.
func TestTraceOfNothing(t *testing.T) {
	for name, shape := range someShapes() {
		m := testModel(t, shape, Options{})
		ids := randomIDs(rand.New(rand.NewPCG(10, 10)), 20, shape.Vocab)
		none := traced(t, m, ids, nil)
		for _, tensor := range m.Weights().Tensors() {
			if m.matrices[tensor.Name] == nil {
				continue
			}
			row := bankai.Flip{Tensor: tensor.Name, Row: uint32(ids[3] % int32(tensor.Rows)), N: bankai.ToEnd}
			trace := traced(t, m, ids, overlayOf(t, m, patchOf(m, row)))
			for i, cut := range trace.Cuts {
				same := !slices.ContainsFunc(cut.Difference, func(d float32) bool { return d != 0 })
				if below := cut.Cut <= m.CutBelow(tensor.Name); same != below && (below || cut.Cut == m.CutBelow(tensor.Name)+1) {
					t.Errorf("%s: with %s patched the streams are the same at cut %d: %v", name, tensor.Name, cut.Cut, same)
				}
				if !m.config.Tied && tensor.Name != "output.weight" && same && !reflect.DeepEqual(cut.BaseLens, cut.PatchedLens) {
					t.Errorf("%s: with %s patched the lens says something else at cut %d, where nothing differs", name, tensor.Name, i)
				}
			}
			if !reflect.DeepEqual(trace.Base, none.Base) {
				t.Errorf("%s: with %s patched the model as it is says something else", name, tensor.Name)
			}
		}
		if !reflect.DeepEqual(none.Base, none.Patched) || slices.ContainsFunc(none.KL, func(v float64) bool { return v != 0 }) {
			t.Errorf("%s: without an overlay the answers differ", name)
		}
		p := testPatches(m)["mixed"]
		twice, err := p.Xor(p)
		if err != nil {
			t.Fatal(err)
		}
		if got := traced(t, m, ids, overlayOf(t, m, twice)); !reflect.DeepEqual(got, none) {
			t.Errorf("%s: a patch and itself do something", name)
		}
	}
}

// A trace has the same bits on every kernel set and number of threads, and that of the first
// tokens is the beginning of that of all.
func TestTraceInvariance(t *testing.T) {
	for _, name := range []string{"two layers", "hybrid"} {
		shape := bitShapes[name]
		m := testModel(t, shape, Options{Kernel: "generic", Threads: 1})
		ids := randomIDs(rand.New(rand.NewPCG(11, 11)), traceTokens+5, shape.Vocab)
		want := traced(t, m, ids, overlayOf(t, m, testPatches(m)["mixed"]))
		for _, set := range kernel.Available() {
			if set == kernel.Generic {
				continue // it made what is wanted
			}
			m := testModel(t, shape, Options{Kernel: set.Name, Threads: 3})
			o := overlayOf(t, m, testPatches(m)["mixed"])
			if got := traced(t, m, ids, o); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: with %s and 3 threads the trace is another", name, set.Name)
			}
			few := traced(t, m, ids[:7], o)
			if !slices.Equal(few.KL, want.KL[:7]) || !slices.Equal(few.Base.LogProbs, want.Base.LogProbs[:6]) {
				t.Errorf("%s: with %s the trace of the first tokens is another", name, set.Name)
			}
		}
	}
}

func TestTraceRefuses(t *testing.T) {
	m, other := testModel(t, testmodel.Tiny, Options{}), testModel(t, testmodel.Tiny, Options{})
	o := overlayOf(t, m, testPatches(m)["one row"])
	var foreign *OtherModelError
	var unknown *TokenError
	for what, c := range map[string]struct {
		m      *Model
		ids    []int32
		refuse func(error) bool
	}{
		"no tokens":     {m, nil, func(err error) bool { return errors.Is(err, ErrEmptyPrompt) }},
		"no such token": {m, []int32{1, 1 << 20}, func(err error) bool { return errors.As(err, &unknown) }},
		"another model": {other, []int32{1}, func(err error) bool { return errors.As(err, &foreign) }},
	} {
		if _, err := c.m.Trace(context.Background(), c.ids, o, TraceOptions{}); !c.refuse(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := m.Trace(ctx, []int32{1, 2}, o, TraceOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// What is relative to nothing is without bound, and nothing relative to nothing is nothing.
func TestRelativeDifference(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		x, base []float32
		want    float32
	}{
		{[]float32{3, 4}, []float32{0, 4}, 0.75},
		{[]float32{1, 2}, []float32{1, 2}, 0},
		{[]float32{0, 0}, []float32{0, 0}, 0},
		{[]float32{0, 1}, []float32{0, 0}, inf},
		{[]float32{0, 0}, []float32{-7, 1}, 1},
	} {
		if got := relativeDifference(c.x, c.base); got != c.want {
			t.Errorf("%s: %v, want %v", fmt.Sprint(c.x, c.base), got, c.want)
		}
	}
}
