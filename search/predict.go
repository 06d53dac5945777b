package search

import (
	"context"

	"bankai"
)

// Prediction is a flip and the fitness that a patch is predicted to have once it is
// XORed in.
type Prediction struct {
	Flip    bankai.Flip
	Fitness float64
}

// Want says of what a strategy needs predictions.
type Want struct {
	Matrices []Matrix
	Best     [Granularities]int // how many of the best to return, by granularity
	Held     bool               // of every flip the patch holds, to be taken out
	Flips    []bankai.Flip      // of these
	Sample   Sample             // on which they are made
}

// Empty reports whether nothing is wanted.
func (w Want) Empty() bool {
	return w.Best == [Granularities]int{} && !w.Held && len(w.Flips) == 0
}

// Predictions are what was wanted, each list with the highest fitness first but for
// Flips, which is in the order of the Want.
type Predictions struct {
	Best  [Granularities][]Prediction
	Held  []Prediction
	Flips []Prediction
	Now   float64 // of a sample: the fitness of the patch as it is
}

// Informed is a Strategy that chooses from predictions. [Run] asks it before every
// Next, and gives it what it wants.
type Informed interface {
	Strategy
	// Wants says what Next needs to know about the current patch.
	Wants() Want
	// Inform takes it.
	Inform(f Predictions)
}

// Predictor predicts the fitness of every single flip of a pool at once.
type Predictor interface {
	// Predict returns what is wanted of the patch cur, and what that cost in
	// forward-pass equivalents. It is as pure as Score.
	Predict(ctx context.Context, cur *bankai.Patch, w Want) (Predictions, float64, error)
}

// predictedMove is the move of some flips together on a patch of fitness now: what their
// predictions on one of fitness from promise, added up.
func predictedMove(fs []Prediction, from, now float64) Move {
	m := Move{IsPredicted: true, Predicted: now}
	for _, f := range fs {
		m.Flips = append(m.Flips, f.Flip)
		m.Predicted += f.Fitness - from
	}
	return m
}
