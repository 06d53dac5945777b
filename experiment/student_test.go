package experiment

import (
	"math"
	"testing"
)

// Points of Student's t distribution as tables print them, two-sided.
func TestStudentTable(t *testing.T) {
	for _, c := range []struct {
		nu   int
		t, p float64
	}{
		{1, 12.706, 0.05},
		{1, 63.657, 0.01},
		{2, 4.303, 0.05},
		{2, 9.925, 0.01},
		{3, 3.182, 0.05},
		{4, 2.776, 0.05},
		{5, 4.032, 0.01},
		{9, 2.262, 0.05},
		{10, 1.812, 0.10},
		{30, 2.750, 0.01},
		{120, 1.980, 0.05},
	} {
		low, high := studentBeyond(c.t+0.0005, c.nu), studentBeyond(c.t-0.0005, c.nu)
		if !(low <= c.p && c.p <= high) {
			t.Errorf("%d degrees of freedom: beyond %v it is from %v to %v, tables have %v", c.nu, c.t, low, high, c.p)
		}
	}
}

// What is beyond t is what the density holds there: 1 less its integral, by
// Simpson's rule.
func TestStudentIntegral(t *testing.T) {
	for nu := 1; nu <= 12; nu++ {
		n := float64(nu)
		g, _ := math.Lgamma((n + 1) / 2)
		h, _ := math.Lgamma(n / 2)
		density := func(x float64) float64 {
			return math.Exp(g-h) / math.Sqrt(n*math.Pi) * math.Pow(1+x*x/n, -(n+1)/2)
		}
		for _, to := range []float64{0, 0.1, 1, 2.5, 6} {
			const steps = 2000
			sum := 0.0
			for i := range steps {
				a, b := to*float64(i)/steps, to*float64(i+1)/steps
				sum += (density(a) + 4*density((a+b)/2) + density(b)) * (b - a) / 6
			}
			if got, want := studentBeyond(to, nu), 1-2*sum; math.Abs(got-want) > 1e-10 {
				t.Errorf("beyond %v with %d degrees of freedom: %v, the integral says %v", to, nu, got, want)
			}
		}
	}
}

func TestMeanTest(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{0, 0, 0}, 1},
		{[]float64{-2, 2}, 1},
		{[]float64{5}, math.NaN()},
		{[]float64{3, 3, 3}, math.NaN()},
		{[]float64{1, 3}, 2 * math.Atan2(1, 2) / math.Pi}, // t = 2, Cauchy's distribution
		{[]float64{1, 2, 3}, 1 - math.Sqrt(12.0/14)},      // t = √12, p = 1 − t/√(2+t²)
	} {
		if got := meanTest(c.values); math.Abs(got-c.want) > 1e-15 && math.IsNaN(got) == math.IsNaN(c.want) || math.IsNaN(got) != math.IsNaN(c.want) {
			t.Errorf("%v: %v, want %v", c.values, got, c.want)
		}
	}
}
