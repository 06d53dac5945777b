package search

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Guided predicts what every flip would do, tries the most promising ones on the
// true fitness, keeps those that raise it, and predicts anew: in rounds. Rows and
// groups are tried one at a time, bits many at a time.
type Guided struct {
	matrices []Matrix
	sizes    []Granularity
	seed     uint64
	best     float64 // fitness of the current patch

	phases   []phase // those to come, the current one first
	forecast Forecasts
	fresh    bool // forecast is of the current patch
}

// phase is a part of a guided search with one granularity.
type phase interface {
	want(ms []Matrix) Want
	idle() bool                      // needs to begin a round
	begin(f Forecasts, best float64) // a round; it stays idle if the phase is over
	next(n int) []Move
	learn(trials []Trial, best float64) (keep int)
}

// NewGuided returns the guided strategy over ms. Of several sizes, each is used in
// turn until it no longer helps. The seed decides which bits are tried after a
// failure.
func NewGuided(ms []Matrix, seed uint64, sizes ...Granularity) (*Guided, error) {
	if err := checkMatrices(ms, true); err != nil {
		return nil, err
	}
	if len(sizes) == 0 {
		return nil, errors.New("nothing to search: choose rows, groups or bits")
	}
	g := &Guided{matrices: slices.Clone(ms), sizes: slices.Clone(sizes), seed: seed, best: math.Inf(-1)}
	for _, size := range sizes {
		switch size {
		case Bit:
			g.phases = append(g.phases, newJoint(seed))
		default:
			g.phases = append(g.phases, newSingles(size))
		}
	}
	return g, nil
}

// Wants implements Foreseer. A round that kept nothing is followed by one from the
// same forecast.
func (g *Guided) Wants() Want {
	for len(g.phases) > 0 && g.phases[0].idle() {
		if !g.fresh {
			return g.phases[0].want(g.matrices)
		}
		if g.phases[0].begin(g.forecast, g.best); g.phases[0].idle() {
			g.phases, g.fresh = g.phases[1:], false
		}
	}
	return Want{}
}

// Inform implements Foreseer.
func (g *Guided) Inform(f Forecasts) { g.forecast, g.fresh = f, true }

// Next implements Strategy.
func (g *Guided) Next(n int) []Move {
	if len(g.phases) == 0 {
		return nil
	}
	return g.phases[0].next(n)
}

// Learn implements Strategy.
func (g *Guided) Learn(trials []Trial) (keep int) {
	if len(trials[0].Flips) == 0 {
		g.best = trials[0].Fitness
		return -1
	}
	keep = g.phases[0].learn(trials, g.best)
	if keep >= 0 {
		g.best, g.fresh = trials[keep].Fitness, false
	}
	return keep
}

// Facts implements Describer.
func (g *Guided) Facts() []Fact {
	var sizes []string
	for _, s := range g.sizes {
		sizes = append(sizes, s.String())
	}
	return []Fact{
		{"strategy", "guided"},
		{"granularity", strings.Join(sizes, ", ")},
		matricesFact(g.matrices),
		{"seed", fmt.Sprint(g.seed)},
	}
}
