package lora

import "math"

// epsilon keeps Adam from dividing by 0, as published.
const epsilon = 1e-8

// adam is Adam (Kingma and Ba, 2015), going up.
type adam struct {
	rate, beta1, beta2 float64
	params             [][]float32
	means, vars        [][]float64 // of the gradient and of their squares, decaying
	left1, left2       float64     // beta^steps
}

func newAdam(params [][]float32, rate float64, c Config) *adam {
	s := &adam{rate: rate, beta1: c.Beta1, beta2: c.Beta2, params: params, left1: 1, left2: 1}
	for _, p := range s.params {
		s.means, s.vars = append(s.means, make([]float64, len(p))), append(s.vars, make([]float64, len(p)))
	}
	return s
}

// step moves the parameters along the gradient, which has their shapes.
func (s *adam) step(gradient [][]float32) {
	s.left1 = float64(s.left1 * s.beta1)
	s.left2 = float64(s.left2 * s.beta2)
	for i, derivative := range gradient {
		params, means, vars := s.params[i], s.means[i], s.vars[i]
		for j, g := range derivative {
			d := float64(g)
			means[j] = float64(s.beta1*means[j]) + float64((1-s.beta1)*d)
			vars[j] = float64(s.beta2*vars[j]) + float64((1-s.beta2)*d*d)
			by := means[j] / (1 - s.left1) / (math.Sqrt(vars[j]/(1-s.left2)) + epsilon)
			params[j] += float32(s.rate * by)
		}
	}
}
