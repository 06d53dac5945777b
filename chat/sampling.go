package chat

import (
	"math"

	"bankai/engine"
)

// DefaultSampling is how answers are drawn where nobody says otherwise: as llama.cpp's
// server and Ollama do, which most clients of local models are set up for.
func DefaultSampling() engine.Sampling {
	return engine.Sampling{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05}
}

// SamplingOf is DefaultSampling with what a model's file recommends in its place. What
// is out of range is not heeded.
func SamplingOf(f *engine.File) engine.Sampling {
	s := DefaultSampling()
	for _, r := range []struct {
		name string
		set  func(s *engine.Sampling, x float64)
	}{
		{"temp", func(s *engine.Sampling, x float64) { s.Temperature = x }},
		{"top_k", func(s *engine.Sampling, x float64) { s.TopK = whole(x) }},
		{"top_p", func(s *engine.Sampling, x float64) { s.TopP = x }},
		{"min_p", func(s *engine.Sampling, x float64) { s.MinP = x }},
		{"penalty_repeat", func(s *engine.Sampling, x float64) { s.RepeatPenalty = x }},
	} {
		x, there := f.Recommended(r.name)
		if changed := s; there {
			if r.set(&changed, x); changed.Check() == nil {
				s = changed
			}
		}
	}
	return s
}

// whole is a number as an int; −1, which no Sampling takes, if it is none.
func whole(x float64) int {
	if x != math.Trunc(x) || !(x <= math.MaxInt32) {
		return -1
	}
	return int(x)
}
