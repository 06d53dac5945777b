package engine

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bankai/internal/kernel"
	"bankai/internal/testmodel"
)

// parts are the partial products of all groups of some gradients' projections, in order.
func parts(t testing.TB, m *Model, qs []WeightedQuestion, check func(s *LayerGradient, k int, groups [][]float32)) (all []float32) {
	t.Helper()
	_, err := m.Gradient(context.Background(), qs, func(s *LayerGradient) error {
		for k, p := range s.Projections {
			groups := make([][]float32, len(p.X)/len(s.Questions)/kernel.GroupSize)
			for g := range groups {
				groups[g] = make([]float32, len(p.Y))
				s.Partial(k, g, groups[g])
				all = append(all, groups[g]...)
			}
			if check != nil {
				check(s, k, groups)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// The partial products add up to what the layer computed. Those that end in the
// residual stream are not there as they were, but rounded with it.
func TestPartialsAddUp(t *testing.T) {
	for name, shape := range someShapes() {
		for _, precision := range []Precision{Fast, Exact} {
			m := testModel(t, shape, Options{Precision: precision})
			qs := weightedQuestions(rand.New(rand.NewPCG(13, 13)), 4, shape.Vocab)
			parts(t, m, qs, func(s *LayerGradient, k int, groups [][]float32) {
				p := s.Projections[k]
				if k == len(s.Projections)-1 {
					return
				}
				for i, y := range p.Y {
					var sum, size float64
					for _, g := range groups {
						sum += float64(g[i])
						size += math.Abs(float64(g[i]))
					}
					if math.Abs(sum-float64(y)) > 1e-6*size {
						t.Fatalf("%s %v: %s: the groups' parts of output %d add up to %v, want %v", name, precision, p.Tensor, i, sum, y)
					}
				}
			})
		}
	}
}

// In exact precision a partial product is the sum over the group's weights.
func TestPartialIsTheProduct(t *testing.T) {
	shape := shapes["untied, head_dim 128"]
	m := testModel(t, shape, Options{Precision: Exact})
	parts(t, m, weightedQuestions(rand.New(rand.NewPCG(14, 14)), 1, shape.Vocab), func(s *LayerGradient, k int, groups [][]float32) {
		p := s.Projections[k]
		w := m.matrices[p.Tensor]
		row := make([]float32, w.Cols)
		for r := range w.Rows {
			w.Row(row, r)
			for g, part := range groups {
				for tok := range s.Questions {
					var want, size float64
					for j := g * kernel.GroupSize; j < (g+1)*kernel.GroupSize; j++ {
						v := float64(row[j]) * float64(p.X[tok*w.Cols+j])
						want += v
						size += math.Abs(v)
					}
					if got := float64(part[tok*w.Rows+r]); math.Abs(got-want) > 1e-5*size {
						t.Fatalf("%s[%d], group %d, token %d: %v, want %v", p.Tensor, r, g, tok, got, want)
					}
				}
			}
		}
	})
}

func TestPartialInvariance(t *testing.T) {
	shape := shapes["tied, head_dim 64"]
	for _, precision := range []Precision{Fast, Exact} {
		qs := weightedQuestions(rand.New(rand.NewPCG(15, 15)), 1, shape.Vocab)
		want := parts(t, testModel(t, shape, Options{Precision: precision, Kernel: "generic", Threads: 1}), qs, nil)
		for _, set := range kernel.Available() {
			got := parts(t, testModel(t, shape, Options{Precision: precision, Kernel: set.Name, Threads: 3}), qs, nil)
			sameBits(t, fmt.Sprint(precision, set.Name), got, want)
		}
	}
}

// outerOf adds up outer products in waves of so many tokens: by tensor, of the rows
// from lo on.
func outerOf(t testing.TB, m *Model, qs []WeightedQuestion, c []float32, tokens, lo int) map[string][]float32 {
	t.Helper()
	questions, ws := split(qs)
	trunk, err := m.newTrunk(questions)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]float32{}
	_, err = trunk.gradient(context.Background(), ws, 0, tokens, nil, func(s *LayerGradient) error {
		var weight []float32
		for _, q := range s.Questions {
			weight = append(weight, c[q])
		}
		for k, p := range s.Projections {
			w := m.matrices[p.Tensor]
			if all[p.Tensor] == nil {
				all[p.Tensor] = make([]float32, (w.Rows-lo)*w.Cols)
			}
			s.AddOuter(k, lo, w.Rows, weight, all[p.Tensor])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Outer products are added in the order of the tokens, whatever the kernels, the
// threads, the waves and the rows that are wanted.
func TestAddOuter(t *testing.T) {
	shape := testmodel.Shape{Layers: 1, Hidden: 128, FFN: 256, Heads: 4, KVHeads: 1, HeadDim: 64, Vocab: 320}
	base := testModel(t, shape, Options{})
	qs := weightedQuestions(rand.New(rand.NewPCG(16, 16)), 12, shape.Vocab)
	c := []float32{1, 0, -2, 0.3, 0, 0, 1, 1.7, 0, -1, 0.1, -3}
	derived, _ := gradientOf(t, base, qs)
	var of []int
	counted := 0
	for i, q := range qs {
		of = append(of, slices.Repeat([]int{i}, q.Tokens())...)
		if c[i] != 0 {
			counted += q.Tokens()
		}
	}
	if counted <= outerTokens {
		t.Fatalf("%d tokens count: not more than a block", counted)
	}
	want := map[string][]float32{}
	for tensor, w := range base.matrices {
		if p := derived[tensor]; p != nil {
			want[tensor] = plainOuter(p, w, c, of)
		}
	}
	const lo = 5
	for i, set := range kernel.Available() {
		for _, tokens := range []int{50, 1, gradientTokens} {
			if set == kernel.Generic && tokens != 50 {
				continue // slow
			}
			m := testModel(t, shape, Options{Kernel: set.Name, Threads: 1 + (i+tokens)%4})
			all, some := outerOf(t, m, qs, c, tokens, 0), outerOf(t, m, qs, c, tokens, lo)
			for tensor, w := range want {
				what := fmt.Sprintf("%s, waves of %d: %s", set.Name, tokens, tensor)
				sameBits(t, what, all[tensor], w)
				sameBits(t, what+" from a row on", some[tensor], w[lo*base.matrices[tensor].Cols:])
			}
		}
	}
}

// plainOuter is what AddOuter is to compute, written plainly.
func plainOuter(p *Projection, w *kernel.Matrix, c []float32, of []int) []float32 {
	acc := make([]float32, w.Rows*w.Cols)
	for t, q := range of {
		if c[q] == 0 {
			continue
		}
		for r := range w.Rows {
			d := c[q] * p.DY[t*w.Rows+r]
			for j := range w.Cols {
				acc[r*w.Cols+j] += float32(d * p.X[t*w.Cols+j])
			}
		}
	}
	return acc
}

// Tokens of weight 0 leave no trace, not even the sign of a zero.
func TestAddOuterSkips(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	negative := float32(math.Copysign(0, -1))
	_, err := m.Gradient(context.Background(), weightedQuestions(rand.New(rand.NewPCG(17, 17)), 2, testmodel.Tiny.Vocab), func(s *LayerGradient) error {
		acc := slices.Repeat([]float32{negative}, len(s.Projections[0].X)/len(s.Questions))
		s.AddOuter(0, 1, 2, make([]float32, len(s.Questions)), acc)
		for _, v := range acc {
			if !math.Signbit(float64(v)) {
				t.Fatal("something was added for tokens of weight 0")
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The sums are the derivatives by single weights, by central differences in float64.
func TestAddOuterIsTheDerivative(t *testing.T) {
	for _, shape := range []testmodel.Shape{shapes["tied, head_dim 64"], testmodel.TinyHybrid} {
		checkOuterDerivatives(t, shape)
	}
}

func checkOuterDerivatives(t *testing.T, shape testmodel.Shape) {
	t.Helper()
	const h = 1.0 / 64 // of the weight, which is stored as float32
	m := testModel(t, shape, Options{Precision: Exact})
	rng := rand.New(rand.NewPCG(18, 18))
	qs := weightedQuestions(rng, 3, shape.Vocab)
	c := []float32{1, -0.5, 0}
	got := outerOf(t, m, qs, c, gradientTokens, 0)
	ref := &reference{m: m, weights: map[string][]float32{}}
	value := func() (sum float64) {
		for i, q := range qs[:2] {
			v, _ := ref.value(q)
			sum += float64(c[i]) * v
		}
		return sum
	}
	value() // unpacks the weights
	for _, tensor := range slices.Sorted(maps.Keys(got)) {
		i := rng.IntN(len(got[tensor]))
		w := ref.weights[tensor]
		was := w[i]
		step := float32(h) * was
		w[i] = was + step
		up := value()
		w[i] = was - step
		want := (up - value()) / (2 * float64(step))
		w[i] = was
		if v := float64(got[tensor][i]); math.Abs(v-want) > 2e-3*math.Abs(want)+1e-3*rms(got[tensor]) {
			t.Errorf("%s, weight %d: %v, by differences %v (rms %v)", tensor, i, v, want, rms(got[tensor]))
		}
	}
}
