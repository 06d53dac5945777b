package search

import (
	"fmt"
	"math"
	"slices"

	"bankai"
)

// Foreseer is a Strategy that chooses from forecasts. [Run] asks it before every
// Next, and gives it what it wants.
type Foreseer interface {
	Strategy
	// Wants says that Next needs a forecast on the current patch: of how many
	// rows of which matrices. n is 0 if it needs none.
	Wants() (ms []Matrix, n int)
	// Inform takes the forecast.
	Inform(f []Forecast)
}

// The defaults of guided search.
const (
	guidedTries    = 16 // rows to try in a round
	guidedRest     = 4  // rounds for which a row that did not help is not tried again
	guidedPatience = 4  // rounds without success after which the search ends
)

// Guided predicts what every row would do, tries the most promising ones on the
// true fitness, keeps those that raise it, and predicts anew: in rounds.
type Guided struct {
	matrices []Matrix
	best     float64 // fitness of the current patch

	forecast []Forecast // on the current patch, if fresh
	fresh    bool
	queue    []Move // of this round, in order
	round    int
	kept     int                 // in this round
	failed   int                 // rounds in a row
	tried    map[bankai.Flip]int // the round in which a flip did not help
}

// NewGuided returns the guided strategy over whole rows of ms.
func NewGuided(ms []Matrix) (*Guided, error) {
	if err := checkMatrices(ms, true); err != nil {
		return nil, err
	}
	return &Guided{matrices: slices.Clone(ms), best: math.Inf(-1), tried: map[bankai.Flip]int{}}, nil
}

// Wants implements Foreseer.
func (g *Guided) Wants() ([]Matrix, int) {
	if g.fresh || len(g.queue) > 0 {
		return nil, 0
	}
	return g.matrices, guidedTries * (guidedRest + 1)
}

// Inform implements Foreseer.
func (g *Guided) Inform(f []Forecast) { g.forecast, g.fresh = f, true }

// Next implements Strategy.
func (g *Guided) Next(n int) []Move {
	if len(g.queue) == 0 {
		g.begin()
	}
	return slices.Clone(g.queue[:min(n, len(g.queue))])
}

// begin fills the queue for a round, unless the search is over.
func (g *Guided) begin() {
	if g.failed >= guidedPatience {
		return
	}
	g.round++
	g.kept = 0
	for _, f := range g.forecast {
		round, tried := g.tried[f.Flip]
		if tried && g.round-round <= guidedRest || f.Fitness <= g.best {
			continue
		}
		if g.queue = append(g.queue, Move{Flips: []bankai.Flip{f.Flip}}); len(g.queue) == guidedTries {
			return
		}
	}
}

// Learn implements Strategy: the first trial that is fitter is kept.
func (g *Guided) Learn(trials []Trial) (keep int) {
	for i, t := range trials {
		if len(t.Flips) == 0 {
			g.best = t.Fitness
			return -1
		}
		g.queue = g.queue[1:]
		if t.Fitness > g.best {
			g.best, g.fresh = t.Fitness, false
			g.kept++
			g.end()
			return i
		}
		g.tried[t.Flips[0]] = g.round
		g.end()
	}
	return -1
}

// end counts a round that is through.
func (g *Guided) end() {
	if len(g.queue) > 0 {
		return
	}
	if g.kept > 0 {
		g.failed = 0
	} else {
		g.failed++
	}
}

// Facts implements Describer.
func (g *Guided) Facts() []Fact {
	return []Fact{
		{"strategy", "guided"},
		{"granularity", Row.String()},
		matricesFact(g.matrices),
		{"tries", fmt.Sprint(guidedTries, guidedRest, guidedPatience)},
	}
}
