package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func TestElementwiseEqualsGeneric(t *testing.T) {
	rng := rand.New(rand.NewPCG(30, 1))
	for _, s := range sets() {
		for n := 0; n <= 200; n++ {
			x, y := testVector(rng, 2*n), testVector(rng, 2*n)
			want, got := append([]float32(nil), x...), append([]float32(nil), x...)
			Generic.Add(want, y)
			s.Add(got, y)
			sameBits(t, fmt.Sprintf("%s Add of %d", s.Name, 2*n), got, want)

			sameBits(t, fmt.Sprintf("%s Max of %d", s.Name, n), []float32{s.Max(x[:n])}, []float32{Generic.Max(x[:n])})

			for _, scale := range []float32{1, 0.0883883} {
				Generic.Rotate(want, y[:n], y[n:], scale)
				s.Rotate(got, y[:n], y[n:], scale)
				sameBits(t, fmt.Sprintf("%s Rotate of %d pairs, scale %v", s.Name, n, scale), got, want)
			}
		}
	}
}

// Dot is Dots of one row, without memory.
func TestDot(t *testing.T) {
	rng := rand.New(rand.NewPCG(33, 1))
	for _, s := range Available() {
		for n := 0; n <= 200; n++ {
			x, y := testVector(rng, n), testVector(rng, n)
			want := make([]float32, 1)
			Generic.Dots(want, x, y)
			sameBits(t, fmt.Sprintf("%s Dot of %d", s.Name, n), []float32{s.Dot(x, y)}, want)
			s.Dots(want, x, y)
			sameBits(t, fmt.Sprintf("%s Dots of %d", s.Name, n), []float32{s.Dot(x, y)}, want)
		}
		x := testVector(rng, 128)
		if allocs := testing.AllocsPerRun(100, func() { s.Dot(x, x) }); allocs != 0 {
			t.Errorf("%s: Dot allocates %v times", s.Name, allocs)
		}
	}
}

// The greatest number is found wherever it is, and a zero has always one sign.
func TestMax(t *testing.T) {
	for _, s := range Available() {
		if m := s.Max(nil); !math.IsInf(float64(m), -1) {
			t.Errorf("%s: the largest of no numbers is %v", s.Name, m)
		}
		for n := 1; n <= 70; n++ {
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(math.Inf(-1))
			}
			for i := range x {
				x[i] = float32(-1e30 + 1e28*float64(i))
				if m := s.Max(x); m != x[i] {
					t.Errorf("%s: the largest of %d numbers, in place %d, is %v, want %v", s.Name, n, i, m, x[i])
				}
			}
			for zeros := range 4 { // −0, +0 first, −0 first, +0
				for i := range x {
					x[i] = float32(math.Copysign(0, float64(2*((zeros>>(i%2))&1)-1)))
				}
				if m := s.Max(x); math.Float32bits(m) != 0 {
					t.Errorf("%s: the largest of %d zeros %v is %#x", s.Name, n, x, math.Float32bits(m))
				}
			}
		}
	}
}

// Rotate is a turn in the plane of each pair, and scale 1 is no scale.
func TestRotate(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 1))
	const half = 64
	x, angle := testVector(rng, 2*half), testVector(rng, half)
	cos, sin := make([]float32, half), make([]float32, half)
	for i, a := range angle {
		cos[i], sin[i] = float32(math.Cos(float64(a))), float32(math.Sin(float64(a)))
	}
	for _, s := range Available() {
		for _, scale := range []float32{1, 0.25} {
			v := append([]float32(nil), x...)
			s.Rotate(v, cos, sin, scale)
			for i := range half {
				a, b := float64(x[i]), float64(x[i+half])
				sin, cos := math.Sincos(float64(angle[i]))
				lo, hi := (a*cos-b*sin)*float64(scale), (b*cos+a*sin)*float64(scale)
				if math.Abs(lo-float64(v[i]))+math.Abs(hi-float64(v[i+half])) > 2e-6 {
					t.Errorf("%s: pair %d is %v, %v, want %v, %v", s.Name, i, v[i], v[i+half], lo, hi)
				}
			}
			if scale == 1 {
				plain := append([]float32(nil), x...)
				for i, c := range cos {
					a, b := plain[i], plain[i+half]
					plain[i] = float32(a*c) - float32(b*sin[i])
					plain[i+half] = float32(b*c) + float32(a*sin[i])
				}
				sameBits(t, s.Name+": scale 1", v, plain)
			}
		}
	}
}
