package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func TestSwiGLUGradEqualsGeneric(t *testing.T) {
	rng := rand.New(rand.NewPCG(40, 1))
	for _, s := range sets() {
		for n := 0; n <= 200; n++ {
			dh, gate, up := testVector(rng, n), testVector(rng, n), testVector(rng, n)
			for i := range gate {
				gate[i] *= []float32{1, 30, 1e4}[i%3] // also where Exp is clamped
			}
			want, got := make([]float32, 2*n), make([]float32, 2*n)
			Generic.SwiGLUGrad(want[:n], want[n:], dh, gate, up)
			s.SwiGLUGrad(got[:n], got[n:], dh, gate, up)
			sameBits(t, fmt.Sprintf("%s SwiGLUGrad of %d", s.Name, n), got, want)
		}
	}
}

// Zeros of both signs and the greatest gates have finite derivatives, whose bits
// all sets agree on.
func TestSwiGLUGradEdges(t *testing.T) {
	var gate []float32
	for _, g := range []float32{0, 1e-45, 1e-30, 1, 1.2784645, 87, 87.5, 88, 89, math.MaxFloat32} {
		gate = append(gate, g, -g)
	}
	n := len(gate)
	ones := make([]float32, n)
	for i := range ones {
		ones[i] = 1
	}
	want := make([]float32, 2*n)
	Generic.SwiGLUGrad(want[:n], want[n:], ones, gate, ones)
	for i, v := range want {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			t.Errorf("gate %v: result %d is %v", gate[i%n], i/n, v)
		}
	}
	for _, s := range sets() {
		got := make([]float32, 2*n)
		s.SwiGLUGrad(got[:n], got[n:], ones, gate, ones)
		sameBits(t, s.Name, got, want)
	}
}

// The derivatives are those of silu(g)·up: slopes of silu in float64, by central
// differences. Exp errs by 3e-7 at most, and silu′ is a sum of terms that can
// cancel, of which the error is a part.
func TestSwiGLUGradIsTheDerivative(t *testing.T) {
	rng := rand.New(rand.NewPCG(41, 1))
	silu := func(g float64) float64 { return g / (1 + math.Exp(-g)) }
	const h, most = 1e-4, 6e-7
	var worst float64
	for g := -86.0; g < 87; g += 0.0173 {
		gate, x := []float32{float32(g)}, testVector(rng, 2)
		dh, up, at := float64(x[0]), float64(x[1]), float64(gate[0])
		var dgate, dup [1]float32
		Generic.SwiGLUGrad(dgate[:], dup[:], x[:1], gate, x[1:])

		sigma := 1 / (1 + math.Exp(-at))
		terms := sigma * (1 + math.Abs(at)/(1+math.Exp(at)))
		slope := (silu(at+h) - silu(at-h)) / (2 * h)
		errGate := math.Abs(float64(dgate[0])-dh*up*slope) / math.Abs(dh*up*terms)
		errUp := math.Abs(float64(dup[0])-dh*silu(at)) / math.Abs(dh*silu(at))
		worst = max(worst, errGate, errUp)
		if errGate > most || errUp > most {
			t.Errorf("gate %v: relative errors %.3g of dgate, %.3g of dup", at, errGate, errUp)
		}
	}
	t.Logf("largest relative error %.3g", worst)
}
