package engine

import (
	"errors"
	"fmt"
	"slices"

	"bankai/internal/kernel"
	"bankai/internal/weights"

	"github.com/x448/float16"
)

// Adapter adds a low-rank product in float32 to some projections of a model whose
// bits stay as they are: y = W·x + Scale·B·(A·x), as in LoRA (Hu et al., 2021). In
// fast precision A reads x as it was before its rounding to int8. The terms are
// added after what patches do to W, in the order of the rank.
//
// A new one has A = B = 0: it changes nothing, and no gradient reaches it. A batch
// that runs reads Scale and the factors, so neither may be written to meanwhile.
type Adapter struct {
	Scale float32 // 1 in a new one

	model   *Model
	rank    int
	factors []Factors
	of      map[*kernel.Matrix]int // index into factors
}

// Factors are one projection's share of an Adapter, or derivatives by it.
type Factors struct {
	Tensor string
	A      []float32 // [rank, columns of W]
	B      []float32 // the transpose: [rank, rows of W]
}

// NewAdapter makes one for projections of the layers, named as in GGUF files. It is
// not in use before Adapt, and is of this workbench only.
func (m *Workbench) NewAdapter(rank int, tensors []string) (*Adapter, error) {
	if rank < 1 {
		return nil, fmt.Errorf("rank %d of an adapter: must be at least 1", rank)
	}
	if len(tensors) == 0 {
		return nil, errors.New("an adapter needs at least one tensor")
	}
	a := &Adapter{Scale: 1, model: m.Model, rank: rank, of: map[*kernel.Matrix]int{}}
	for i, name := range tensors {
		w := m.matrices[name]
		if _, _, ok := weights.ProjectionOf(name); !ok || w == nil {
			return nil, fmt.Errorf("adapter: %s is no projection of the model: choose 1-bit tensors of its layers", name)
		}
		if _, twice := a.of[w]; twice {
			return nil, fmt.Errorf("adapter: %s is there twice: name it once", name)
		}
		a.of[w] = i
		a.factors = append(a.factors, Factors{name, make([]float32, rank*w.Cols), make([]float32, rank*w.Rows)})
	}
	return a, nil
}

// Factors are the parameters themselves, in the order of the tensors.
func (a *Adapter) Factors() []Factors { return a.factors }

// Rank is the number of rows of every A and B.
func (a *Adapter) Rank() int { return a.rank }

// Params is the number of parameters: 4 bytes each as float32, 2 as float16.
func (a *Adapter) Params() (n int) {
	for _, f := range a.factors {
		n += len(f.A) + len(f.B)
	}
	return n
}

// Half rounds the parameters to the nearest float16, ties to even, so that what is
// measured from then on is what a file of 2 bytes each would hold.
func (a *Adapter) Half() {
	for _, f := range a.factors {
		for _, params := range [][]float32{f.A, f.B} {
			for i, v := range params {
				params[i] = float16.Fromfloat32(v).Float32()
			}
		}
	}
}

// Zeros has the shapes of the factors, to add derivatives to.
func (a *Adapter) Zeros() []Factors {
	out := slices.Clone(a.factors)
	for i, f := range out {
		out[i].A, out[i].B = make([]float32, len(f.A)), make([]float32, len(f.B))
	}
	return out
}

// adapted are the factors in use for w, nil if there are none.
func (m *Model) adapted(w *kernel.Matrix) *Factors {
	if m.adapter == nil {
		return nil
	}
	if i, ok := m.adapter.of[w]; ok {
		return &m.adapter.factors[i]
	}
	return nil
}

// adaptGrain is the number of tokens a worker adapts at a time.
const adaptGrain = 16

// adapt adds Scale·toᵀ·(from·x) to y for the tokens of x, [tokens, len(from)/rank],
// y being [tokens, len(to)/rank]: the adapter's part with A and B, and its transpose
// with B and A.
func (b *Batch) adapt(y, to, x, from []float32, tokens int) {
	a, k := b.model.adapter, b.model.kernel
	width, out := len(from)/a.rank, len(to)/a.rank
	b.team.run(tokens, adaptGrain, func(_, lo, hi int) {
		z := make([]float32, a.rank)
		for t := lo; t < hi; t++ {
			k.Dots(z, head(x, t, width), from)
			for i := range z {
				z[i] *= a.Scale
			}
			k.WeightedSum(head(y, t, out), z, to)
		}
	})
}

// AddGradient adds the derivatives by the factors that are at the gradient's
// block, of the sum of F in which each row t of the gradient has the given weight:
//
//	∂/∂A[i] = Σ_t weight[t]·Scale·(B[i]·∂F/∂y[t])·x[t]
//	∂/∂B[i] = Σ_t weight[t]·Scale·(A[i]·x[t])·∂F/∂y[t]
//
// Terms are added one by one in the order of t, so to, which has the shapes of
// Zeros, ends with the same bits however tokens come in waves.
func (a *Adapter) AddGradient(s *LayerGradient, weight []float32, to []Factors) {
	for _, p := range s.Projections {
		i, ok := a.of[a.model.matrices[p.Tensor]]
		if !ok {
			continue
		}
		f, sum, team := a.factors[i], to[i], s.g.b.team
		team.run(a.rank, 1, func(_, lo, hi int) {
			for r := lo; r < hi; r++ {
				a.addOuter(part(sum.A, r, a.rank), p.X, part(f.B, r, a.rank), p.DY, weight)
				a.addOuter(part(sum.B, r, a.rank), p.DY, part(f.A, r, a.rank), p.X, weight)
			}
		})
	}
}

// part is the r-th of n equal parts of x.
func part(x []float32, r, n int) []float32 { return head(x, r, len(x)/n) }

// addOuter adds Σ_t weight[t]·Scale·(with·y[t])·x[t] to sum.
func (a *Adapter) addOuter(sum, x, with, y, weight []float32) {
	k, by := a.model.kernel, make([]float32, len(weight))
	for t, w := range weight {
		by[t] = w * a.Scale * k.Dot(with, head(y, t, len(with)))
	}
	k.WeightedSum(sum, by, x)
}
