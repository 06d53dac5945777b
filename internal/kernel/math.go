package kernel

import (
	"math"

	"github.com/x448/float16"
)

// The functions here replace those of package math where the standard library
// uses different code on different CPUs: a model must not depend on them.

func halfToFloat(h uint16) float32 { return float16.Frombits(h).Float32() }

// Exp is e^x in float32, about 1 unit in the last place from the true value.
// x is clamped to [−87, 88], so the result is always finite and above zero.
func Exp(x float32) float32 {
	x = min(max(x, expLo), expHi)
	n := float32(math.RoundToEven(float64(float32(x * expLog2E))))
	// x = n·ln2 + r with |r| ≤ ln2/2; ln2 in two parts, the first exact in n·ln2Hi.
	r := x - float32(n*expLn2Hi)
	r -= float32(n * expLn2Lo)
	p := float32(expC[0])
	for _, c := range expC[1:] {
		p = float32(p*r) + c
	}
	return float32(p * math.Float32frombits(uint32(int32(n)+127)<<23))
}

const (
	expLo    = -87
	expHi    = 88
	expLog2E = 1.44269504
	expLn2Hi = 0.693359375
	expLn2Lo = -2.12194440e-4
)

// expC holds 1/k! for k = 6 … 0: the Taylor series, whose first neglected term
// is below 1.2e-7 of the result for |r| ≤ ln2/2.
var expC = [7]float32{1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1, 1}

// Log is the natural logarithm of a positive, finite, normal x in float64, with
// a relative error below 1e-15: ln(m·2^e) = e·ln2 + 2·artanh((m−1)/(m+1)).
func Log(x float64) float64 {
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m *= 2
		e--
	}
	s := (m - 1) / (m + 1)
	z := float64(s * s)
	var sum float64
	for k := 21; k >= 1; k -= 2 { // |s| < 0.172, so s^23/23 is below 1e-18
		sum = 1/float64(k) + float64(z*sum)
	}
	const ln2Hi, ln2Lo = 6.93147180369123816490e-01, 1.90821492927058770002e-10
	return float64(float64(e)*ln2Hi) + (float64(2*s*sum) + float64(float64(e)*ln2Lo))
}

// Exp64 is e^x in float64: +Inf or 0 where that is out of range.
func Exp64(x float64) float64 {
	x = min(max(x, -746), 710)
	const ln2Hi, ln2Lo = 6.93147180369123816490e-01, 1.90821492927058770002e-10
	n := math.RoundToEven(float64(x * math.Log2E))
	r := x - float64(n*ln2Hi) - float64(n*ln2Lo)
	sum := 1.0
	for k := 17; k >= 1; k-- { // Taylor: r^18/18! is below 1e-24
		sum = 1 + float64(float64(r*sum)/float64(k))
	}
	return math.Ldexp(sum, int(n))
}

// Softplus is ln(1+e^x) in float64.
func Softplus(x float64) float64 { return max(x, 0) + Log(1+Exp64(-math.Abs(x))) }

// SinCos is sine and cosine of x in float64 for 0 ≤ x < 2^31, with an absolute
// error of about 1e-16·(1+x·2^-52): the angles of RoPE.
func SinCos(x float64) (sin, cos float64) {
	// π/2 in three parts of 33 bits, so that n·part is exact for n < 2^20 and
	// nearly so above.
	const p1, p2, p3 = 1.57079632673412561417e+00, 6.07710050630396597660e-11, 2.02226624879595063154e-21
	n := math.RoundToEven(float64(x * (2 / math.Pi)))
	r := x - float64(n*p1) - float64(n*p2) - float64(n*p3)
	z := float64(r * r)
	s, c := 1.0, 1.0
	for k := 19.0; k >= 3; k -= 2 { // |r| ≤ π/4: r^20/20! is below 1e-20
		s = 1 - float64(z*s)/float64(k*(k-1))
		c = 1 - float64(z*c)/float64((k-1)*(k-2))
	}
	s = float64(r * s)
	switch int64(n) & 3 {
	case 0:
		return s, c
	case 1:
		return c, -s
	case 2:
		return -s, -c
	}
	return -c, s
}
