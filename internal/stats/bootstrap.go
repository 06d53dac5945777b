package stats

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// stream separates the random numbers of a bootstrap from those that other users
// of the same seed may draw.
const stream = 0x626f6f7473747261

// Bootstrap is the 95 % percentile interval of a statistic of n units (B. Efron,
// The Annals of Statistics 7, 1979; the interval is in B. Efron and R. J.
// Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13): rounds times, n
// units are drawn with replacement, and the interval is from the 2.5 % to the
// 97.5 % quantile of the statistic of these draws. A paired statistic, such as a
// ratio of two means over the same probes, is paired still, since the units are
// drawn.
//
// stat gets the indices of a draw, which it must not keep. Where the statistic of a
// draw is NaN (say, a ratio to 0), it might have been anything: it is counted below
// all others for the low end and above all others for the high end. So a few such
// draws widen the interval, and with about 2.5 % of them it is nil. It is nil
// too for fewer than two units or rounds.
//
// The same n, seed and rounds draw the same units.
func Bootstrap(n int, seed uint64, rounds int, stat func(pick []int) float64) *Interval {
	if n < 2 || rounds < 2 {
		return nil
	}
	rng := rand.NewPCG(seed, stream)
	pick, low, high := make([]int, n), make([]float64, rounds), make([]float64, rounds)
	for i := range rounds {
		for j := range pick {
			pick[j] = below(rng, n)
		}
		v := stat(pick)
		low[i], high[i] = v, v
		if math.IsNaN(v) {
			low[i], high[i] = math.Inf(-1), math.Inf(1)
		}
	}
	slices.Sort(low)
	slices.Sort(high)
	return newInterval(Quantile(low, 0.025), Quantile(high, 0.975))
}

// below returns a uniform number in [0, n), n > 1. It is spelt out because the
// ways in which library functions reduce a random number may change.
func below(rng *rand.PCG, n int) int {
	mask := ^uint64(0) >> bits.LeadingZeros64(uint64(n-1))
	for {
		if v := rng.Uint64() & mask; v < uint64(n) {
			return int(v)
		}
	}
}
