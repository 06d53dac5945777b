package stats

import (
	"cmp"
	"slices"
)

// Holm is the p-values of m tests adjusted for their number, in the same order: a
// test whose adjusted value is below α may be rejected, and the probability of
// rejecting even one true hypothesis stays below α, whatever the tests have to do
// with each other (S. Holm, Scandinavian Journal of Statistics 6, 1979). In
// ascending order,
//
//	p̃₍ᵢ₎ = max_{j≤i} min(1, (m−j+1)·p₍ⱼ₎).
//
// The values must be probabilities, not NaN.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	adjusted := make([]float64, len(p))
	most := 0.0
	for i, at := range order {
		most = max(most, min(1, float64(len(p)-i)*p[at]))
		adjusted[at] = most
	}
	return adjusted
}
