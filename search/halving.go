package search

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"bankai"
)

const (
	halvingField = 16 // flips that a round begins with
	halvingLast  = 4  // of which so many are tried together
	halvingMost  = 4  // rounds without success after which the search ends
)

// Halving predicts on a block, and tries the best flips on the blocks that follow: the
// better half on twice as many blocks, until a few are left (successive halving; Jamieson
// and Talwalkar, AISTATS 2016). Those whose gain on all of these blocks is more than
// chance are made together, if that gains too.
type Halving struct {
	matrices []Matrix
	sizes    []Granularity
	epoch    int

	at     int // the granularity of this round
	sample Sample
	told   bool
	base   Score
	has    bool
	field  []runner
	tried  int // of the field, on this sample
	joint  *Move
	failed int
}

// runner is a flip and what the blocks said of it.
type runner struct {
	Prediction
	Paired
}

func (r runner) mean() float64 { return r.Gain }

// NewHalving returns the strategy over ms, by one or more granularities in turn.
func NewHalving(ms []Matrix, epoch int, sizes ...Granularity) (*Halving, error) {
	if err := checkMatrices(ms, true); err != nil {
		return nil, err
	}
	if len(sizes) == 0 {
		return nil, errors.New("nothing to search: choose rows or groups")
	}
	return &Halving{matrices: slices.Clone(ms), sizes: slices.Clone(sizes), epoch: epoch, sample: Sample{0, 1}}, nil
}

// Yardstick implements Sampled.
func (h *Halving) Yardstick() Sample { return Sample{0, min(h.epoch, 8)} }

// Wants implements Informed.
func (h *Halving) Wants() Want {
	if h.told {
		return Want{}
	}
	w := Want{Matrices: h.matrices, Sample: h.sample}
	w.Best[h.sizes[h.at]] = halvingField
	return w
}

// Inform implements Informed.
func (h *Halving) Inform(f Predictions) {
	h.field = nil
	for _, p := range f.Best[h.sizes[h.at]] {
		if p.Fitness -= f.Now; p.Fitness > 0 {
			h.field = append(h.field, runner{Prediction: p})
		}
	}
	h.told, h.has, h.joint, h.tried = true, false, nil, 0
	h.sample.First += h.sample.N
}

// Next implements Strategy.
func (h *Halving) Next(n int) (moves []Move) {
	switch {
	case h.failed >= halvingMost*len(h.sizes):
		return nil
	case !h.has:
		return []Move{{Sample: h.sample}}
	case h.joint != nil:
		return []Move{*h.joint}
	}
	for _, r := range h.field[h.tried:][:min(n, len(h.field)-h.tried)] {
		m := predictedMove([]Prediction{r.Prediction}, 0, h.base.Fitness)
		m.Sample = h.sample
		moves = append(moves, m)
	}
	return moves
}

// Learn implements Strategy.
func (h *Halving) Learn(trials []Trial) (keep int) {
	if len(trials[0].Flips) == 0 {
		h.base, h.has = trials[0].Score, trials[0].Sample == h.sample
		if h.has && len(h.field) == 0 {
			h.over(false)
		}
		return -1
	}
	if h.joint != nil {
		gain := trials[0].Fitness > h.base.Fitness
		h.over(gain)
		return map[bool]int{true: 0, false: -1}[gain]
	}
	for _, t := range trials {
		r := &h.field[h.tried]
		if math.IsInf(t.Fitness, -1) {
			r.Gain = math.Inf(-1)
		} else {
			p := Pair(h.base, t.Score)
			r.N += p.N
			r.Gain += p.Gain * float64(h.sample.N)
			r.Squares += p.Squares * float64(h.sample.N*h.sample.N)
		}
		h.tried++
	}
	if h.tried == len(h.field) {
		h.halve()
	}
	return -1
}

// halve ends a rung.
func (h *Halving) halve() {
	slices.SortStableFunc(h.field, func(a, b runner) int { return cmp.Compare(b.mean(), a.mean()) })
	if len(h.field) > halvingLast {
		h.field = h.field[:(len(h.field)+1)/2]
		h.sample = Sample{h.sample.First + h.sample.N, 2 * h.sample.N}
		if len(h.field) == halvingField/2 { // the second rung is as small as the first
			h.sample.N = 1
		}
		h.has, h.tried = false, 0
		return
	}
	m := Move{Sample: h.sample, IsPredicted: true, Predicted: h.base.Fitness}
	for _, r := range h.field {
		if r.Gain > 0 && r.Z() >= Tuning.Z {
			m.Flips = append(m.Flips, r.Flip)
			m.Predicted += r.Fitness
		}
	}
	if len(m.Flips) == 0 {
		h.over(false)
		return
	}
	h.joint = &m
}

// over ends a round.
func (h *Halving) over(kept bool) {
	h.told, h.joint = false, nil
	h.sample = Sample{h.sample.First + h.sample.N - 1, 1} // the last block, whose streams are at hand no more: its examples are as good as others
	h.at = (h.at + 1) % len(h.sizes)
	if h.failed++; kept {
		h.failed = 0
	}
}

// Facts implements Describer.
func (h *Halving) Facts() []Fact {
	var sizes []string
	for _, s := range h.sizes {
		sizes = append(sizes, s.String())
	}
	return []Fact{
		{"strategy", "halving"},
		{"granularity", strings.Join(sizes, ", ")},
		matricesFact(h.matrices),
		{"epoch", fmt.Sprint(h.epoch, " blocks")},
	}
}

var _ = bankai.GroupSize
