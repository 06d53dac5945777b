package lora

import (
	"math"

	"bankai/engine"
	"bankai/internal/rng"
)

// epsilon keeps Adam from dividing by 0, as published.
const epsilon = 1e-8

// initialise sets A to uniform numbers of variance 1/columns, so that A·x is of the
// size of x's elements, and B to 0. Normal numbers would need functions that may
// round differently on another CPU.
func initialise(a *engine.Adapter, seed uint64) {
	random := rng.New(seed, "lora")
	for _, f := range a.Factors() {
		most := math.Sqrt(3 * float64(a.Rank()) / float64(len(f.A)))
		for i := range f.A {
			f.A[i] = float32(most * (2*random.Float64() - 1))
		}
		clear(f.B)
	}
}

// adam is Adam (Kingma and Ba, 2015), going up.
type adam struct {
	Config
	params       [][]float32
	means, vars  [][]float64 // of the gradient and of their squares, decaying
	left1, left2 float64     // Beta^steps
}

func newAdam(a *engine.Adapter, c Config) *adam {
	s := &adam{Config: c, params: slicesOf(a.Factors()), left1: 1, left2: 1}
	for _, p := range s.params {
		s.means, s.vars = append(s.means, make([]float64, len(p))), append(s.vars, make([]float64, len(p)))
	}
	return s
}

// slicesOf puts the parameters in an order.
func slicesOf(fs []engine.Factors) (all [][]float32) {
	for _, f := range fs {
		all = append(all, f.A, f.B)
	}
	return all
}

// step moves the parameters along the gradient.
func (s *adam) step(gradient []engine.Factors) {
	s.left1 = float64(s.left1 * s.Beta1)
	s.left2 = float64(s.left2 * s.Beta2)
	for i, derivative := range slicesOf(gradient) {
		params, means, vars := s.params[i], s.means[i], s.vars[i]
		for j, g := range derivative {
			d := float64(g)
			means[j] = float64(s.Beta1*means[j]) + float64((1-s.Beta1)*d)
			vars[j] = float64(s.Beta2*vars[j]) + float64((1-s.Beta2)*d*d)
			by := means[j] / (1 - s.left1) / (math.Sqrt(vars[j]/(1-s.left2)) + epsilon)
			params[j] += float32(s.Rate * by)
		}
	}
}
