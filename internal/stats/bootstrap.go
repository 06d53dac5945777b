package stats

import (
	"math"
	"slices"

	"bankai/internal/rng"
)

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
	random := rng.New(seed, "bootstra")
	pick, low, high := make([]int, n), make([]float64, rounds), make([]float64, rounds)
	for i := range rounds {
		for j := range pick {
			pick[j] = int(random.Masked(uint64(n)))
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
