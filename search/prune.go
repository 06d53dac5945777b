package search

import (
	"fmt"
	"math"
)

const (
	pruneShare = 8 // the first try takes out one flip in pruneShare
	pruneTries = 8 // flips to try alone when no more go together
)

// Pruner makes a patch smaller: it takes out flips without which the fitness is
// no lower, those first that are predicted to be missed least, as many at a time
// as go.
type Pruner struct {
	best  float64
	held  []Prediction
	fresh bool
	many  int // flips to take out at once; 0 before the first try
	alone int // the next of those tried alone, once many is 1
	done  bool

	sample Sample // on which it measures
}

// NewPruner returns a strategy that only takes flips out.
func NewPruner() *Pruner { return &Pruner{best: math.Inf(-1)} }

// Wants implements Informed.
func (p *Pruner) Wants() Want { return Want{Held: !p.done && !p.fresh, Sample: p.sample} }

// Inform implements Informed.
func (p *Pruner) Inform(f Predictions) {
	p.held, p.fresh, p.alone = f.Held, true, 0
	if p.many == 0 {
		p.many = max(1, len(p.held)/pruneShare)
	}
	p.many = min(p.many, max(1, len(p.held)))
	p.done = len(p.held) == 0
}

// Next implements Strategy: one move.
func (p *Pruner) Next(int) []Move {
	if p.done {
		return nil
	}
	m := predictedMove(p.held[p.alone:][:p.many], p.best, p.best)
	m.Sample = p.sample
	return []Move{m}
}

// Learn implements Strategy: what costs nothing is kept.
func (p *Pruner) Learn(trials []Trial) (keep int) {
	t := trials[0]
	switch {
	case len(t.Flips) == 0:
		p.best = t.Fitness
		return -1
	case t.Fitness >= p.best:
		p.best, p.fresh = t.Fitness, false
		return 0
	case p.many > 1:
		p.many = max(1, p.many/4)
	default:
		p.alone++
		p.done = p.alone >= min(pruneTries, len(p.held))
	}
	return -1
}

// Facts implements Describer.
func (p *Pruner) Facts() []Fact { return []Fact{{"prune", fmt.Sprint(pruneShare, pruneTries)}} }
