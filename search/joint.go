package search

import (
	"cmp"
	"math"
	"slices"

	"bankai/internal/rng"
)

// The defaults of flipping bits together.
const (
	jointMost     = 4096 // bits that are predicted
	jointStep     = 128  // bits in a move at most: a longer step leaves where its prediction holds
	jointBegin    = 64   // bits in the first move
	jointLeast    = 8    // bits in a move after failures: what fewer do drowns in rounding
	jointFailed   = 4    // failures in a row after which bits are drawn
	jointPatience = 8    // failures in a row after which the phase ends
	jointFew      = 64   // after the n-th failure, half of the best jointFew·2ⁿ are drawn
)

// joint flips the k best bits together, each of another row: a step along the gradient.
// k grows while it helps, and shrinks where it does not. The bits of one row change one
// neuron, and what they do together is far from the sum of what is predicted of each; so
// the best bit of every row comes before the second best of any.
type joint struct {
	random *rng.Stream
	pool   []Prediction // of this round, the best first
	from   float64      // the fitness that it is on
	now    float64      // the fitness that the round began on
	sizes  []int        // numbers of bits to try yet
	best   Trial        // of this round; no flips: none yet
	again  bool         // best is proposed once more, to be kept
	large  bool         // all of this round were too large for the patch
	last   int          // the number of bits to try next, 0 before the first round
	failed int          // rounds without success, in a row
}

func newJoint(seed uint64) *joint { return &joint{random: rng.New(seed, "joint")} }

func (j *joint) want(w *Want) { w.Best[Bit] = jointMost }

func (j *joint) idle() bool { return len(j.sizes) == 0 && !j.again }

func (j *joint) over() bool { return j.failed >= jointPatience }

func (j *joint) begin(f Predictions, from, best float64) {
	j.best, j.large = Trial{}, true
	if j.pool = j.draw(f.Best[Bit], from); len(j.pool) == 0 {
		j.failed++
		return
	}
	j.from, j.now = from, best
	k := cmp.Or(j.last, jointBegin)
	sizes := []int{2 * k, k}
	if j.failed > 0 {
		sizes = sizes[1:]
	}
	for _, k := range sizes {
		j.sizes = append(j.sizes, max(1, min(k, len(j.pool), jointStep)))
	}
	j.sizes = slices.Compact(j.sizes)
}

// draw returns the bits that are predicted to help; after several failures, half of the
// best.
func (j *joint) draw(best []Prediction, from float64) []Prediction {
	n := 0
	for n < len(best) && best[n].Fitness > from {
		n++
	}
	if best = best[:n]; j.failed < jointFailed {
		return best
	}
	var drawn []Prediction
	for _, f := range best[:min(n, jointFew<<j.failed)] {
		if j.random.Int(2) == 0 {
			drawn = append(drawn, f)
		}
	}
	return drawn
}

func (j *joint) next(n int) []Move {
	if j.again {
		return []Move{j.best.Move}
	}
	var moves []Move
	for _, k := range j.sizes[:min(n, len(j.sizes))] {
		moves = append(moves, predictedMove(j.pool[:k], j.from, j.now))
	}
	return moves
}

func (j *joint) learn(trials []Trial, best float64) (keep int) {
	if j.again {
		j.again = false
		return 0
	}
	for _, t := range trials {
		j.sizes = j.sizes[1:]
		j.large = j.large && math.IsInf(t.Fitness, -1)
		if t.Fitness > best && (len(j.best.Flips) == 0 || t.Fitness > j.best.Fitness) {
			j.best = t
		}
	}
	if len(j.sizes) > 0 {
		return -1
	}
	k := len(j.best.Flips)
	if k == 0 {
		j.failed++
		least := jointLeast
		if j.large {
			least = 1
		}
		j.last = max(least, cmp.Or(j.last, jointBegin)/4)
		return -1
	}
	j.last, j.failed = k, 0
	if last := len(trials) - 1; len(trials[last].Flips) == k {
		return last
	}
	j.again = true
	return -1
}
