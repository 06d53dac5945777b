package experiment

import (
	"math"

	"bankai/internal/stats"
)

// meanTest is the two-sided p-value of Student's test of values against a mean of
// 0. It is 1 for values that all are 0, and NaN where the test is not defined:
// for fewer than two values, and for others that all are equal.
func meanTest(values []float64) float64 {
	mean, sum := stats.Mean(values), 0.0
	for _, v := range values {
		sum += float64((v - mean) * (v - mean))
	}
	n := float64(len(values))
	switch {
	case len(values) < 2 || sum == 0 && mean != 0:
		return math.NaN()
	case sum == 0:
		return 1
	}
	return studentBeyond(math.Abs(mean)/math.Sqrt(sum/(n*(n-1))), len(values)-1)
}

// studentBeyond is the probability that a value of Student's t distribution with
// nu ≥ 1 degrees of freedom is at least t ≥ 0 from 0, by the finite series of M.
// Abramowitz and I. A. Stegun, 1964, 26.7.3 and 26.7.4.
func studentBeyond(t float64, nu int) float64 {
	n := float64(nu)
	angle := math.Atan(t / math.Sqrt(n))
	square := n / (n + float64(t*t)) // of the angle's cosine
	sin, cos := math.Sqrt(1-square), math.Sqrt(square)
	if nu == 1 {
		return 1 - 2/math.Pi*angle
	}
	first := 1 + nu%2 // of the series: 1/2, 3/4, … or 2/3, 4/5, …
	sum, term := 1.0, 1.0
	for k := first; k < nu-1; k += 2 {
		term = float64(term * square * float64(k) / float64(k+1))
		sum += term
	}
	if nu%2 == 0 {
		return max(0, 1-float64(sin*sum))
	}
	return max(0, 1-float64(2/math.Pi*(angle+float64(sin*cos*sum))))
}
