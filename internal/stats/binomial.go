package stats

import (
	"math"
	"math/big"
)

// McNemar is the exact two-sided p-value of McNemar's test, which is the two-sided
// sign test on the answers that changed: the probability that, of fixed+broke
// answers that changed, at least as many went the same way if either way were
// equally likely,
//
//	p = min(1, 2·Σ_{i=0}^{min(fixed, broke)} C(n, i) / 2^n),   n = fixed+broke.
//
// The sum is taken in whole numbers, so the result is the float64 nearest to
// the true value. Counts must not be negative.
func McNemar(fixed, broke int) float64 {
	tail := atMost(min(fixed, broke), fixed+broke)
	p, _ := tail.Add(tail, tail).Float64()
	return min(p, 1)
}

// Sign is the exact p-value of the one-sided sign test: the probability that of
// up+down changes at least up go up if either way is equally likely. The
// two-sided one is [McNemar]. The result is the float64 nearest to the true
// value. Counts must not be negative.
func Sign(up, down int) float64 {
	p, _ := atMost(down, up+down).Float64()
	return p
}

// atMost is the probability of at most k heads in n tosses of a fair coin.
func atMost(k, n int) *big.Rat {
	term := big.NewInt(1) // C(n, i)
	sum := new(big.Int)
	for i := range int64(k) + 1 {
		sum.Add(sum, term)
		term.Mul(term, big.NewInt(int64(n)-i))
		term.Quo(term, big.NewInt(i+1))
	}
	return new(big.Rat).SetFrac(sum, new(big.Int).Lsh(big.NewInt(1), uint(n)))
}

// Wilson is the 95 % score interval of a proportion (E. B. Wilson, 1927),
// given right answers of total. It is [0, 1] when total is 0.
func Wilson(right, total int) (low, high float64) {
	if total == 0 {
		return 0, 1
	}
	const z = z975
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
