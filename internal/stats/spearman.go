package stats

import (
	"cmp"
	"math"
	"slices"
)

// Spearman is the rank correlation of the pairs (x[i], y[i]): the product-moment
// correlation of their ranks, where equal values share the average of the ranks
// they take up (C. Spearman, 1904). It is NaN for fewer than two pairs or if all
// x or all y are equal. The values must be numbers, as many x as y.
//
// The sums are taken in whole numbers, exact for up to a million pairs.
func Spearman(x, y []float64) float64 {
	return correlation(centredRanks(x), centredRanks(y))
}

// correlation is the product-moment correlation of values whose mean is 0.
func correlation(x, y []int64) float64 {
	var xx, yy, xy int64
	for i := range x {
		xx += x[i] * x[i]
		yy += y[i] * y[i]
		xy += x[i] * y[i]
	}
	return float64(xy) / math.Sqrt(float64(xx)*float64(yy))
}

// mostPermuted is the number of pairs up to which [SpearmanTest] goes through all
// their orders: 9! are 362880.
const mostPermuted = 9

// SpearmanTest is [Spearman] with the two-sided p-value of no association. For up
// to 9 pairs that is the exact share of the orders of y, ties as they are, whose ρ
// is at least as far from 0. For more it is Student's t approximation,
// t = ρ·√((n−2)/(1−ρ²)) with n−2 degrees of freedom (M. G. Kendall, Rank
// Correlation Methods, 1948), which for few pairs is too small far from 0 (0.0037 for
// 0.0061 at ρ = 0.85 of 9), but at least 2/n!, which the exact share cannot be below.
// Both are NaN where Spearman is.
func SpearmanTest(x, y []float64) (rho, p float64) {
	rx, ry := centredRanks(x), centredRanks(y)
	rho = correlation(rx, ry)
	n := len(x)
	switch {
	case math.IsNaN(rho):
		return rho, rho
	case n <= mostPermuted:
		return rho, permuted(rx, ry)
	}
	t := math.Inf(1)
	if r := math.Abs(rho); r < 1 {
		t = float64(r * math.Sqrt(float64(n-2)/((1-r)*(1+r))))
	}
	_, p = student(t, n-2)
	orders := 1.0
	for i := range n {
		orders *= float64(i + 1)
	}
	return rho, max(p, 2/orders)
}

// permuted is the share of the orders of y in which Σx·y is at least as far from 0.
func permuted(x, y []int64) float64 {
	y = slices.Clone(y)
	var seen int64
	for i := range x {
		seen += x[i] * y[i]
	}
	far, all := 0, 0
	var place func(i int, sum int64)
	place = func(i int, sum int64) { // y[i:] in every order
		if i == len(y) {
			all++
			if max(sum, -sum) >= max(seen, -seen) {
				far++
			}
			return
		}
		for j := i; j < len(y); j++ {
			y[i], y[j] = y[j], y[i]
			place(i+1, sum+x[i]*y[i])
			y[i], y[j] = y[j], y[i]
		}
	}
	place(0, 0)
	return float64(far) / float64(all)
}

// SpearmanInterval is the 95 % interval of a rank correlation of n pairs by
// Fisher's z transformation,
//
//	tanh(artanh ρ ± 1.96·√((1+ρ²/2)/(n−3))),
//
// with the variance of D. G. Bonett and T. A. Wright, Psychometrika 65 (2000). It
// is approximate for few pairs. It is nil for fewer than four, and for ρ that is
// ±1 or NaN.
func SpearmanInterval(rho float64, n int) *Interval {
	if n < 4 || !(math.Abs(rho) < 1) {
		return nil
	}
	t := tanh(z975 * math.Sqrt((1+float64(rho*rho/2))/float64(n-3)))
	// tanh(a±b) = (tanh a ± tanh b) / (1 ± tanh a·tanh b)
	step := float64(rho * t)
	return newInterval((rho-t)/(1-step), (rho+t)/(1+step))
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
