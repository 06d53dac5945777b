// Package search looks for the patch that makes a 1-bit model answer better.
//
// Three parts play together, and each can be replaced alone. A [Strategy] says
// which changes to try next and which of them to keep; it decides, and does
// nothing else. An [Evaluator] measures changes; it is a pure function, so it
// may run on this machine or on many. [Run] carries moves and scores between the
// two until a limit is reached, keeps the best patch, and writes a [Journal]
// from which an interrupted run continues to the result it would have had.
// Package score has the Evaluator that measures on a model, and puts the parts
// together by a plan.
//
// The published search is [NewGreedy]: rows drawn with probability proportional
// to their scale, screened on the two worst probes, kept if the fitness rises.
package search

import (
	"context"
	"math"
	"slices"

	"bankai"
)

// Move is a change to the current patch: the flips to XOR into it. A flip that
// the patch already holds is thereby taken out, so un-flipping is a move too. A
// Move without flips stands for the current patch as it is.
//
// IsPredicted says that the strategy proposes it for a prediction, Predicted being
// the fitness that the patch would then have to first order.
//
// Sample says on which examples it is to be measured; that of a move without flips,
// on which the current patch is.
type Move struct {
	Flips       []bankai.Flip
	Sample      Sample
	IsPredicted bool
	Predicted   float64
}

// Digest identifies the flips, in whatever order they are listed.
func (m Move) Digest() bankai.Digest {
	return bankai.New(bankai.Digest{}, bankai.Meta{}, m.Flips...).ContentDigest()
}

// Score is the worth of a patch as measured on the probes.
type Score struct {
	Fitness  float64   // what a search climbs, in the metric's unit (nats); -Inf if Screened
	Targets  []float64 // the metric of each target probe; nil if Screened
	Controls []float64 // the control metric of each control probe; nil if Screened
	Worth    []float64 // of a sample: what each of its examples adds to the fitness, which is their sum; nil where a fitness is no sum
	Screened bool      // given up after the worst targets: none of them gained
	Cost     float64   // what measuring the move takes, in forward-pass equivalents: a function of the move, whatever a machine remembers
}

// equal reports whether two scores have the same bits.
func (s Score) equal(o Score) bool {
	same := func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }
	return same(s.Fitness, o.Fitness) && same(s.Cost, o.Cost) && s.Screened == o.Screened &&
		slices.EqualFunc(s.Targets, o.Targets, same) && slices.EqualFunc(s.Controls, o.Controls, same) &&
		slices.EqualFunc(s.Worth, o.Worth, same)
}

// Trial is a move and what came of it.
type Trial struct {
	Move
	Score
}

// Strategy decides what to try and what to keep. It does no I/O and takes its
// randomness from a seed of its own, so that the same scores always lead to the
// same decisions; replaying a journal relies on it.
//
// [Run] first calls Learn with a single trial, an empty move: the patch the
// search starts from. Then it calls Next and Learn in turn.
type Strategy interface {
	// Next proposes up to n moves, each of them to be applied to the current
	// patch alone. No moves means that the strategy is through.
	Next(n int) []Move

	// Learn takes the trials of the moves that Next returned, in their order,
	// and returns the index of the one to apply to the current patch, or -1.
	// Trials behind the kept one were measured on a patch that is no longer the
	// current one. They count as undecided, and may be proposed again. So may one
	// that was not kept: until the patch changes its score is remembered, so that
	// the best of several can be chosen once all are known.
	Learn(trials []Trial) (keep int)
}

// Evaluator scores moves. It is pure: the score of a move depends on the current
// patch and on the move, not on earlier calls nor on the other moves of the
// call, and has the same bits on every machine.
type Evaluator interface {
	// Score returns one Score a move, in order. When ctx ends it returns early
	// with an error that wraps ctx.Err().
	Score(ctx context.Context, cur *bankai.Patch, moves []Move) ([]Score, error)
}

// Fact names one thing that decides how a search goes, such as its seed.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Describer can list everything that decides its results. Strategies and
// evaluators are Describers so that a journal can tell one run from another.
type Describer interface {
	Facts() []Fact
}

// Identity lists what decides a run that starts from the patch cur: the patch,
// then the facts of its evaluator and its strategy. Limits such as
// [Config.Steps] are not part of it: they decide where a run ends, not how it
// goes, so a journal can be resumed with other limits.
func Identity(cur *bankai.Patch, parts ...Describer) []Fact {
	facts := []Fact{{"start patch", cur.ContentDigest().String()}}
	for _, p := range parts {
		facts = append(facts, p.Facts()...)
	}
	return facts
}
