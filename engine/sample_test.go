package engine

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"bankai/internal/kernel"
)

// sampled is the definition of sampling as one writes it down: the whole vocabulary
// is sorted, and all sums are float64. Its rounding differs from Sampler's, so one
// choice in millions may: the random numbers of the tests are such that none does.
func sampled(s Sampling, logits []float32, r *rand.Rand) int32 {
	if s.Temperature == 0 {
		return argMax(logits)
	}
	kept := sortedCut(s, logits)
	if len(kept) == 0 || math.IsInf(float64(kept[0].logit), 1) {
		return argMax(logits)
	}
	most := kept[0].logit
	var sum float64
	for i, c := range kept {
		kept[i].p = math.Exp(float64(c.logit-most) / s.Temperature)
		sum += kept[i].p
	}
	at := r.Float64() * sum
	for _, c := range kept {
		if at -= c.p; at < 0 {
			return c.id
		}
	}
	return kept[len(kept)-1].id
}

// choice is a token with its probability, not normalised: the likeliest has 1.
type choice struct {
	id    int32
	logit float32
	p     float64
}

// sortedCut returns the tokens that TopK, TopP and MinP leave, the likeliest first.
func sortedCut(s Sampling, logits []float32) []choice {
	var all []choice
	for i, l := range logits {
		if l > float32(math.Inf(-1)) { // NaN neither
			all = append(all, choice{id: int32(i), logit: l})
		}
	}
	slices.SortFunc(all, func(a, b choice) int {
		return cmp.Or(cmp.Compare(b.logit, a.logit), cmp.Compare(a.id, b.id))
	})
	for i := range all {
		all[i].p = math.Exp(float64(all[i].logit - all[0].logit))
	}
	if s.TopK > 0 {
		all = all[:min(s.TopK, len(all))]
	}
	if s.TopP > 0 && s.TopP < 1 {
		var sum float64
		for _, c := range all {
			sum += c.p
		}
		limit := s.TopP * sum
		for i, c := range all {
			if limit -= c.p; limit <= 0 {
				all = all[:i+1]
				break
			}
		}
	}
	for i, c := range all {
		if c.p < s.MinP {
			return all[:i]
		}
	}
	return all
}

// someLogits are rows that a sampler may meet.
func someLogits(rng *rand.Rand) map[string][]float32 {
	made := func(n int, f func(i int) float64) []float32 {
		out := make([]float32, n)
		for i := range out {
			out[i] = float32(f(i))
		}
		return out
	}
	inf := math.Inf(1)
	every := func(k int, x float64) func(i int) float64 { // k-th logit is x
		return func(i int) float64 {
			if i%k == 0 {
				return x
			}
			return rng.NormFloat64()
		}
	}
	return map[string][]float32{
		"one token":   {3},
		"alike":       made(300, func(int) float64 { return 1 }),
		"zeros":       made(300, func(i int) float64 { return math.Copysign(0, float64(i%3)-1) }),
		"ties":        made(1500, func(int) float64 { return float64(rng.IntN(4)) }),
		"flat":        made(1500, func(int) float64 { return rng.NormFloat64() }),
		"as a model":  made(2200, func(int) float64 { return 3 * rng.NormFloat64() }),
		"peaked":      made(1025, every(500, 12)),
		"huge":        made(500, func(int) float64 { return 1.6e38 * (2*rng.Float64() - 1) }),
		"masked":      made(1500, every(2, -inf)),
		"NaN between": made(1500, every(5, math.NaN())),
		"+∞ among":    made(1500, every(700, inf)),
		"all −∞":      made(300, every(1, -inf)),
		"all NaN":     made(300, every(1, math.NaN())),
	}
}

// someSamplings are all combinations of a few values.
func someSamplings() (all []Sampling) {
	for _, temperature := range []float64{0, 1e-320, 0.7, 3, 1000} {
		for _, topK := range []int{0, 1, 20, math.MaxInt} {
			for _, topP := range []float64{0, 1e-300, 0.5, 0.95, 1} {
				for _, minP := range []float64{0, 0.1, 1} {
					all = append(all, Sampling{Temperature: temperature, TopK: topK, TopP: topP, MinP: minP, Seed: uint64(len(all))})
				}
			}
		}
	}
	return all
}

// A sampler that orders no more than it needs chooses what sorting everything does.
func TestSamplerIsSorting(t *testing.T) {
	for name, logits := range someLogits(rand.New(rand.NewPCG(3, 1))) {
		for _, s := range someSamplings() {
			sampler, r := s.Sampler(), s.Sampler().rand
			for n := range 2 {
				if got, want := sampler.Next(logits), sampled(s, logits, r); got != want {
					t.Fatalf("%s, %+v: choice %d is token %d, sorting gives %d", name, s, n, got, want)
				}
			}
		}
	}
}

// A long stream of choices is the same too, and the same with every kernel set.
func TestSamplerStream(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	for _, s := range []Sampling{
		{Temperature: 0.7, TopP: 0.95, TopK: 20, Seed: 1},
		{Temperature: 0.8, MinP: 0.05, Seed: 2},
		{Temperature: 1, TopP: 0.95, Seed: 3},
		{Temperature: 1, Seed: 4},
	} {
		r := s.Sampler().rand
		var samplers []*Sampler
		for _, set := range kernel.Available() {
			sampler := s.Sampler()
			sampler.ranking.kernel = set
			samplers = append(samplers, sampler)
		}
		for range 500 {
			logits := randomLogits(rng, 1+rng.IntN(3000), 4*rng.Float64())
			want := sampled(s, logits, r)
			for _, sampler := range samplers {
				if got := sampler.Next(logits); got != want {
					t.Fatalf("%+v: %s chooses token %d, want %d", s, sampler.ranking.kernel.Name, got, want)
				}
			}
		}
	}
}

// argMax is the first of the largest logits.
func argMax(logits []float32) int32 {
	best, most := 0, float32(math.Inf(-1))
	for i, v := range logits {
		if v > most {
			best, most = i, v
		}
	}
	return int32(best)
}

func randomLogits(rng *rand.Rand, n int, spread float64) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(spread * rng.NormFloat64())
	}
	return out
}

// The random numbers of a seed never change: same seed, same text.
func TestSamplerIsPinned(t *testing.T) {
	logits := []float32{0, 1, 2, -1, 0.5, 0, 2}
	for _, c := range []struct {
		s    Sampling
		want []int32
	}{
		{Sampling{Temperature: 1, Seed: 1}, []int32{1, 6, 5, 2, 2, 2, 6, 2, 6, 2, 2, 3}},
		{Sampling{Temperature: 1, MinP: 0.1, Seed: 1}, []int32{1, 6, 5, 2, 2, 2, 6, 2, 6, 2, 2, 5}},
	} {
		sampler := c.s.Sampler()
		var got []int32
		for range 12 {
			got = append(got, sampler.Next(logits))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v chooses %v, want %v", c.s, got, c.want)
		}
	}
}

// After a first choice, sampling needs no new memory.
func TestSamplerAllocatesNothing(t *testing.T) {
	logits := randomLogits(rand.New(rand.NewPCG(5, 1)), 2001, 2)
	for _, s := range someSamplings() {
		sampler := s.Sampler()
		sampler.Next(logits)
		if n := testing.AllocsPerRun(1, func() { sampler.Next(logits) }); n != 0 {
			t.Errorf("%+v: %v allocations a token", s, n)
		}
	}
}

func TestCut(t *testing.T) {
	logits := []float32{0, 3, 1, 2, 3, -1} // likeliest: 1 and 4, then 3, 2, 0, 5
	for _, c := range []struct {
		s    Sampling
		want []int32
	}{
		{Sampling{}, []int32{1, 4, 3, 2, 0, 5}},
		{Sampling{TopK: 3}, []int32{1, 4, 3}},
		{Sampling{TopK: 100}, []int32{1, 4, 3, 2, 0, 5}},
		{Sampling{TopP: 0.01}, []int32{1}},
		{Sampling{TopP: 0.5}, []int32{1, 4}}, // p(1) = p(4) = 0.38
		{Sampling{TopP: 1}, []int32{1, 4, 3, 2, 0, 5}},
		{Sampling{MinP: 0.3}, []int32{1, 4, 3}}, // e^−1 = 0.37, e^−2 = 0.14
		{Sampling{MinP: 1}, []int32{1, 4}},
		{Sampling{TopK: 4, TopP: 0.9, MinP: 0.2}, []int32{1, 4, 3}},
	} {
		var got []int32
		sampler := c.s.Sampler()
		sampler.ranking.reset(logits)
		for _, r := range sampler.cut(oddsAt(1, 3)) {
			got = append(got, r.id())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v keeps %v, want %v", c.s, got, c.want)
		}
	}
}

// Sampled frequencies follow softmax(logits/T) within 5 standard errors.
func TestSamplingFrequencies(t *testing.T) {
	logits := []float32{0, 1, 2, -1}
	for _, temperature := range []float64{0.5, 1, 2} {
		s := Sampling{Temperature: temperature, Seed: 9}.Sampler()
		const n = 20000
		var count [4]float64
		for range n {
			count[s.Next(logits)]++
		}
		var sum float64
		for _, l := range logits {
			sum += math.Exp(float64(l) / temperature)
		}
		for i, l := range logits {
			p := math.Exp(float64(l)/temperature) / sum
			if d := math.Abs(count[i]/n - p); d > 5*math.Sqrt(p*(1-p)/n) {
				t.Errorf("temperature %v: token %d has frequency %v, want %v", temperature, i, count[i]/n, p)
			}
		}
	}
}

func TestSamplingCheck(t *testing.T) {
	for _, s := range []Sampling{{Temperature: -1}, {Temperature: math.NaN()}, {TopK: -1}, {TopP: 1.1}, {TopP: -0.1}, {MinP: 2}} {
		if s.Check() == nil {
			t.Errorf("%+v was accepted", s)
		}
	}
	if err := (Sampling{Temperature: 0.7, TopK: 20, TopP: 0.8, MinP: 0.05}).Check(); err != nil {
		t.Error(err)
	}
}
