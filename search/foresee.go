package search

import (
	"cmp"
	"context"
	"slices"

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
	Best     [len(granularityNames)]int // of so many of the best, by granularity
	Held     bool                       // of every flip the patch holds, to be taken out
}

// Empty reports whether nothing is wanted.
func (w Want) Empty() bool { return w.Best == [len(granularityNames)]int{} && !w.Held }

// Forecasts are what was wanted, each list with the highest fitness first.
type Forecasts struct {
	Best [len(granularityNames)][]Forecast
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

// top keeps the n highest forecasts; of equal ones, the first.
type top struct {
	n     int
	list  []Forecast
	worst float64 // of a full list: what does not exceed it is not kept
	full  bool
}

// add takes a forecast in. It keeps a list of up to twice n, so that a sort pays
// for n of them.
func (t *top) add(flip bankai.Flip, fitness float64) {
	if t.n == 0 || fitness != fitness || t.full && fitness <= t.worst {
		return
	}
	if t.list = append(t.list, Forecast{flip, fitness}); len(t.list) >= 2*t.n {
		t.list = t.sorted()
		t.worst, t.full = t.list[t.n-1].Fitness, true
	}
}

// sorted are the n highest, the highest first.
func (t *top) sorted() []Forecast {
	slices.SortStableFunc(t.list, func(a, b Forecast) int { return cmp.Compare(b.Fitness, a.Fitness) })
	return t.list[:min(t.n, len(t.list))]
}
