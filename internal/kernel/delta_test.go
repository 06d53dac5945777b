package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

func TestGateEqualsGeneric(t *testing.T) {
	rng := rand.New(rand.NewPCG(50, 1))
	for _, s := range sets() {
		for n := 0; n <= 200; n++ {
			x, g := testVector(rng, n), testVector(rng, n)
			for i := range g {
				g[i] *= []float32{1, 30, 1e4}[i%3] // also where Exp is clamped
			}
			want := append([]float32(nil), x...)
			Generic.Gate(want, g)
			s.Gate(x, g)
			sameBits(t, fmt.Sprintf("%s Gate of %d", s.Name, n), x, want)
		}
	}
}

// Memories of all widths, after some tokens.
func TestDeltaRuleEqualsGeneric(t *testing.T) {
	rng := rand.New(rand.NewPCG(51, 1))
	for _, s := range sets() {
		for n := 0; n <= 100; n++ {
			rows := []int{1, 2, 3, 16, 64, 128}[n%6]
			got := testVector(rng, rows*n)
			want := append([]float32(nil), got...)
			for range 3 {
				q, k, v := testVector(rng, rows), testVector(rng, rows), testVector(rng, n)
				alpha, beta := rng.Float32(), rng.Float32()
				o, out := make([]float32, n), make([]float32, n)
				Generic.DeltaRule(out, want, q, k, v, alpha, beta)
				s.DeltaRule(o, got, q, k, v, alpha, beta)
				what := fmt.Sprintf("%s DeltaRule of %d×%d", s.Name, rows, n)
				sameBits(t, what+": o", o, out)
				sameBits(t, what+": s", got, want)
			}
		}
	}
}

// What was written under a key is read with it, and overwritten by what comes under the
// same key later: the rule in its plainest case, where keys are the axes.
func TestDeltaRuleIsAMemory(t *testing.T) {
	for _, set := range Available() {
		const dim = 32
		s, o := make([]float32, dim*dim), make([]float32, dim)
		axis := func(i int) []float32 { x := make([]float32, dim); x[i] = 1; return x }
		value := func(n int) []float32 {
			x := make([]float32, dim)
			for i := range x {
				x[i] = float32(n*dim + i)
			}
			return x
		}
		for i := range dim {
			set.DeltaRule(o, s, axis(i), axis(i), value(i), 1, 1)
			sameBits(t, set.Name+": what was just written", o, value(i))
		}
		set.DeltaRule(o, s, axis(7), axis(5), value(100), 1, 1)
		sameBits(t, set.Name+": another key's", o, value(7))
		set.DeltaRule(o, s, axis(5), axis(9), value(3), 1, 0)
		sameBits(t, set.Name+": what was overwritten", o, value(100))
		set.DeltaRule(o, s, axis(9), axis(5), value(3), 0.5, 0.5)
		for i, v := range o {
			if want := float32(9*dim+i) / 2; v != want {
				t.Errorf("%s: value %d faded to %v, want %v", set.Name, i, v, want)
			}
		}
	}
}

// The logarithm of 1 + e^x does not overflow, and loses no digits that count.
func TestSoftplus(t *testing.T) {
	for x := -800.0; x <= 800; x += 0.37 {
		want := math.Max(x, 0) + math.Log1p(math.Exp(-math.Abs(x)))
		if got := Softplus(x); math.Abs(got-want) > 1e-15*(1+want) {
			t.Errorf("Softplus(%v) = %v, want %v", x, got, want)
		}
	}
}

// BenchmarkDeltaRule is a token of 16 heads of Bonsai 27B: 1 MiB of memories.
func BenchmarkDeltaRule(b *testing.B) {
	const dim, heads = 128, 16
	rng := rand.New(rand.NewPCG(52, 1))
	s, q, k, v, o := testVector(rng, heads*dim*dim), testVector(rng, dim), testVector(rng, dim), testVector(rng, dim), make([]float32, dim)
	for i := range k {
		q[i], k[i] = q[i]/16, k[i]/16
	}
	for _, set := range Available() {
		b.Run(set.Name, func(b *testing.B) {
			b.SetBytes(2 * 4 * int64(len(s))) // read and written
			for b.Loop() {
				for h := range heads {
					set.DeltaRule(o, s[h*dim*dim:(h+1)*dim*dim], q, k, v, 0.9, 0.5)
				}
			}
		})
	}
}
