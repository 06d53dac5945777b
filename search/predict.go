package search

import (
	"context"

	"bankai"
)

// Forecast is a flip and the fitness that a patch is predicted to have once it is
// XORed in.
type Forecast struct {
	Flip    bankai.Flip
	Fitness float64
}

// Want says of what a strategy needs forecasts.
type Want struct {
	Matrices []Matrix
	Best     [Granularities]int // of so many of the best, by granularity
	Held     bool               // of every flip the patch holds, to be taken out
}

// Empty reports whether nothing is wanted.
func (w Want) Empty() bool { return w.Best == [Granularities]int{} && !w.Held }

// Forecasts are what was wanted, each list with the highest fitness first.
type Forecasts struct {
	Best [Granularities][]Forecast
	Held []Forecast
}

// Foreseer is a Strategy that chooses from forecasts. [Run] asks it before every
// Next, and gives it what it wants.
type Foreseer interface {
	Strategy
	// Wants says what Next needs to know about the current patch.
	Wants() Want
	// Inform takes it.
	Inform(f Forecasts)
}

// Forecaster predicts the fitness of every single flip of a pool at once.
type Forecaster interface {
	// Forecast returns what is wanted of the patch cur, and what that cost in
	// forward-pass equivalents. It is as pure as Score.
	Forecast(ctx context.Context, cur *bankai.Patch, w Want) (Forecasts, float64, error)
}

// foreseen is the move of some flips together on a patch of fitness now: what their
// forecasts on one of fitness from promise, added up.
func foreseen(fs []Forecast, from, now float64) Move {
	m := Move{Foreseen: true, Predicted: now}
	for _, f := range fs {
		m.Flips = append(m.Flips, f.Flip)
		m.Predicted += f.Fitness - from
	}
	return m
}
