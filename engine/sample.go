package engine

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"

	"bankai/internal/kernel"
)

// Sampling says how the next token is chosen. The zero value is greedy: the
// largest logit, the smallest id among equals.
//
// As in llama.cpp, tokens are first cut by TopK, TopP and MinP at temperature 1;
// Temperature then flattens or sharpens what is left.
type Sampling struct {
	Temperature float64 // 0: greedy
	TopK        int     // keep the k likeliest; 0: all
	TopP        float64 // keep the likeliest whose probability sums to p; 0 or 1: all
	MinP        float64 // drop tokens less than p times as likely as the likeliest; 0: none
	Seed        uint64  // of the random numbers: same seed, same text
}

// Check refuses values outside their ranges.
func (s Sampling) Check() error {
	switch {
	case !(s.Temperature >= 0):
		return fmt.Errorf("temperature %v: must be 0 (greedy) or more", s.Temperature)
	case s.TopK < 0:
		return fmt.Errorf("top-k %d: must be 0 (all) or more", s.TopK)
	case !(s.TopP >= 0 && s.TopP <= 1):
		return fmt.Errorf("top-p %v: must be between 0 and 1", s.TopP)
	case !(s.MinP >= 0 && s.MinP <= 1):
		return fmt.Errorf("min-p %v: must be between 0 and 1", s.MinP)
	}
	return nil
}

func (s Sampling) rand() *rand.Rand { return rand.New(rand.NewPCG(s.Seed, 0x62616E6B6169)) }

// choice is a token with its probability, not normalised: the likeliest has 1.
type choice struct {
	id    int32
	logit float32
	p     float64
}

// pick chooses the next token.
func (s Sampling) pick(logits []float32, r *rand.Rand) int32 {
	if s.Temperature == 0 {
		return argMax(logits)
	}
	kept := s.cut(logits)
	most := kept[0].logit
	var sum float64
	for i := range kept {
		kept[i].p = expDown(float64(kept[i].logit-most) / s.Temperature)
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

// cut returns the tokens that TopK, TopP and MinP leave, the likeliest first.
func (s Sampling) cut(logits []float32) []choice {
	all := make([]choice, len(logits))
	most := slices.Max(logits)
	var sum float64
	for i, l := range logits {
		all[i] = choice{int32(i), l, expDown(float64(l - most))}
	}
	slices.SortFunc(all, func(a, b choice) int {
		return cmp.Or(cmp.Compare(b.logit, a.logit), cmp.Compare(a.id, b.id))
	})
	if s.TopK > 0 {
		all = all[:min(s.TopK, len(all))]
	}
	if s.TopP > 0 && s.TopP < 1 {
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

// expDown is e^x for x ≤ 0, the same on every CPU.
func expDown(x float64) float64 { return kernel.Exp64(max(x, -700)) }

func argMax(logits []float32) int32 {
	best := 0
	for i, v := range logits {
		if v > logits[best] {
			best = i
		}
	}
	return int32(best)
}
