package search

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"bankai"
	"bankai/internal/rng"
)

// The defaults of evolution.
const (
	evolvePopulation = 8   // patches that live together
	evolvePool       = 256 // flips that mutations are drawn from
	evolveRound      = 16  // children between predictions
	evolvePatience   = 96  // children in a row none of which is the fittest so far: the end
	evolveTries      = 64  // draws of a child that is not there yet
)

// Evolve keeps a population of patches. A child is a patch with flips XORed in
// that predictions recommend, or two patches crossed: of the flips in which they
// differ, each comes from either. A child takes the place of the patch it
// resembles most, by Hamming distance, if it is fitter, or else that of the least
// fit if it resembles none: so the population stays diverse.
type Evolve struct {
	matrices []Matrix
	size     Granularity
	seed     uint64
	random   *rng.Stream

	population  []genome // the first is the start
	best        int      // index of the fittest, which is the current patch
	predictions []Prediction
	wanting     bool
	children    int // since the last prediction
	idle        int // children since the fittest was found
	child       genome
}

// genome is a patch, as the flips in which it differs from the start, in the
// order of compareFlips.
type genome struct {
	flips   []bankai.Flip
	fitness float64
}

// NewEvolve returns the evolutionary strategy over rows, groups or bits of ms.
func NewEvolve(ms []Matrix, size Granularity, seed uint64) (*Evolve, error) {
	if err := checkMatrices(ms, true); err != nil {
		return nil, err
	}
	if int(size) >= len(granularityNames) {
		return nil, errors.New("nothing to search: choose rows, groups or bits")
	}
	return &Evolve{
		matrices: slices.Clone(ms), size: size, seed: seed,
		random: rng.New(seed, "evolve"), wanting: true,
	}, nil
}

// Wants implements Informed.
func (e *Evolve) Wants() Want {
	if !e.wanting {
		return Want{}
	}
	w := Want{Matrices: e.matrices}
	w.Best[e.size] = evolvePool
	return w
}

// Inform implements Informed. Only flips that promise something are drawn.
func (e *Evolve) Inform(f Predictions) {
	e.wanting, e.children = false, 0
	e.predictions = f.Best[e.size]
	e.predictions = e.predictions[:min(len(e.predictions), max(evolveRound, countAbove(e.predictions, e.population[e.best].fitness)))]
}

// countAbove is the number of predictions above a fitness.
func countAbove(fs []Prediction, fitness float64) int {
	n := 0
	for n < len(fs) && fs[n].Fitness > fitness {
		n++
	}
	return n
}

// Next implements Strategy: one child, as a move from the fittest to it.
func (e *Evolve) Next(int) []Move {
	if e.idle >= evolvePatience || len(e.predictions) == 0 {
		return nil
	}
	for range evolveTries {
		child := e.breed()
		if !slices.ContainsFunc(e.population, func(g genome) bool { return distance(g.flips, child) == 0 }) {
			e.child = genome{flips: child}
			return []Move{{Flips: xorFlips(e.population[e.best].flips, child)}}
		}
	}
	return nil
}

// breed makes a child of one parent or of two.
func (e *Evolve) breed() []bankai.Flip {
	a := e.parent()
	if b := e.parent(); e.random.Int(2) == 0 && distance(a, b) > 1 {
		var from []bankai.Flip
		for _, f := range xorFlips(a, b) {
			if e.random.Int(2) == 0 {
				from = append(from, f)
			}
		}
		return xorFlips(a, from)
	}
	var mutation []bankai.Flip
	for range 1 + e.random.Int(4) {
		u := e.random.Float64() // the better ones more often
		mutation = xorFlips(mutation, []bankai.Flip{e.predictions[int(u*u*float64(len(e.predictions)))].Flip})
	}
	return xorFlips(a, mutation)
}

// parent is the fitter of two.
func (e *Evolve) parent() []bankai.Flip {
	a, b := e.population[e.random.Int(len(e.population))], e.population[e.random.Int(len(e.population))]
	if b.fitness > a.fitness {
		a = b
	}
	return a.flips
}

// Learn implements Strategy.
func (e *Evolve) Learn(trials []Trial) (keep int) {
	t := trials[0]
	if len(t.Flips) == 0 {
		e.population = []genome{{fitness: t.Fitness}}
		return -1
	}
	e.children++
	e.idle++
	e.child.fitness = t.Fitness
	fittest := t.Fitness > e.population[e.best].fitness
	at := e.settle(e.child)
	if e.children >= evolveRound {
		e.wanting = true
	}
	if !fittest {
		return -1
	}
	e.best, e.idle = at, 0
	return 0
}

// settle puts a child into the population, if there is a place for it, and says
// where.
func (e *Evolve) settle(child genome) int {
	if len(e.population) < evolvePopulation {
		e.population = append(e.population, child)
		return len(e.population) - 1
	}
	nearest, worst := 0, 0
	for i, g := range e.population {
		if distance(g.flips, child.flips) < distance(e.population[nearest].flips, child.flips) {
			nearest = i
		}
		if g.fitness < e.population[worst].fitness {
			worst = i
		}
	}
	at := nearest
	if child.fitness <= e.population[at].fitness && distance(e.population[nearest].flips, child.flips) > 1+len(child.flips)/8 {
		at = worst
	}
	if child.fitness <= e.population[at].fitness {
		return -1
	}
	e.population[at] = child
	return at
}

// Facts implements Describer.
func (e *Evolve) Facts() []Fact {
	return []Fact{
		{"strategy", "evolve"},
		{"granularity", e.size.String()},
		matricesFact(e.matrices),
		{"population", fmt.Sprint(evolvePopulation, evolvePool, evolveRound, evolvePatience)},
		{"seed", fmt.Sprint(e.seed)},
	}
}

func compareFlips(a, b bankai.Flip) int {
	return cmp.Or(cmp.Compare(a.Tensor, b.Tensor), cmp.Compare(a.Row, b.Row), cmp.Compare(a.Col, b.Col), cmp.Compare(a.N, b.N))
}

// xorFlips are the flips in one of two ordered lists but not in both.
func xorFlips(a, b []bankai.Flip) []bankai.Flip {
	out := make([]bankai.Flip, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch c := compareFlips(a[0], b[0]); {
		case c < 0:
			out, a = append(out, a[0]), a[1:]
		case c > 0:
			out, b = append(out, b[0]), b[1:]
		default:
			a, b = a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// distance is the number of flips in which two patches differ.
func distance(a, b []bankai.Flip) int {
	n := len(a) + len(b)
	for len(a) > 0 && len(b) > 0 {
		switch c := compareFlips(a[0], b[0]); {
		case c < 0:
			a = a[1:]
		case c > 0:
			b = b[1:]
		default:
			n -= 2
			a, b = a[1:], b[1:]
		}
	}
	return n
}
