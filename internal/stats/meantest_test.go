package stats

import (
	"math"
	"testing"
)

// Closed forms for one and two degrees of freedom, and Student's own example: the
// additional sleep of ten patients, t = 4.0621, p = 0.00283 (Biometrika 6, 1908).
func TestMeanTest(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
		within float64
	}{
		{[]float64{0, 0, 0}, 1, 0},
		{[]float64{-2, 2}, 1, 1e-14},
		{[]float64{1, 3}, 2 * math.Atan2(1, 2) / math.Pi, 1e-14}, // t = 2, Cauchy's distribution
		{[]float64{1, 2, 3}, 1 - math.Sqrt(12.0/14), 1e-14},      // t = √12, p = 1 − t/√(2+t²)
		{[]float64{1.2, 2.4, 1.3, 1.3, 0, 1.0, 1.8, 0.8, 4.6, 1.4}, 0.00283, 5e-6},
	} {
		if got := MeanTest(c.values); !(math.Abs(got-c.want) <= c.within) {
			t.Errorf("%v: %v, want %v", c.values, got, c.want)
		}
	}
	for _, undefined := range [][]float64{nil, {5}, {3, 3, 3}, {1, math.NaN()}} {
		if got := MeanTest(undefined); !math.IsNaN(got) {
			t.Errorf("%v: %v, want NaN", undefined, got)
		}
	}
}
