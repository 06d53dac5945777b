package stats

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

// The 97.5 % points that every textbook prints.
func TestStudent975(t *testing.T) {
	for _, c := range []struct {
		nu   int
		want float64
	}{
		{1, 12.706205},
		{2, 4.302653},
		{3, 3.182446},
		{4, 2.776445},
		{5, 2.570582},
		{9, 2.262157},
		{10, 2.228139},
		{29, 2.045230},
		{30, 2.042272},
		{60, 2.000298},
		{120, 1.979930},
		{1_000_000, 1.959966}, // Cornish and Fisher: z + (z³+z)/4ν
	} {
		if got := student975(c.nu); math.Abs(got-c.want) > 5e-7 {
			t.Errorf("of %d degrees of freedom: %.7f, want %.6f", c.nu, got, c.want)
		}
	}
}

// For one and two degrees of freedom there are closed forms.
func TestStudentInClosedForm(t *testing.T) {
	for _, x := range []float64{0, 1e-9, 0.1, 1, 1.999, 2, 2.001, 5, 100, 1e6} {
		for nu, want := range map[int]float64{
			1: 2 / math.Pi * math.Atan2(1, x),
			2: 2 / (2 + x*x + x*math.Sqrt(2+x*x)), // 1 − x/√(2+x²)
		} {
			if _, got := student(x, nu); math.Abs(got/want-1) > 4e-15 {
				t.Errorf("at %v, of %d: %v, want %v", x, nu, got, want)
			}
		}
	}
	if within, beyond := student(math.Inf(1), 5); within != 1 || beyond != 0 {
		t.Errorf("at infinity: %v, %v", within, beyond)
	}
}

// Another library agrees; it uses a continued fraction and the gamma function.
func TestStudentAsGonum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, nu := rapid.Float64Range(0.01, 40).Draw(t, "t"), rapid.IntRange(1, 2000).Draw(t, "nu")
		within, beyond := student(x, nu)
		want := 2 * distuv.StudentsT{Sigma: 1, Nu: float64(nu)}.CDF(-x)
		if math.Abs(beyond/want-1) > 1e-10 || math.Abs(within+beyond-1) > 1e-15 {
			t.Errorf("within %v, beyond %v, want %v", within, beyond, want)
		}
	})
}

// The functions that are spelt out are those of the mathematics library, but for
// its last digits.
func TestAsTheLibrary(t *testing.T) {
	for x := 0.0; x < 4; x += 1.0 / 64 {
		if got, want := tanh(x), math.Tanh(x); math.Abs(got-want) > 4e-16 {
			t.Errorf("tanh %v = %v, want %v", x, got, want)
		}
	}
	for z := 0.0; z < 37; z += 1.0 / 32 {
		if got, want := normalBeyond(z), math.Erfc(z/math.Sqrt2); math.Abs(got/want-1) > 1e-12 {
			t.Errorf("beyond %v: %v, want %v", z, got, want)
		}
	}
	for _, c := range []struct{ z, want float64 }{
		{0, 1},
		{z975, 0.05},
		{1, 0.31731050786},
		{3, 0.0026997960633},
		{6, 1.97317529e-9},
		{1e9, 0},
	} {
		if got := normalBeyond(c.z); math.Abs(got-c.want) > c.want*1e-9 {
			t.Errorf("beyond %v: %v, want %v", c.z, got, c.want)
		}
	}
}
