package engine

import (
	"context"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"bankai"
	"bankai/internal/kernel"
	"bankai/internal/stats"
	"bankai/internal/testmodel"
)

// flipped is a row or a group with what it is predicted to change F by: as AddEffects says,
// and as ∂F/∂y alone would.
type flipped struct {
	bankai.Flip
	effect, first float64
}

// effectsOf predicts some random rows and groups of every projection of a model, for one
// question: by tensor.
func effectsOf(t testing.TB, m *Model, q WeightedQuestion, rng *rand.Rand, rows, groups int) map[string][]flipped {
	t.Helper()
	all := map[string][]flipped{}
	_, err := m.Gradient(context.Background(), []WeightedQuestion{q}, func(s *LayerGradient) error {
		slots := make([]int, len(s.Questions))
		for k, p := range s.Projections {
			w := m.matrices[p.Tensor]
			add := func(group, n int) {
				sums, part := make([]float32, w.Rows), p.Y
				s.AddEffects(k, group, slots, sums)
				f := bankai.Flip{Tensor: p.Tensor, N: bankai.ToEnd}
				if group != WholeRow {
					f.Col, f.N = uint32(group)*kernel.GroupSize, kernel.GroupSize
					part = make([]float32, len(p.Y))
					s.Partial(k, group, part)
				}
				for _, r := range rng.Perm(w.Rows)[:min(n, w.Rows)] {
					f.Row = uint32(r)
					x := flipped{Flip: f, effect: float64(sums[r])}
					for i := r; i < len(part); i += w.Rows {
						x.first -= 2 * float64(part[i]) * float64(p.DY[i])
					}
					all[p.Tensor] = append(all[p.Tensor], x)
				}
			}
			add(WholeRow, rows)
			for g := range w.Cols / kernel.GroupSize {
				add(g, groups)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// changes are what flips truly change F by.
func changes(t testing.TB, m *Model, q WeightedQuestion, flips []flipped) (all []float64) {
	t.Helper()
	qs := []Question{q.Question}
	for _, f := range flips {
		o, err := m.Overlay(patchOf(m, f.Flip))
		if err != nil {
			t.Fatal(err)
		}
		under := q.Question
		under.Overlay = o
		qs = append(qs, under)
	}
	answers, err := m.Score(context.Background(), qs)
	if err != nil {
		t.Fatal(err)
	}
	for i := range flips {
		var sum float64
		for k, w := range q.LogProbs {
			sum += w * (answers[i+1][k].LogProb - answers[0][k].LogProb)
		}
		all = append(all, sum)
	}
	return all
}

// The effects rank flips of every projection of hybrids nearly as they truly do. Where a
// function is behind the projection, what ∂F/∂y alone says is well below. Of alpha and
// beta a flip steers a whole head, of which these models have six: what that does is far
// from linear. Weights are random.
func TestEffectsRankAsTheTruth(t *testing.T) {
	shape := testmodel.TinyHybrid
	shape.Hidden, shape.FFN, shape.Hybrid = 256, 384, &testmodel.Hybrid{KeyHeads: 2, ValueHeads: 6, State: 64, Rotary: 16}
	type pairs struct{ effect, first, truth []float64 }
	all := map[string]*pairs{} // by projection
	for seed := range uint64(3) {
		m := load(t, testmodel.Bytes(shape, seed), Options{Precision: Exact})
		rng := rand.New(rand.NewPCG(70, seed))
		q := WeightedQuestion{
			Question{Prompt: randomIDs(rng, 20, shape.Vocab), Answers: [][]int32{randomIDs(rng, 4, shape.Vocab), randomIDs(rng, 3, shape.Vocab)}},
			Weighting{LogProbs: []float64{1, -0.5}},
		}
		for tensor, flips := range effectsOf(t, m, q, rng, 8, 3) {
			name := strings.TrimSuffix(strings.SplitN(tensor, ".", 3)[2], ".weight")
			if all[name] == nil {
				all[name] = &pairs{}
			}
			x := all[name]
			x.truth = append(x.truth, changes(t, m, q, flips)...)
			for _, f := range flips {
				x.effect, x.first = append(x.effect, f.effect), append(x.first, f.first)
			}
		}
	}
	least := map[string]float64{
		"attn_qkv": 0.8, "attn_gate": 0.8, "ssm_alpha": 0.7, "ssm_beta": 0.6, "ssm_out": 0.8,
		"attn_q": 0.8, "attn_k": 0.8, "attn_v": 0.98, "attn_output": 0.98,
		"ffn_gate": 0.8, "ffn_up": 0.9, "ffn_down": 0.9,
	}
	if len(all) != len(least) {
		t.Errorf("predictions of %d projections, want %d", len(all), len(least))
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		x, right := all[name], 0
		for i, v := range x.truth {
			if v*x.effect[i] > 0 {
				right++
			}
		}
		rho, plain := stats.Spearman(x.effect, x.truth), stats.Spearman(x.first, x.truth)
		t.Logf("%s: Spearman's ρ %.3f, of ∂F/∂y alone %.3f; the sign is right for %d of %d", name, rho, plain, right, len(x.truth))
		if !(rho >= least[name]) {
			t.Errorf("%s: Spearman's ρ of predicted and true changes is %.3f, want at least %v", name, rho, least[name])
		}
		if known := name == "attn_qkv" || name == "attn_gate" || name == "ffn_gate"; known && rho < plain+0.05 {
			t.Errorf("%s: what ∂F/∂y alone says ranks with %.3f, nearly as well as with %.3f", name, plain, rho)
		}
	}
}

// What follows a projection is taken as it is, however far a flip goes: the effect is the
// change in its value, computed in float64, times ∂F/∂ that. Of rows of one group, the
// row and the group are the same.
func TestEffectsAreTheChangesBehind(t *testing.T) {
	m := testModel(t, testmodel.TinyHybrid, Options{Precision: Exact})
	q := weightedQuestions(rand.New(rand.NewPCG(71, 1)), 1, testmodel.TinyHybrid.Vocab)
	_, err := m.Gradient(context.Background(), q, func(s *LayerGradient) error {
		if s.Hidden != nil {
			return nil
		}
		switch mix := m.blocks[2*s.Layer].(type) {
		case *deltaNet:
			x := &s.g.delta
			checkEffects(t, s, 0, func(r, at int, y float64) float64 {
				c := float64(x.c[at])
				if y != float64(s.Projections[0].Y[at]) {
					c = -c // the convolution is linear
				}
				return float64(x.ds[at]) * silu(c)
			})
			checkEffects(t, s, 1, func(r, at int, y float64) float64 { return float64(x.dy[at]) * silu(y) * float64(x.o[at]) })
			checkEffects(t, s, 2, func(h, at int, y float64) float64 {
				return float64(x.alpha.dx[at]) * math.Exp(float64(mix.a[h])*math.Log1p(math.Exp(y+float64(mix.dt[h]))))
			})
			checkEffects(t, s, 3, func(h, at int, y float64) float64 { return float64(x.beta.dx[at]) * logistic(y) })
		case *attention:
			dim := m.config.HeadDim
			checkEffects(t, s, 0, func(r, at int, y float64) float64 {
				if r/dim%2 == 0 {
					return float64(s.g.dqRow[at]) * y
				}
				i := at/(2*dim)*dim + r%dim
				return float64(s.g.dGated[i]) * float64(s.g.out[i]) * logistic(y)
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// checkEffects compares the effects of flipping rows of projection k, whose outputs y at
// row r, at a place among all tokens', add f(r, at, y) to F.
func checkEffects(t *testing.T, s *LayerGradient, k int, f func(r, at int, y float64) float64) {
	t.Helper()
	p, slots := s.Projections[k], make([]int, len(s.Questions))
	rows := len(p.Y) / len(slots)
	for _, group := range []int{WholeRow, 0} {
		sums := make([]float32, rows)
		s.AddEffects(k, group, slots, sums)
		for r, got := range sums {
			var want, size float64
			for at := r; at < len(p.Y); at += rows {
				before, after := f(r, at, float64(p.Y[at])), f(r, at, -float64(p.Y[at]))
				want += after - before
				size += math.Abs(before) + math.Abs(after)
			}
			if math.Abs(float64(got)-want) > 1e-5*size {
				t.Fatalf("%s, row %d, group %d: an effect of %v, want %v", p.Tensor, r, group, got, want)
			}
		}
	}
}
