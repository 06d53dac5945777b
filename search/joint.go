package search

import (
	"math/rand/v2"
	"slices"
)

// The defaults of flipping bits together.
const (
	jointMost     = 4096 // bits in a move
	jointPatience = 3    // rounds without success after which the phase ends
	jointFew      = 64   // after the n-th failure, half of the best jointFew·2ⁿ are drawn
)

// jointFirst are the numbers of bits that the first round tries.
var jointFirst = []int{16, 64, 256, 1024}

// joint flips the k best bits together, the k that turns out best: a line search
// along the gradient.
type joint struct {
	rng    *rand.Rand
	pool   []Forecast // of this round, the best first
	from   float64    // the fitness that it is on
	sizes  []int      // numbers of bits to try yet
	best   Trial      // of this round; no flips: none yet
	again  bool       // best is proposed once more, to be kept
	last   int        // the number of bits that helped last, 0 before the first round
	failed int        // rounds in a row
}

// jointStream separates its random numbers from those of others with one seed.
const jointStream = 0x6a6f696e74

func newJoint(seed uint64) *joint { return &joint{rng: rand.New(rand.NewPCG(seed, jointStream))} }

func (j *joint) want(ms []Matrix) Want {
	w := Want{Matrices: ms}
	w.Best[Bit] = jointMost
	return w
}

func (j *joint) idle() bool { return len(j.sizes) == 0 && !j.again }

func (j *joint) begin(f Forecasts, best float64) {
	if j.failed >= jointPatience {
		return
	}
	pool := f.Best[Bit]
	helpful, _ := slices.BinarySearchFunc(pool, best, func(f Forecast, best float64) int {
		if f.Fitness > best {
			return -1
		}
		return 1
	})
	pool = pool[:helpful]
	if j.failed > 0 {
		var drawn []Forecast
		for _, f := range pool[:min(len(pool), jointFew<<j.failed)] {
			if j.rng.IntN(2) == 0 {
				drawn = append(drawn, f)
			}
		}
		pool = drawn
	}
	j.pool, j.from, j.best = pool, best, Trial{}
	sizes := jointFirst
	if j.last > 0 {
		sizes = []int{j.last / 2, j.last, j.last * 2}
	}
	for _, k := range sizes {
		j.sizes = append(j.sizes, max(1, min(k, len(pool), jointMost)))
	}
	j.sizes = slices.Compact(j.sizes)
	if len(pool) == 0 {
		j.sizes = nil
	}
}

func (j *joint) next(n int) []Move {
	if j.again {
		return []Move{j.best.Move}
	}
	var moves []Move
	for _, k := range j.sizes[:min(n, len(j.sizes))] {
		m := Move{Foreseen: true, Predicted: j.from}
		for _, f := range j.pool[:k] {
			m.Flips = append(m.Flips, f.Flip)
			m.Predicted += f.Fitness - j.from
		}
		moves = append(moves, m)
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
		j.last = max(1, j.last/4)
		return -1
	}
	j.last, j.failed = k, 0
	if last := len(trials) - 1; len(trials[last].Flips) == k {
		return last
	}
	j.again = true
	return -1
}
