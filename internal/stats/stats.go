// Package stats is the statistics behind the reports: tests, intervals and
// corrections, each with its source.
//
// Every result has the same bits on every machine. Counts are worked out in whole
// numbers. Where a continuous distribution is needed it is computed here, by
// addition, multiplication, division and square root alone: the library's
// exponential and logarithm are written in assembly on some machines, and on
// others a compiler may join a multiplication and an addition into one rounding.
//
// A test without data that could speak against the hypothesis has p = 1 where
// that is what the definition gives, and NaN where the statistic itself is not
// defined.
package stats

import "math"

// z975 is the 97.5 % point of the normal distribution.
const z975 = 1.959963984540054

// Interval is a range, both ends finite. Functions that may be unable to give one
// return a pointer, which is nil then: null in JSON, or left out by omitempty.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// newInterval is nil if an end is not finite.
func newInterval(low, high float64) *Interval {
	if !finite(low) || !finite(high) {
		return nil
	}
	return &Interval{low, high}
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// Mean is 0 for no values.
func Mean(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// StandardError is that of the mean of the values: √(Σ(v−mean)²/(n·(n−1))). It is
// NaN for fewer than two values.
func StandardError(values []float64) float64 {
	mean, squares := Mean(values), 0.0
	for _, v := range values {
		squares += float64((v - mean) * (v - mean))
	}
	n := float64(len(values))
	if n < 2 {
		return math.NaN()
	}
	return math.Sqrt(squares / n / (n - 1))
}

// MeanInterval is the mean of the values and its 95 % interval by Student's t
// distribution (Student, Biometrika 6, 1908), which supposes that the values are
// drawn independently and near enough from a normal distribution. The interval is
// nil for fewer than two values, or if one is not finite.
func MeanInterval(values []float64) (mean float64, iv *Interval) {
	mean = Mean(values)
	if len(values) < 2 {
		return mean, nil
	}
	spread := float64(student975(len(values)-1) * StandardError(values))
	return mean, newInterval(mean-spread, mean+spread)
}

// MeanTest is the two-sided p-value of Student's test that the values have the
// mean 0, on the same suppositions. It is 1 for values that all are 0, and NaN
// where the test is not defined: for fewer than two values, and for others that
// all are equal.
func MeanTest(values []float64) float64 {
	mean, e := Mean(values), StandardError(values)
	switch {
	case e > 0:
		_, p := student(math.Abs(mean)/e, len(values)-1)
		return p
	case e == 0 && mean == 0:
		return 1
	}
	return math.NaN()
}

// Quantile is the q-quantile, 0 ≤ q ≤ 1, of values in ascending order, by linear
// interpolation at (n−1)·q: type 7 of R. J. Hyndman and Y. Fan, The American
// Statistician 50 (1996). It is NaN for no values.
func Quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := float64(float64(len(sorted)-1) * q)
	i := int(at)
	low, part := sorted[i], at-float64(i)
	if part == 0 {
		return low
	}
	high := sorted[i+1]
	return min(low+float64(part*(high-low)), high)
}
