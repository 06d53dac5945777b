package kernel

import (
	"math/rand/v2"
	"testing"
)

// BenchmarkElementwise runs the kernels on vectors the size of a small model's.
func BenchmarkElementwise(b *testing.B) {
	rng := rand.New(rand.NewPCG(32, 1))
	const n = 2048
	x, y, out := testVector(rng, n), testVector(rng, n), make([]float32, n)
	dgate, dup := make([]float32, n), make([]float32, n)
	const rows, d = 16, 128 // a block of 2,048 keys or values
	var a Acts
	for _, s := range Available() {
		s.Reset(&a, 1, n, false)
		for name, f := range map[string]func(){
			"Add":        func() { s.Add(out, x) },
			"Max":        func() { out[0] = s.Max(x) },
			"Rotate":     func() { s.Rotate(out, x[:n/2], x[n/2:], 1) },
			"Scaled":     func() { s.Scaled(out, x, y, 0.5) },
			"SwiGLU":     func() { s.SwiGLU(out, x, y) },
			"SwiGLUGrad": func() { s.SwiGLUGrad(dgate, dup, out, x, y) },
			"Dot":        func() { out[0] = s.Dot(x, y) },
			"ExpSum":     func() { copy(out, x); s.ExpSum(out, 3) },
			"Dots":       func() { s.Dots(out[:rows], y[:d], x) },
			"Weighted":   func() { s.WeightedSum(out[:d], y[:rows], x) },
			"SetToken":   func() { s.SetToken(&a, 0, x) },
		} {
			b.Run(s.Name+"/"+name, func(b *testing.B) {
				for b.Loop() {
					f()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/value")
			})
		}
	}
}
