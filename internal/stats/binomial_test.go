package stats

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
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
		{"the deer of J. H. Zar, Biostatistical Analysis (1999): 8 of 10 legs longer", 8, 2, 0.109375, 6},
		{"A. Agresti, Categorical Data Analysis (2002), table 10.1, z² = 17.36; the sum in Python's integers", 150, 86, 3.7159361e-05, 8},
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

func TestSign(t *testing.T) {
	for _, c := range []struct {
		source   string
		up, down int
		want     float64
	}{
		{"nothing changed", 0, 0, 1},
		{"W. J. Conover, Practical Nonparametric Statistics (1999): 8 of 9 prefer B, 0.0195", 8, 1, 10.0 / 512},
		{"the other way: all but one of the 512", 1, 8, 511.0 / 512},
		{"nothing went up", 0, 5, 1},
		{"everything did", 5, 0, 1.0 / 32},
		{"1+3 of 8", 2, 1, 4.0 / 8},
	} {
		if got := Sign(c.up, c.down); got != c.want {
			t.Errorf("%s: Sign(%d, %d) = %v, want %v", c.source, c.up, c.down, got, c.want)
		}
	}
}

// Either at least as many go up, or at least one more goes down. McNemar's test
// is both sides of this one.
func TestSignProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		up, down := rapid.IntRange(1, 200).Draw(t, "up"), rapid.IntRange(0, 200).Draw(t, "down")
		p := Sign(up, down)
		if both := p + Sign(down+1, up-1); math.Abs(both-1) > 1e-15 {
			t.Errorf("Sign(%d, %d) and its complement are %v together", up, down, both)
		}
		if want := min(1, 2*min(p, Sign(down, up))); McNemar(up, down) != want {
			t.Errorf("McNemar(%d, %d) = %v, twice the smaller side is %v", up, down, McNemar(up, down), want)
		}
		library := distuv.Binomial{N: float64(up + down), P: 0.5}.CDF(float64(down))
		if math.Abs(p/library-1) > 1e-11 {
			t.Errorf("Sign(%d, %d) = %v, gonum's binomial distribution says %v", up, down, p, library)
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
		{0, 10, 0, 0.2775}, // z²/(n+z²)
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
