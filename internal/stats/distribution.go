package stats

import "math"

// student is the probability that a value of Student's t distribution with nu
// degrees of freedom, nu ≥ 1, is less than t from 0, and that it is at least as
// far; t must not be negative. With s² = t²/(ν+t²) and c² = 1−s² these are the
// regularised incomplete beta functions I_s²(½, ν/2) and I_c²(ν/2, ½), by their
// series with positive terms (M. Abramowitz and I. A. Stegun, 1964, 26.5.4 and
// 26.7.1). They hold to 14 digits for a few degrees of freedom, to 10 for a million.
func student(t float64, nu int) (within, beyond float64) {
	n, square := float64(nu), float64(t*t)
	if math.IsInf(square, 1) {
		return 1, 0
	}
	ss, cc := square/(n+square), n/(n+square)
	// 2·s·c^ν / B(½, ν/2), by the recurrence of the beta function
	d, b := math.Sqrt(ss)*cc, 1.0
	if nu%2 == 1 {
		d, b = 2/math.Pi*math.Sqrt(ss*cc), 0.5
	}
	for ; b < n/2; b++ {
		d *= (b + 0.5) / b * cc
	}
	if t < 2 { // the other series takes ever more terms as t nears 0
		within = float64(d * betaSeries(1, n, ss))
		return within, 1 - within
	}
	beyond = float64(d / n * betaSeries(n, n, cc))
	return 1 - beyond, beyond
}

// betaSeries is 1 + (n+1)/(a+2)·y·(1 + (n+3)/(a+4)·y·(1 + …)).
func betaSeries(a, n, y float64) float64 {
	sum, term := 1.0, 1.0
	for k := 0.0; ; k += 2 {
		term = float64(term * ((n + 1 + k) / (a + 2 + k) * y))
		if sum+term == sum {
			return sum
		}
		sum += term
	}
}

// student975 is the 97.5 % point of Student's t distribution, by bisection until
// no number is left between the ends.
func student975(nu int) float64 {
	low, high := 1.9, 13.0 // around those of ∞ and 1 degrees of freedom
	for {
		mid := (low + high) / 2
		if mid == low || mid == high {
			return mid
		}
		if _, beyond := student(mid, nu); beyond > 0.05 {
			low = mid
		} else {
			high = mid
		}
	}
}

// normalBeyond is the probability that a value of the standard normal distribution
// is at least z from 0, z ≥ 0: 1 less the series of A&S 26.2.11 for small z, or the
// continued fraction 26.2.14.
func normalBeyond(z float64) float64 {
	density := math.Sqrt(2/math.Pi) * expMinus(float64(z*z/2)) // of |Z|
	if z < 2.5 {
		sum, term := z, z
		for k := 3.0; sum+term != sum; k += 2 {
			term = float64(term * (z * z / k))
			sum += term
		}
		return 1 - float64(density*sum)
	}
	fraction := z
	for k := 100.0; k > 0; k-- {
		fraction = z + k/fraction
	}
	return density / fraction
}

// expMinus is e^−x, x ≥ 0: 1 over the series of e^x, whose terms are all positive.
func expMinus(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; sum+term != sum; k++ {
		term = float64(term * (x / k))
		sum += term
	}
	return 1 / sum
}

// tanh is the hyperbolic tangent of x, 0 ≤ x < 4, by J. H. Lambert's continued
// fraction, x/(1+x²/(3+x²/(5+…))).
func tanh(x float64) float64 {
	square := float64(x * x)
	fraction := 41.0
	for k := 39.0; k > 0; k -= 2 {
		fraction = k + square/fraction
	}
	return x / fraction
}
