package engine

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"bankai/internal/testmodel"
)

// of is the part of F that answer k has.
func (w Weighting) of(k int) Weighting {
	one := Weighting{KL: w.KL}
	if w.LogProbs != nil {
		one.LogProbs = w.LogProbs[k : k+1]
	}
	if w.Margins != nil {
		one.Margins = w.Margins[k : k+1]
	}
	return one
}

// plainMargin is the margin of a token, from logits or log-probabilities.
func plainMargin[T float32 | float64](logits []T, id int) float64 {
	rival := math.Inf(-1)
	for v, l := range logits {
		if v != id {
			rival = max(rival, float64(l))
		}
	}
	d := float64(logits[id]) - rival
	return min(2, d) + float64(0.02*d)
}

// plainValue is what token n of an answer adds to F, given the logits (or
// log-probabilities) that it was chosen from.
func plainValue(w Weighting, r *Reference, n, id int, logits []float64) (f float64) {
	var sum float64
	for _, l := range logits {
		sum += math.Exp(l)
	}
	lse := math.Log(sum)
	if w.LogProbs != nil {
		f += w.LogProbs[0] * (logits[id] - lse)
	}
	if w.Margins != nil {
		f += w.Margins[0] * plainMargin(logits, id)
	}
	if w.KL != 0 {
		f += w.KL * plainDivergence(r, n, logits, lse)
	}
	return f
}

// plainDivergence is KL(r ‖ logits) at token n.
func plainDivergence(r *Reference, n int, logits []float64, lse float64) (kl float64) {
	p, ids := r.row(n)
	others := 1.0
	for i, p := range p {
		v := i
		if ids != nil {
			v = int(ids[i])
		}
		kl += float64(p) * (math.Log(float64(p)) - (logits[v] - lse))
		others -= math.Exp(logits[v] - lse)
	}
	if ids != nil {
		kl += r.rest[n] * (math.Log(r.rest[n]) - math.Log(others))
	}
	return kl
}

// Ranks, rivals and margins are those of a plain loop over rows of many lengths
// with many ties, some of them between zeros of either sign.
func TestJudgedTokens(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	rng := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{2, 3, 17, logitBlock, logitBlock + 1, 3000} {
		logits := make([]float32, n)
		for i := range logits {
			logits[i] = float32(rng.IntN(9)-4) / 2 * float32(math.Copysign(1, rng.Float64()-0.5))
		}
		for trial := range 60 {
			id := rng.IntN(n)
			if trial < 2 {
				id = trial * (n - 1)
			}
			logits[id] += float32(trial % 3 * trial / 10) // some far above the others
			rank, rival := 0, -1
			for v, l := range logits {
				if l > logits[id] || l == logits[id] && v < id {
					rank++
				}
				if v != id && (rival < 0 || l > logits[rival]) {
					rival = v
				}
			}
			what := fmt.Sprintf("token %d of %d", id, n)
			if got := m.rank(logits, int32(id)); got != rank {
				t.Errorf("%s: rank %d, want %d", what, got, rank)
			}
			if got := m.rival(logits, int32(id)); int(got) != rival {
				t.Errorf("%s: rival %d, want %d", what, got, rival)
			}
			got, want := m.judged(logits, 1.5, int32(id)), Answer{LogProb: float64(logits[id]) - 1.5, Greedy: rank == 0, Margin: plainMargin(logits, id)}
			if got != want {
				t.Errorf("%s: %+v, want %+v", what, got, want)
			}
		}
	}
}

// A row of ∂F/∂logits is that of F in float64, by central differences, for every
// kind of weight and tokens below and above the cap.
func TestSeed(t *testing.T) {
	const vocab, h = 40, 1e-5
	m := testModel(t, testmodel.Tiny, Options{})
	rng := rand.New(rand.NewPCG(2, 2))
	row := func() []float32 {
		logits := make([]float32, vocab)
		for i := range logits {
			logits[i] = float32(2 * rng.NormFloat64())
		}
		return logits
	}
	for trial, ahead := range []float32{-3, -1, 0.5, 1.9, 2.1, 4} {
		for _, c := range []struct {
			Weighting
			top int // tokens that the reference tells apart; 0: all
		}{
			{Weighting{LogProbs: []float64{0.7}}, 0},
			{Weighting{Margins: []float64{-1.3}}, 0},
			{Weighting{KL: 0.4}, 0},
			{Weighting{KL: 0.4}, 7},
			{Weighting{LogProbs: []float64{0.7}, Margins: []float64{1.3}, KL: -2}, 0},
			{Weighting{LogProbs: []float64{0.7}, Margins: []float64{1.3}, KL: -2}, 1},
			{Weighting{}, 0},
		} {
			w := c.Weighting
			was, logits, id := row(), row(), int32(7*trial)
			ref := newReference(2, vocab, c.top)
			ref.record(m, 1, was, m.LogSumExp(was))
			logits[id] = logits[m.rival(logits, id)] + ahead
			plain := make([]float64, vocab)
			for v, l := range logits {
				plain[v] = float64(l)
			}
			g := gradient{m: m, qs: []WeightedQuestion{{Question{Answers: [][]int32{{0, id}}, Reference: ref}, w}}}
			g.seed(continuation{0, 0}, 1, logits, m.LogSumExp(logits))
			for v, l := range plain {
				at := func(x float64) float64 {
					plain[v] = x
					return plainValue(w, ref, 1, int(id), plain)
				}
				want := (at(l+h) - at(l-h)) / (2 * h)
				plain[v] = l
				if math.Abs(float64(logits[v])-want) > 2e-6 {
					t.Errorf("%+v, %v ahead: ∂F/∂logit %d = %v, want %v (of token %d)", c, ahead, v, logits[v], want, id)
				}
			}
		}
	}
}

// One forward and backward pass derives margins and divergences as differences
// of a pass in float64 do, of several answers and at a patched model.
func TestGradientOfMarginAndDivergence(t *testing.T) {
	for _, name := range []string{"tied, head_dim 64", "3 query heads a kv head"} {
		shape := shapes[name]
		rng := rand.New(rand.NewPCG(3, 3))
		w, m := testBench(t, shape, Options{Precision: Exact})
		margins := weightedQuestions(rng, 3, shape.Vocab)
		var divergences []WeightedQuestion
		for i := range margins {
			q := &margins[i]
			q.Prompt = q.Prompt[:min(len(q.Prompt), 4)]
			q.LogProbs, q.Margins = nil, q.LogProbs
			q = &WeightedQuestion{Question{Prompt: q.Prompt, Answers: q.Answers[:1]}, Weighting{KL: []float64{1, -0.5, 30}[i]}}
			divergences = append(divergences, *q)
		}
		divergences[1].Margins = []float64{0.1}
		divergences[2].LogProbs = []float64{-0.1}
		refer(t, m, divergences)
		if err := w.Apply(testPatches(m)["mixed"]); err != nil {
			t.Fatal(err)
		}
		checkDerivatives(t, name+", margins", m, margins, rng, 3)
		checkDerivatives(t, name+", divergences", m, divergences, rng, 3)
		for i, q := range divergences {
			all, _ := gradientOf(t, m, divergences)
			alone, _ := gradientOf(t, m, []WeightedQuestion{q})
			for what, p := range alone {
				width := len(p.DY) / q.Tokens()
				sameBits(t, "alone: "+what, p.DY, all[what].DY[rowsOf(divergences[:i])*width:][:len(p.DY)])
			}
		}
	}
}

// refer gives questions their references.
func refer(t *testing.T, m *Model, qs []WeightedQuestion) {
	t.Helper()
	var plain []Question
	for _, q := range qs {
		plain = append(plain, q.Question)
	}
	refs, err := m.References(context.Background(), plain)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range refs {
		qs[i].Reference = r
	}
}

// BenchmarkJudged is one token under a row of Qwen3's vocabulary: the likeliest,
// one that some are likelier than, and one in the middle.
func BenchmarkJudged(b *testing.B) {
	m := testModel(b, testmodel.Tiny, Options{})
	rng := rand.New(rand.NewPCG(1, 1))
	logits := make([]float32, 151936)
	for i := range logits {
		logits[i] = float32(3 * rng.NormFloat64())
	}
	for name, v := range map[string]float32{"likeliest": 20, "likely": 12, "middle": 0} {
		b.Run(name, func(b *testing.B) {
			logits[70000] = v
			for b.Loop() {
				m.judged(logits, 1, 70000)
				m.rank(logits, 70000)
			}
		})
	}
	for _, top := range []int{0, 256} {
		b.Run(fmt.Sprint("divergence of ", top), func(b *testing.B) {
			r := newReference(1, len(logits), top)
			r.record(m, 0, logits, m.LogSumExp(logits))
			for b.Loop() {
				r.divergence(m, 0, logits, 1)
			}
		})
	}
	b.Run("LogSumExp", func(b *testing.B) {
		for b.Loop() {
			m.LogSumExp(logits)
		}
	})
}
