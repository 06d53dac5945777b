package stats

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestWilcoxon(t *testing.T) {
	for _, c := range []struct {
		source      string
		differences []float64
		w, p        float64
		digits      int // of p
	}{
		{"no difference", []float64{0, 0}, 0, 1, 9},
		{"tables, n = 5, T = 0: 0.0625", []float64{1, 2, 3, 4, 5}, 15, 0.0625, 9},
		{"the same, the other way", []float64{-1, -2, -3, -4, -5}, -15, 0.0625, 9},
		{"tables, n = 8, T = 3: 0.0391", []float64{1, 2, -3, 4, 5, 6, 7, 8}, 30, 10.0 / 256, 9},
		{"three equal ones, each of rank 2: ±6 or ±2", []float64{1, 1, -1}, 2, 1, 9},
		{"M. Hollander and D. A. Wolfe (1973), depression, in R's wilcox.test: V = 40, one-sided 0.01953", []float64{
			1.83 - 0.878, 0.50 - 0.647, 1.62 - 0.598, 2.48 - 2.05, 1.68 - 1.06, 1.88 - 1.29, 1.55 - 1.06, 3.06 - 3.14, 1.30 - 1.29,
		}, 40 - 5, 2 * 0.01953, 4},
		{"en.wikipedia.org, Wilcoxon signed-rank test: W = 9, a pair tied, a difference of 0", []float64{
			125 - 110, 115 - 122, 130 - 125, 140 - 120, 0, 115 - 124, 140 - 123, 125 - 137, 140 - 135, 135 - 145,
		}, 9, 324.0 / 512, 9},
	} {
		w, p := Wilcoxon(c.differences)
		if w != c.w || math.Abs(p/c.p-1) > 0.5*math.Pow10(1-c.digits) {
			t.Errorf("%s: w = %v, p = %v, want %v, %v", c.source, w, p, c.w, c.p)
		}
	}
}

// All signs, one after the other, give the same count.
func TestWilcoxonByAllSigns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var differences []float64
		for _, d := range rapid.SliceOfN(rapid.IntRange(-6, 6), 1, 8).Draw(t, "differences") {
			differences = append(differences, float64(d))
		}
		w, p := Wilcoxon(differences)
		far, all := 0, 0
		var sign func(i int)
		sign = func(i int) {
			if i == len(differences) {
				all++
				if other, _ := Wilcoxon(differences); math.Abs(other) >= math.Abs(w) {
					far++
				}
				return
			}
			sign(i + 1)
			differences[i] = -differences[i]
			sign(i + 1)
			differences[i] = -differences[i]
		}
		sign(0)
		if want := float64(far) / float64(all); p != want {
			t.Errorf("p = %v, want %v", p, want)
		}
	})
}

// Where counting ends, the approximation takes over without a leap. Asked of 62
// differences, what it lacks is the next term of the Edgeworth series, less than
// 0.003: φ(z)·(z³−3z)·κ/12 with the kurtosis κ = −2·Σ rank⁴/(Σ rank²)².
func TestWilcoxonApproximation(t *testing.T) {
	for _, every := range []int{3, 4, 5, 7} {
		differences := ascending(mostSigned)
		squares, fourth := 0.0, 0.0
		for i, d := range differences {
			squares, fourth = squares+d*d, fourth+d*d*d*d
			if i%every == 0 {
				differences[i] = -d
			}
		}
		w, exact := Wilcoxon(differences)
		z := (math.Abs(w) - 1) / math.Sqrt(squares)
		density := math.Exp(-z*z/2) / math.Sqrt(2*math.Pi)
		lacks := -density * (z*z*z - 3*z) * fourth / (squares * squares) / 6
		if near := math.Erfc(z / math.Sqrt2); math.Abs(lacks) > 0.003 || math.Abs(near+lacks-exact) > 1e-4 {
			t.Errorf("w = %v: counted %v, approximated %v and %v", w, exact, near, lacks)
		}
	}
}

// The variance is the textbooks' one with the correction for ties,
// n·(n+1)·(2n+1)/24 − Σ(t³−t)/48, of the sum of the positive ranks.
func TestWilcoxonOfMany(t *testing.T) {
	for _, c := range []struct {
		name       string
		tied       float64 // how many differences are equal each
		correction float64
	}{
		{"100 of 100 positive", 1, 0},
		{"in fours", 4, 25 * (64 - 4) / 48.0},
	} {
		differences := ascending(100)
		for i, d := range differences {
			differences[i] = math.Ceil(d / c.tied)
		}
		w, p := Wilcoxon(differences)
		z := (5050.0/2 - 0.5) / math.Sqrt(100*101*201/24.0-c.correction)
		if want := math.Erfc(z / math.Sqrt2); w != 5050 || math.Abs(p/want-1) > 1e-12 {
			t.Errorf("%s: w = %v, p = %v, want %v", c.name, w, p, want)
		}
	}
}

func ascending(n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = float64(i + 1)
	}
	return values
}
