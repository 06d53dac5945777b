package search

import (
	"math"
	"slices"

	"bankai/internal/rng"
)

// The defaults of flipping bits together.
const (
	jointMost     = 4096 // bits in a move
	jointLeast    = 8    // bits that a round after a failure begins with: what fewer do drowns in rounding
	jointPatience = 3    // rounds without success after which the phase ends
	jointFew      = 64   // after the n-th failure, half of the best jointFew·2ⁿ are drawn
)

// jointFirst are the numbers of bits that the first round tries.
var jointFirst = []int{16, 64, 256, 1024}

// joint flips the k best bits together, the k that turns out best: a line search
// along the gradient.
type joint struct {
	random *rng.Stream
	pool   []Prediction // of this round, the best first
	from   float64      // the fitness that it is on
	now    float64      // the fitness that the round began on
	sizes  []int        // numbers of bits to try yet
	best   Trial        // of this round; no flips: none yet
	again  bool         // best is proposed once more, to be kept
	large  bool         // all of this round were too large for the patch
	last   int          // the number of bits that helped last, 0 before the first round
	failed int          // rounds in a row
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
	sizes := jointFirst
	if j.last > 0 {
		sizes = []int{j.last / 2, j.last * 2, j.last} // the likeliest last: keeping that costs least
	}
	for _, k := range sizes {
		j.sizes = append(j.sizes, max(1, min(k, len(j.pool), jointMost)))
	}
	j.sizes = slices.Compact(j.sizes)
}

// draw returns the bits that are predicted to help; after a failure, half of the
// best.
func (j *joint) draw(best []Prediction, from float64) []Prediction {
	n := 0
	for n < len(best) && best[n].Fitness > from {
		n++
	}
	if best = best[:n]; j.failed == 0 {
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
		j.last = max(jointLeast, j.last/4)
		if j.large {
			j.last = max(1, slices.Min(jointFirst)/(2<<j.failed))
		}
		return -1
	}
	j.last, j.failed = k, 0
	if last := len(trials) - 1; len(trials[last].Flips) == k {
		return last
	}
	j.again = true
	return -1
}
