package engine

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bankai/internal/kernel"
	"bankai/internal/testmodel"
)

// projections are the names of all 1-bit tensors of the layers.
func projections(m *Model) (all []string) {
	for _, b := range m.blocks {
		for _, p := range b.projections() {
			all = append(all, p.tensor)
		}
	}
	return all
}

// adapterOf has random factors, which change what a projection says by about a
// tenth, on all projections.
func adapterOf(t testing.TB, m *Workbench, rank int) *Adapter {
	t.Helper()
	a, err := m.NewAdapter(rank, projections(m.Model))
	if err != nil {
		t.Fatal(err)
	}
	a.Scale = 0.75
	rng := rand.New(rand.NewPCG(21, 21))
	for _, f := range a.Factors() {
		var sum float64
		w, row := m.matrices[f.Tensor], make([]float32, m.matrices[f.Tensor].Cols)
		w.Row(row, 0)
		for _, v := range row {
			sum += float64(v) * float64(v)
		}
		for i := range f.A {
			f.A[i] = float32(rng.NormFloat64() / math.Sqrt(float64(len(row))))
		}
		for i := range f.B {
			f.B[i] = float32(0.1 * rng.NormFloat64() * math.Sqrt(sum))
		}
	}
	return a
}

func adapt(t testing.TB, w *Workbench, a *Adapter) {
	t.Helper()
	if err := w.Adapt(a); err != nil {
		t.Fatal(err)
	}
}

// An adapter whose B is 0 leaves every bit, forward and back, as it is; and taking
// another one off leaves no trace.
func TestAdapterThatDoesNothing(t *testing.T) {
	for name, shape := range shapes {
		for _, precision := range []Precision{Fast, Exact} {
			what := fmt.Sprint(name, " ", precision)
			rng := rand.New(rand.NewPCG(22, 22))
			w, m := testBench(t, shape, Options{Precision: precision})
			ids, qs := randomIDs(rng, 20, shape.Vocab), weightedQuestions(rng, 2, shape.Vocab)
			want := logitsOf(t, m, nil, ids)
			wantGradients, _ := gradientOf(t, m, qs)

			a := adapterOf(t, w, 2)
			adapt(t, w, a)
			if slices.Equal(logitsOf(t, m, nil, ids), want) {
				t.Errorf("%s: the adapter changes nothing", what)
			}
			for _, f := range a.Factors() {
				clear(f.B)
			}
			for how, a := range map[string]*Adapter{"B = 0": a, "taken off": nil} {
				adapt(t, w, a)
				got, _ := gradientOf(t, m, qs)
				sameBits(t, what+", "+how, logitsOf(t, m, nil, ids), want)
				sameGradients(t, what+", "+how, got, wantGradients)
			}
		}
	}
}

// An adapted model's logits are the same bits alone and in any batch, on any number
// of threads and every kernel set.
func TestAdapterInvariance(t *testing.T) {
	shape := shapes["tied, head_dim 64"]
	for _, precision := range []Precision{Fast, Exact} {
		rng := rand.New(rand.NewPCG(23, 23))
		var seqs [][]int32
		var want [][]float32
		bench, base := testBench(t, shape, Options{Precision: precision, Kernel: "generic", Threads: 1})
		adapt(t, bench, adapterOf(t, bench, 3))
		for _, n := range []int{1, 7, 16, 40} {
			ids := randomIDs(rng, n, shape.Vocab)
			seqs, want = append(seqs, ids), append(want, logitsOf(t, base, nil, ids))
		}
		for _, set := range kernel.Available() {
			for _, threads := range []int{1, 2} {
				w, m := testBench(t, shape, Options{Precision: precision, Kernel: set.Name, Threads: threads})
				adapt(t, w, adapterOf(t, w, 3))
				checkBatch(t, fmt.Sprintf("%v, %s, %d threads", precision, set.Name, threads), m, 24, seqs, want)
			}
		}
	}
}

// A projection gives W·x + s·B·(A·x), as computed in float64, to the rounding of
// float32: 1e-6 of what is added up, as its sums of at most 384 terms are short.
func TestAdapterIsTheProduct(t *testing.T) {
	shape := shapes["untied, head_dim 128"]
	w, m := testBench(t, shape, Options{Precision: Exact})
	a := adapterOf(t, w, 1)
	adapt(t, w, a)
	derived, _ := gradientOf(t, m, weightedQuestions(rand.New(rand.NewPCG(24, 24)), 1, shape.Vocab))
	for _, f := range a.Factors() {
		p, w := derived[f.Tensor], m.matrices[f.Tensor]
		if strings.Contains(f.Tensor, "down") || strings.Contains(f.Tensor, "output") {
			continue // their y are differences of the residual stream
		}
		row := make([]float32, w.Cols)
		for tok := range len(p.X) / w.Cols {
			x := p.X[tok*w.Cols:][:w.Cols]
			for r := range w.Rows {
				w.Row(row, r)
				var want, size float64
				for j, v := range x {
					term := (float64(row[j]) + float64(a.Scale)*float64(f.B[r])*float64(f.A[j])) * float64(v)
					want += term
					size += math.Abs(term)
				}
				if got := float64(p.Y[tok*w.Rows+r]); math.Abs(got-want) > 1e-6*size {
					t.Fatalf("%s[%d], token %d: %v, want %v of size %v", f.Tensor, r, tok, got, want, size)
				}
			}
		}
	}
}

// Patches flip the bits under an adapter: in place and as overlays they agree, and
// both show beside the adapter in one batch.
func TestAdapterAndOverlay(t *testing.T) {
	shape := shapes["tied, head_dim 64"]
	for _, precision := range []Precision{Fast, Exact} {
		w, m := testBench(t, shape, Options{Precision: precision})
		ids := randomIDs(rand.New(rand.NewPCG(25, 25)), 20, shape.Vocab)
		for what, p := range testPatches(m) {
			o, err := m.Overlay(p)
			if err != nil {
				t.Fatal(err)
			}
			patched := logitsOf(t, m, o, ids)
			adapt(t, w, adapterOf(t, w, 2)) // the overlay, made before, may go on
			b := m.NewBatch(0)
			both, err := b.Step(context.Background(), []Input{{b.NewSeq(nil), ids, len(ids)}, {b.NewSeq(o), ids, len(ids)}})
			if err != nil {
				t.Fatal(err)
			}
			if slices.Equal(both[1], both[0]) || slices.Equal(both[1], patched) {
				t.Errorf("%v, %s: the patch or the adapter changes nothing", precision, what)
			}
			if err := w.Apply(p); err != nil {
				t.Fatal(err)
			}
			sameBits(t, what+": in place against overlay", logitsOf(t, m, nil, ids), both[1])
			if err := w.Apply(p); err != nil {
				t.Fatal(err)
			}
			adapt(t, w, nil)
		}
	}
}

// factorGradient adds up the derivatives by the factors, question i counting c[i], in
// waves of so many tokens.
func factorGradient(t testing.TB, m *Model, qs []WeightedQuestion, c []float32, tokens int) []Factors {
	t.Helper()
	questions, ws := split(qs)
	trunk, err := m.newTrunk(questions)
	if err != nil {
		t.Fatal(err)
	}
	sums := m.adapter.Zeros()
	_, err = trunk.gradient(context.Background(), ws, 0, tokens, nil, func(s *LayerGradient) error {
		var weight []float32
		for _, q := range s.Questions {
			weight = append(weight, c[q])
		}
		m.adapter.AddGradient(s, weight, sums)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

// The sums are the derivatives by single parameters, by central differences in
// float64. The tolerance is that of the derivatives by weights: see
// TestAddOuterIsTheDerivative.
func TestAdapterGradientIsTheDerivative(t *testing.T) {
	c := []float32{1, -0.5, 0}
	for _, shape := range []testmodel.Shape{shapes["tied, head_dim 64"], oneDeltaNet} {
		checkAdapterDerivatives(t, shape, c)
	}
}

// checkAdapterDerivatives compares those of two questions that count c.
func checkAdapterDerivatives(t *testing.T, shape testmodel.Shape, c []float32) {
	t.Helper()
	rng := rand.New(rand.NewPCG(26, 26))
	w, m := testBench(t, shape, Options{Precision: Exact})
	a := adapterOf(t, w, 2)
	adapt(t, w, a)
	qs := weightedQuestions(rng, 3, shape.Vocab)
	got := factorGradient(t, m, qs, c, gradientTokens)
	ref := &reference{m: m, weights: map[string][]float32{}, adapter: a}
	value := func() (sum float64) {
		for i, q := range qs[:2] {
			v, _ := ref.value(q)
			sum += float64(c[i]) * v
		}
		return sum
	}
	check := func(what string, params, derived []float32) {
		i := rng.IntN(len(params))
		was, step := params[i], float32(rms(params)/64)
		params[i] = was + step
		up, high := value(), float64(params[i])
		params[i] = was - step
		want := (up - value()) / (high - float64(params[i]))
		params[i] = was
		if v := float64(derived[i]); math.Abs(v-want) > 2e-3*math.Abs(want)+1e-3*rms(derived) {
			t.Errorf("%s, parameter %d: %v, by differences %v (rms %v)", what, i, v, want, rms(derived))
		}
	}
	for n, f := range a.Factors() {
		check("A of "+f.Tensor, f.A, got[n].A)
		check("B of "+f.Tensor, f.B, got[n].B)
	}
}

// Derivatives are added in the order of the tokens, whatever the waves, the threads
// and the kernels; and what is derived was scored before.
func TestAdapterGradientInvariance(t *testing.T) {
	shape := shapes["3 query heads a kv head"]
	for _, precision := range []Precision{Fast, Exact} {
		bench, base := testBench(t, shape, Options{Precision: precision, Kernel: "generic", Threads: 1})
		qs := weightedQuestions(rand.New(rand.NewPCG(27, 27)), 6, shape.Vocab)
		c := []float32{1, 0, -2, 0.3, 0, 1.7}
		adapt(t, bench, adapterOf(t, bench, 2))
		want := factorGradient(t, base, qs, c, gradientTokens)
		for _, set := range kernel.Available() {
			for _, tokens := range []int{1, 30} {
				w, m := testBench(t, shape, Options{Precision: precision, Kernel: set.Name, Threads: 2})
				adapt(t, w, adapterOf(t, w, 2))
				for i, f := range factorGradient(t, m, qs, c, tokens) {
					what := fmt.Sprintf("%v, %s, waves of %d: %s", precision, set.Name, tokens, f.Tensor)
					sameBits(t, what+".A", f.A, want[i].A)
					sameBits(t, what+".B", f.B, want[i].B)
				}
			}
		}
	}
}

// Whoever sees the gradient of a question can know how it was answered, in whatever
// segments and waves it comes.
func TestGradientsKnowTheAnswers(t *testing.T) {
	shape := shapes["untied, head_dim 128"]
	m := testModel(t, shape, Options{})
	qs := weightedQuestions(rand.New(rand.NewPCG(28, 28)), 7, shape.Vocab)
	questions, ws := split(qs)
	trunk := newTrunk(t, m, questions, []Cut{2, 4})
	seen := 0
	_, err := trunk.gradient(context.Background(), ws, 0, 30, nil, func(s *LayerGradient) error {
		for _, q := range s.Questions {
			seen++
			if got, want := fmt.Sprint(s.Answers(q)), fmt.Sprint(trunk.Answers()[q]); got != want {
				t.Fatalf("layer %d: question %d is said to be answered %s, not %s", s.Layer, q, got, want)
			}
		}
		return nil
	})
	if err != nil || seen != 2*shape.Layers*rowsOf(qs) {
		t.Errorf("%d rows seen, error %v", seen, err)
	}
}

func TestAdapterSizes(t *testing.T) {
	w, m := testBench(t, testmodel.Tiny, Options{})
	c := m.Config()
	a, err := w.NewAdapter(4, []string{"blk.1.ffn_down.weight", "blk.1.ffn_up.weight"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := a.Params(), 4*2*(c.Hidden+c.FFN); got != want || a.Rank() != 4 {
		t.Errorf("%d parameters, want %d; rank %d", got, want, a.Rank())
	}
	copy(a.Factors()[1].B, []float32{1.0 / 3, -2, 1e-9, 1 + 1.0/2048})
	a.Half()
	sameBits(t, "as float16", a.Factors()[1].B[:4], []float32{0x555p-12, -2, 0, 1})
	for i, f := range a.Zeros() {
		w := m.matrices[f.Tensor]
		if len(f.A) != 4*w.Cols || len(f.B) != 4*w.Rows || &f.A[0] == &a.Factors()[i].A[0] {
			t.Errorf("%s: zeros of %d and %d", f.Tensor, len(f.A), len(f.B))
		}
	}
}

func TestAdapterRefuses(t *testing.T) {
	w, m := testBench(t, testmodel.Tiny, Options{})
	other := testModel(t, testmodel.Tiny, Options{}).Workbench()
	up := "blk.0.ffn_up.weight"
	for what, c := range map[string]struct {
		rank    int
		tensors []string
	}{
		"rank 0":         {0, []string{up}},
		"nothing":        {1, nil},
		"a norm":         {1, []string{"blk.0.attn_norm.weight"}},
		"the embedding":  {1, []string{"token_embd.weight"}},
		"no tensor":      {1, []string{"blk.99.ffn_up.weight"}},
		"a tensor twice": {1, []string{up, up}},
	} {
		if _, err := w.NewAdapter(c.rank, c.tensors); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if err := w.Adapt(adapterOf(t, other, 1)); err == nil {
		t.Error("another model's adapter was put on")
	}
	if got := logitsOf(t, m, nil, []int32{1}); !slices.Equal(got, logitsOf(t, other.Model, nil, []int32{1})) {
		t.Error("a refused adapter changed the model")
	}
}

func BenchmarkAdapter(b *testing.B) {
	w := load(b, testmodel.Bytes(testmodel.Shape{Layers: 4, Hidden: 512, FFN: 1536, Heads: 8, KVHeads: 4, HeadDim: 64, Vocab: 1024, Tied: true}, 1), Options{}).Workbench()
	for _, rank := range []int{0, 1, 4} {
		for _, tokens := range []int{1, 128} {
			b.Run(fmt.Sprintf("rank %d, %d tokens", rank, tokens), func(b *testing.B) {
				if adapt(b, w, nil); rank > 0 {
					adapt(b, w, adapterOf(b, w, rank))
				}
				batch, ids := w.NewBatch(0), randomIDs(rand.New(rand.NewPCG(29, 29)), tokens, 1024)
				for b.Loop() {
					s := batch.NewSeq(nil)
					if _, err := batch.Step(context.Background(), []Input{{s, ids, 1}}); err != nil {
						b.Fatal(err)
					}
					s.Release()
				}
			})
		}
	}
}
