package evaluate

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestMcNemar(t *testing.T) {
	for _, c := range []struct {
		source       string
		fixed, broke int
		want         float64
		digits       int // of want
	}{
		{"nothing changed", 0, 0, 1, 2},
		{"one answer tells nothing", 1, 0, 1, 2},
		{"2·(1/2)^6", 6, 0, 0.03125, 4},
		{"Fay (2010), exact McNemar: 9 against 2", 9, 2, 0.06543, 4},
		{"as many each way", 7, 7, 1, 2},
		{"binom.test(2, 12)", 10, 2, 0.03857, 4},
		{"the study's record, 43/4", 43, 4, 3e-9, 1},
		{"36/15", 36, 15, 0.0046, 2},
		{"29/1", 29, 1, 6e-8, 1},
		{"63/17", 63, 17, 2e-7, 1},
		{"2/5", 2, 5, 0.45, 2},
	} {
		got := McNemar(c.fixed, c.broke)
		unit := math.Pow10(int(math.Floor(math.Log10(c.want))) - c.digits + 1)
		if math.Abs(got-c.want) > unit/2*1.0001 {
			t.Errorf("%s: McNemar(%d, %d) = %v, want %v", c.source, c.fixed, c.broke, got, c.want)
		}
	}
}

func TestMcNemarOfManyChanges(t *testing.T) {
	if p := McNemar(5000, 5000); p != 1 {
		t.Errorf("McNemar(5000, 5000) = %v", p)
	}
	if p := McNemar(4000, 0); p != 0 { // 2^-3999 is below any float64
		t.Errorf("McNemar(4000, 0) = %v", p)
	}
	// The normal approximation with continuity correction is close here: z = 5.98.
	if p := McNemar(5300, 4701); math.Abs(p/2.23e-9-1) > 0.02 {
		t.Errorf("McNemar(5300, 4701) = %v", p)
	}
}

// The direction does not matter, and the more uneven the split of as many
// changes, the smaller the value.
func TestMcNemarProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 400).Draw(t, "changes")
		fixed := rapid.IntRange(0, n/2).Draw(t, "fixed")
		p := McNemar(fixed, n-fixed)
		if p != McNemar(n-fixed, fixed) || p < 0 || p > 1 {
			t.Fatalf("McNemar(%d, %d) = %v, the other way %v", fixed, n-fixed, p, McNemar(n-fixed, fixed))
		}
		if fixed > 0 && McNemar(fixed-1, n-fixed+1) >= p && p < 1 {
			t.Errorf("a more uneven split than %d/%d is no less likely", fixed, n-fixed)
		}
	})
}

// The examples of R. G. Newcombe, Statistics in Medicine 17 (1998), table I,
// method 3.
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		right, total int
		low, high    float64
	}{
		{81, 263, 0.2553, 0.3662},
		{15, 148, 0.0624, 0.1605},
		{0, 20, 0, 0.1611},
		{1, 29, 0.0061, 0.1718},
		{20, 20, 0.8389, 1},
		{0, 0, 0, 1},
	} {
		low, high := Wilson(c.right, c.total)
		if math.Abs(low-c.low) > 5e-5 || math.Abs(high-c.high) > 5e-5 {
			t.Errorf("Wilson(%d, %d) = %.4f, %.4f, want %.4f, %.4f", c.right, c.total, low, high, c.low, c.high)
		}
	}
}

func TestWilsonHoldsTheShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.IntRange(1, 10000).Draw(t, "total")
		right := rapid.IntRange(0, total).Draw(t, "right")
		low, high := Wilson(right, total)
		if share := float64(right) / float64(total); low < 0 || low > share || share > high || high > 1 {
			t.Errorf("Wilson(%d, %d) = %v, %v", right, total, low, high)
		}
	})
}

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
