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
// groups are tried one at a time, bits many at a time; with several granularities,
// each has its turn in every round, on one prediction.
type Guided struct {
	matrices []Matrix
	sizes    []Granularity
	seed     uint64
	best     float64 // fitness of the current patch

	turns       []turn // of every round
	at          int    // the turn that it is; len(turns) before the first round
	predictions Predictions
	from        float64 // the fitness that the prediction is on
	fresh       bool    // it is of the current patch, or was at the beginning of this round
	kept        bool    // a flip was kept in this round
}

// turn is the part of a round with one granularity.
type turn interface {
	want(w *Want)
	begin(f Predictions, from, best float64) // f is relative to from; the current patch has best
	idle() bool                              // nothing is left to try in this round
	over() bool                              // no more rounds
	next(n int) []Move
	learn(trials []Trial, best float64) (keep int)
}

// NewGuided returns the guided strategy over ms, by one or more granularities. The
// seed decides which bits are tried after a failure.
func NewGuided(ms []Matrix, seed uint64, sizes ...Granularity) (*Guided, error) {
	if err := checkMatrices(ms, true); err != nil {
		return nil, err
	}
	if len(sizes) == 0 {
		return nil, errors.New("nothing to search: choose rows, groups or bits")
	}
	g := &Guided{matrices: slices.Clone(ms), sizes: slices.Clone(sizes), seed: seed, best: math.Inf(-1)}
	for _, size := range sizes {
		if size == Bit {
			g.turns = append(g.turns, newJoint(seed))
		} else {
			g.turns = append(g.turns, newSingles(size))
		}
	}
	g.at = len(g.turns)
	return g, nil
}

// Wants implements Informed. A round that kept nothing is followed by one from the
// same prediction.
func (g *Guided) Wants() Want {
	for len(g.turns) > 0 && (g.at == len(g.turns) || g.turns[g.at].idle()) {
		if g.at++; g.at >= len(g.turns) {
			g.turns = slices.DeleteFunc(g.turns, turn.over)
			g.at = len(g.turns)
			if g.kept || !g.fresh {
				g.fresh = false
				w := Want{Matrices: g.matrices}
				for _, t := range g.turns {
					t.want(&w)
				}
				return w
			}
			g.at = 0
		}
		if len(g.turns) > 0 {
			g.turns[g.at].begin(g.predictions, g.from, g.best)
		}
	}
	return Want{}
}

// Inform implements Informed: a round begins.
func (g *Guided) Inform(f Predictions) {
	g.predictions, g.from, g.fresh, g.kept = f, g.best, true, false
	g.at = 0
	g.turns[0].begin(f, g.from, g.best)
}

// Next implements Strategy.
func (g *Guided) Next(n int) []Move {
	if len(g.turns) == 0 {
		return nil
	}
	return g.turns[g.at].next(n)
}

// Learn implements Strategy.
func (g *Guided) Learn(trials []Trial) (keep int) {
	if len(trials[0].Flips) == 0 {
		g.best = trials[0].Fitness
		return -1
	}
	keep = g.turns[g.at].learn(trials, g.best)
	if keep >= 0 {
		g.best, g.kept = trials[keep].Fitness, true
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
