package evaluate

import (
	"cmp"
	"math"
	"math/big"
	"slices"
)

// McNemar is the exact two-sided p-value of McNemar's test: the probability
// that, of fixed+broke answers that changed, at least as many went the same way
// if either way were equally likely,
//
//	p = min(1, 2·Σ_{i=0}^{min(fixed, broke)} C(n, i) / 2^n),   n = fixed+broke.
//
// The sum is taken in whole numbers, so the result is the float64 nearest to
// the true value and the same on every machine. Counts must not be negative.
func McNemar(fixed, broke int) float64 {
	n := int64(fixed + broke)
	term := big.NewInt(1) // C(n, i)
	sum := new(big.Int)
	for i := range int64(min(fixed, broke)) + 1 {
		sum.Add(sum, term)
		term.Mul(term, big.NewInt(n-i))
		term.Quo(term, big.NewInt(i+1))
	}
	sum.Lsh(sum, 1)
	all := new(big.Int).Lsh(big.NewInt(1), uint(n))
	p, _ := new(big.Rat).SetFrac(sum, all).Float64()
	return min(p, 1)
}

// Wilson is the 95 % score interval of a proportion (E. B. Wilson, 1927),
// given right answers of total. It is [0, 1] when total is 0.
func Wilson(right, total int) (low, high float64) {
	if total == 0 {
		return 0, 1
	}
	const z = 1.959963984540054 // the 97.5 % point of the normal distribution
	n, p := float64(total), float64(right)/float64(total)
	centre := p + z*z/(2*n)
	spread := float64(z * math.Sqrt(p*(1-p)/n+z*z/(4*n*n)))
	scale := 1 + z*z/n
	low, high = (centre-spread)/scale, (centre+spread)/scale
	if right == 0 {
		low = 0 // it is, but for rounding
	}
	if right == total {
		high = 1
	}
	return low, high
}

// mean is 0 for no values.
func mean(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// Spearman is the rank correlation of the pairs (x[i], y[i]): the product-moment
// correlation of their ranks, where equal values share the average of the ranks
// they take up (C. Spearman, 1904). It is NaN for fewer than two pairs or if all
// x or all y are equal. The values must be numbers, as many x as y.
//
// The sums are taken in whole numbers, exact for up to a million pairs.
func Spearman(x, y []float64) float64 {
	var xx, yy, xy int64
	ry := centredRanks(y)
	for i, rx := range centredRanks(x) {
		xx += rx * rx
		yy += ry[i] * ry[i]
		xy += rx * ry[i]
	}
	return float64(xy) / math.Sqrt(float64(xx)*float64(yy))
}

// centredRanks is twice the distance of each value's rank from the mean rank,
// which is a whole number with average ranks too.
func centredRanks(values []float64) []int64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	ranks := make([]int64, len(values))
	for first := 0; first < len(order); {
		end := first + 1
		for end < len(order) && values[order[end]] == values[order[first]] {
			end++
		}
		for _, i := range order[first:end] { // the ranks first+1 … end
			ranks[i] = int64(first + end - len(values))
		}
		first = end
	}
	return ranks
}
