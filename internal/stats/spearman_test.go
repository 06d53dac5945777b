package stats

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestSpearman(t *testing.T) {
	for _, c := range []struct {
		source string
		x, y   []float64
		want   float64
	}{
		{
			"M. Sullivan, Statistics, section 15.6, example 1: club-head speed and distance, with ties",
			[]float64{100, 102, 103, 101, 105, 100, 99, 105},
			[]float64{257, 264, 274, 266, 277, 263, 258, 275},
			0.9277782,
		},
		{
			"en.wikipedia.org, IQ and hours of television: -29/165",
			[]float64{106, 86, 100, 101, 99, 103, 97, 113, 112, 110},
			[]float64{7, 0, 27, 50, 28, 29, 20, 12, 6, 17},
			-29.0 / 165,
		},
		{"two pairs", []float64{1, 2}, []float64{-3, 1e9}, 1},
	} {
		if got := Spearman(c.x, c.y); math.Abs(got-c.want) > 5e-8 {
			t.Errorf("%s: %.8f, want %.8f", c.source, got, c.want)
		}
	}
	for _, undefined := range [][2][]float64{{nil, nil}, {{1}, {2}}, {{1, 1, 1}, {1, 2, 3}}, {{1, 2, 3}, {4, 4, 4}}} {
		if got := Spearman(undefined[0], undefined[1]); !math.IsNaN(got) {
			t.Errorf("of %v: %v", undefined, got)
		}
	}
}

// Exact shares of all orders, from printed tables and by hand.
func TestSpearmanTest(t *testing.T) {
	for _, c := range []struct {
		source string
		x, y   []float64
		rho, p float64
		digits int // of p
	}{
		{"M. Hollander and D. A. Wolfe (1973), tuna, in R's cor.test: S = 48, p-value = 0.0968", []float64{44.4, 45.9, 41.9, 53.3, 44.7, 44.1, 50.7, 45.2, 60.1}, []float64{2.6, 3.1, 2.5, 5.0, 3.6, 4.0, 5.2, 2.8, 3.8}, 0.6, 0.0968, 3},
		{"J. H. Zar (1972), n = 6: 0.886 is critical at 5 %; 24 of 720 orders", ascending(6), []float64{2, 1, 3, 4, 6, 5}, 1 - 6*4.0/210, 24.0 / 720, 9},
		{"the two orders of three pairs that are sorted", ascending(3), []float64{9, 5, 1}, -1, 2.0 / 6, 9},
		{"two pairs tell nothing", ascending(2), ascending(2), 1, 1, 9},
		{"a tie: of the three places of the 1, both outer ones", ascending(3), []float64{0, 0, 1}, math.Sqrt(3) / 2, 2.0 / 3, 9},
		{"en.wikipedia.org, IQ and hours of television, by t: 0.627188", []float64{106, 86, 100, 101, 99, 103, 97, 113, 112, 110}, []float64{7, 0, 27, 50, 28, 29, 20, 12, 6, 17}, -29.0 / 165, 0.627188, 6},
		{"sorted pairs, of which t says 0", ascending(12), ascending(12), 1, 2.0 / 479001600, 9},
	} {
		rho, p := SpearmanTest(c.x, c.y)
		if math.Abs(rho-c.rho) > 1e-15 || math.Abs(p/c.p-1) > 0.5*math.Pow10(1-c.digits) {
			t.Errorf("%s: ρ %v with p = %v, want %v with %v", c.source, rho, p, c.rho, c.p)
		}
	}
	if rho, p := SpearmanTest([]float64{1, 1, 1}, ascending(3)); !math.IsNaN(rho) || !math.IsNaN(p) {
		t.Errorf("of equal values: ρ %v with p = %v", rho, p)
	}
}

// Why few pairs are counted: the t approximation is well below the count far out.
func TestSpearmanApproximation(t *testing.T) {
	rho, exact := SpearmanTest(ascending(9), []float64{3, 1, 4, 2, 7, 5, 6, 9, 8})
	_, near := student(rho*math.Sqrt(7/(1-rho*rho)), 7)
	if got, want := fmt.Sprintf("ρ %.2f: %.4f, by t %.4f", rho, exact, near), "ρ 0.85: 0.0061, by t 0.0037"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSpearmanInterval(t *testing.T) {
	for _, c := range []struct {
		rho       float64
		n         int
		low, high float64
	}{
		// artanh ½ = 0.5493061, ± 1.959964·√(1.125/25) = 0.4157711
		{0.5, 28, 0.1327469, 0.7465331},
		{-0.5, 28, -0.7465331, -0.1327469},
		{0, 103, -0.1935247, 0.1935247}, // tanh 0.1959964
	} {
		iv := SpearmanInterval(c.rho, c.n)
		if math.Abs(iv.Low-c.low) > 5e-8 || math.Abs(iv.High-c.high) > 5e-8 {
			t.Errorf("ρ = %v of %d: %v, want %v to %v", c.rho, c.n, *iv, c.low, c.high)
		}
	}
	for _, c := range []struct {
		rho float64
		n   int
	}{{0.5, 3}, {1, 50}, {-1, 50}, {math.NaN(), 50}} {
		if iv := SpearmanInterval(c.rho, c.n); iv != nil {
			t.Errorf("ρ = %v of %d: %v", c.rho, c.n, *iv)
		}
	}
}

// The formula as it is printed gives the same, ρ is inside, and more pairs narrow
// the interval.
func TestSpearmanIntervalProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rho, n := rapid.Float64Range(-0.999, 0.999).Draw(t, "rho"), rapid.IntRange(4, 5000).Draw(t, "n")
		iv, more := SpearmanInterval(rho, n), SpearmanInterval(rho, n+1)
		spread := z975 * math.Sqrt((1+rho*rho/2)/float64(n-3))
		low, high := math.Tanh(math.Atanh(rho)-spread), math.Tanh(math.Atanh(rho)+spread)
		if math.Abs(iv.Low-low) > 1e-14 || math.Abs(iv.High-high) > 1e-14 {
			t.Errorf("%v, the formula gives %v to %v", *iv, low, high)
		}
		if iv.Low < -1 || iv.High > 1 || !(iv.Low < rho && rho < iv.High) || more.Low <= iv.Low || more.High >= iv.High {
			t.Errorf("ρ = %v of %d: %v, of one pair more: %v", rho, n, *iv, *more)
		}
	})
}

// Only the order of the values matters, and turning one around turns the sign.
func TestSpearmanProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 60).Draw(t, "n")
		draw := func(name string) []float64 {
			values := make([]float64, n)
			for i, v := range rapid.SliceOfN(rapid.IntRange(-9, 9), n, n).Draw(t, name) {
				values[i] = float64(v)
			}
			return values
		}
		x, y := draw("x"), draw("y")
		stretched, turned := make([]float64, n), make([]float64, n)
		for i := range x {
			stretched[i], turned[i] = math.Exp(x[i]), -y[i]
		}
		r := Spearman(x, y)
		if math.IsNaN(r) {
			return
		}
		if Spearman(x, x) != 1 || Spearman(y, turned) != -1 {
			t.Errorf("with itself %v, turned around %v", Spearman(x, x), Spearman(y, turned))
		}
		if r != Spearman(y, x) || r != Spearman(stretched, y) || r != -Spearman(x, turned) || math.Abs(r) > 1 {
			t.Errorf("%v; swapped %v, stretched %v, turned %v", r, Spearman(y, x), Spearman(stretched, y), Spearman(x, turned))
		}
	})
}
