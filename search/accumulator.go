package search

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"bankai"
)

// The defaults of a search by samples.
const (
	accumulatorDecay    = 0.8 // of what earlier blocks said, in a round
	accumulatorCertain  = 1   // standard errors that a gain must have to be kept
	accumulatorTries    = 8   // rows, and groups, to try in a round
	accumulatorMost     = 8   // the most blocks of a round, and those of the yardstick
	accumulatorPatience = 4   // rounds without success, of the most blocks, after which the search ends
)

// Accumulator goes by samples, so that a round costs the same however many examples
// there are. In a round it predicts on some blocks, adds what they say of every flip of
// a pool to a decayed sum, and tries those of the highest sums on the blocks that follow,
// on which they were not chosen: what looked good on a block by chance does not gain
// there. It keeps what gains by more than its standard error, rows and groups one at a
// time, bits many at a time. After a round without success it takes twice the blocks.
//
// Decayed sums of gradients that flip a weight are Bop's (Helwegen et al., 2019). Those
// of all weights would take as much memory as a float model, so only the flips of a pool
// have one: the best of a block enter it, the worst leave it. That is 512 rows, 512 groups
// and 2,048 bits, whatever the size of the model.
type Accumulator struct {
	matrices []Matrix
	sizes    []Granularity
	most     int // blocks of a round

	pools  [Granularities]map[bankai.Flip]evidence
	turns  []*surest // by sizes
	at     int       // the turn that it is
	sample Sample    // of this round: what it predicted on, then what it tries on
	base   Score     // of the current patch on sample
	has    bool      // base is known
	told   bool      // the predictions of this round are known
	kept   bool      // a flip was kept in this round
	failed int       // rounds in a row
}

// evidence is what blocks said of a flip: a decayed sum of predicted changes of the
// fitness, and the decayed number of those blocks.
type evidence struct{ sum, blocks float64 }

// expected is the change to be expected: the mean, drawn to 0 as if one block more had
// said 0. A flip came into the pool because it looked good on one.
func (e evidence) expected() float64 { return e.sum / (e.blocks + 1) }

// after is the evidence once n more blocks have said that the change is of a mean size.
func (e evidence) after(n, change float64) evidence {
	return evidence{float64(accumulatorDecay*e.sum) + float64(n*change), float64(accumulatorDecay*e.blocks) + n}
}

// entering is how many flips of a granularity may enter the pool in a round; four times
// as many may stay.
func entering(size Granularity) int {
	if size == Bit {
		return 512
	}
	return 128
}

// NewAccumulator returns the strategy over ms, by one or more granularities, for
// examples that are divided into epoch blocks.
func NewAccumulator(ms []Matrix, epoch int, sizes ...Granularity) (*Accumulator, error) {
	if err := checkMatrices(ms, true); err != nil {
		return nil, err
	}
	if len(sizes) == 0 {
		return nil, errors.New("nothing to search: choose rows, groups or bits")
	}
	if epoch < 1 {
		return nil, fmt.Errorf("an epoch of %d blocks: must be at least 1", epoch)
	}
	a := &Accumulator{
		matrices: slices.Clone(ms), sizes: slices.Clone(sizes),
		most: min(epoch, accumulatorMost), sample: Sample{N: 1},
	}
	for _, size := range sizes {
		a.pools[size] = map[bankai.Flip]evidence{}
		a.turns = append(a.turns, &surest{joint: size == Bit})
	}
	return a, nil
}

// Yardstick implements Sampled: the first blocks.
func (a *Accumulator) Yardstick() Sample { return Sample{0, a.most} }

// Wants implements Informed.
func (a *Accumulator) Wants() Want {
	if a.told {
		return Want{}
	}
	w := Want{Matrices: a.matrices, Sample: a.sample}
	for _, size := range a.sizes {
		w.Best[size] = entering(size)
		w.Flips = append(w.Flips, slices.SortedFunc(maps.Keys(a.pools[size]), compareFlips)...)
	}
	return w
}

// Inform implements Informed: a round begins. It tries on the blocks that follow.
func (a *Accumulator) Inform(f Predictions) {
	n, rest := float64(a.sample.N), f.Flips
	for _, size := range a.sizes {
		pool := a.pools[size]
		known := len(pool)
		for _, p := range rest[:known] {
			pool[p.Flip] = pool[p.Flip].after(n, p.Fitness-f.Now)
		}
		rest = rest[known:]
		for _, p := range f.Best[size] {
			if _, ok := pool[p.Flip]; !ok {
				pool[p.Flip] = evidence{}.after(n, p.Fitness-f.Now)
			}
		}
		best := a.best(size)
		for _, p := range best[min(len(best), 4*entering(size)):] {
			delete(pool, p.Flip)
		}
	}
	a.told, a.has, a.kept = true, false, false
	a.sample.First += a.sample.N
}

// best is a pool as what is expected of its flips, the highest first.
func (a *Accumulator) best(size Granularity) []Prediction {
	var list []Prediction
	for f, e := range a.pools[size] {
		list = append(list, Prediction{f, e.expected()})
	}
	slices.SortFunc(list, func(a, b Prediction) int {
		return cmp.Or(cmp.Compare(b.Fitness, a.Fitness), compareFlips(a.Flip, b.Flip))
	})
	return list
}

// Next implements Strategy.
func (a *Accumulator) Next(n int) []Move {
	if a.failed >= accumulatorPatience {
		return nil
	}
	if !a.has {
		return []Move{{Sample: a.sample}}
	}
	moves := a.turns[a.at].next(n)
	for i := range moves {
		moves[i].Sample = a.sample
	}
	return moves
}

// Learn implements Strategy.
func (a *Accumulator) Learn(trials []Trial) (keep int) {
	if len(trials[0].Flips) == 0 {
		if a.told { // otherwise it is the start
			a.base, a.has = trials[0].Score, true
			a.turn(0)
		}
		return -1
	}
	t := a.turns[a.at]
	if keep = t.learn(trials, a.base); keep >= 0 {
		a.base, a.kept = trials[keep].Score, true
		a.turnAround(trials[keep].Flips)
	}
	if t.idle() {
		a.turn(a.at + 1)
	}
	return keep
}

// turn goes to the first granularity from at on that has something to try, or ends the
// round: the next one predicts on the blocks that this one tried on.
func (a *Accumulator) turn(at int) {
	for a.at = at; a.at < len(a.turns); a.at++ {
		if a.turns[a.at].begin(a.best(a.sizes[a.at]), a.base.Fitness) {
			return
		}
	}
	a.at, a.told = 0, false
	switch {
	case a.kept:
		a.failed = 0
	case a.sample.N < a.most:
		a.sample.N = min(2*a.sample.N, a.most)
	default:
		a.failed++
	}
}

// turnAround turns the evidence of flips that were made, which may be taken back, and
// drops that of others that share a weight with them: it was of another sign.
func (a *Accumulator) turnAround(made []bankai.Flip) {
	type row struct {
		tensor string
		row    uint32
	}
	in := map[row][]bankai.Flip{}
	for _, f := range made {
		in[row{f.Tensor, f.Row}] = append(in[row{f.Tensor, f.Row}], f)
	}
	for _, size := range a.sizes {
		pool := a.pools[size]
		for f, e := range pool {
			for _, m := range in[row{f.Tensor, f.Row}] {
				if f == m {
					pool[f] = evidence{-e.sum, e.blocks}
				} else if overlap(f, m) {
					delete(pool, f)
				}
			}
		}
	}
}

// overlap reports whether two flips of one row share a weight.
func overlap(a, b bankai.Flip) bool {
	return uint64(a.Col) < uint64(b.Col)+uint64(b.N) && uint64(b.Col) < uint64(a.Col)+uint64(a.N)
}

// Facts implements Describer.
func (a *Accumulator) Facts() []Fact {
	var sizes []string
	for _, s := range a.sizes {
		sizes = append(sizes, s.String())
	}
	return []Fact{
		{"strategy", "sampled"},
		{"granularity", strings.Join(sizes, ", ")},
		matricesFact(a.matrices),
		{"accumulator", fmt.Sprint(accumulatorDecay, accumulatorCertain, accumulatorTries, a.most)},
	}
}

// surely reports whether a trial gains by more than chance explains.
func surely(base Score, t Trial) bool {
	return t.Fitness > base.Fitness && (t.Worth == nil || Pair(base, t.Score).Z() >= accumulatorCertain)
}

// surest tries the flips that promise most: one at a time, each of which is kept if it
// surely gains, or some numbers of them together, of which the best is.
type surest struct {
	joint bool
	best  []Prediction // of this round: those that promise something
	now   float64
	sizes []int // numbers of flips to try yet
	won   Trial // of this round, if joint; no flips: none yet
	again bool  // won is proposed once more, to be kept
	last  int   // the number of flips that helped last
}

func (s *surest) begin(best []Prediction, now float64) bool {
	n := 0
	for n < len(best) && best[n].Fitness > 0 {
		n++
	}
	s.best, s.now, s.sizes, s.won = best[:n], now, nil, Trial{}
	switch {
	case n == 0:
		return false
	case !s.joint:
		s.sizes = slices.Repeat([]int{1}, min(n, accumulatorTries))
		return true
	}
	k := cmp.Or(s.last, jointBegin)
	for _, k := range []int{2 * k, k} {
		s.sizes = append(s.sizes, max(1, min(k, n, jointStep)))
	}
	s.sizes = slices.Compact(s.sizes)
	return true
}

func (s *surest) idle() bool { return len(s.sizes) == 0 && !s.again }

func (s *surest) next(n int) (moves []Move) {
	if s.again {
		return []Move{s.won.Move}
	}
	for i, k := range s.sizes[:min(n, len(s.sizes))] {
		if s.joint {
			i = 0
		}
		moves = append(moves, predictedMove(s.best[i:i+k], 0, s.now))
	}
	return moves
}

func (s *surest) learn(trials []Trial, base Score) (keep int) {
	if s.again {
		s.again = false
		return 0
	}
	if !s.joint {
		for i, t := range trials {
			s.sizes, s.best = s.sizes[1:], s.best[1:]
			if surely(base, t) {
				s.now = t.Fitness
				return i
			}
		}
		return -1
	}
	for _, t := range trials {
		s.sizes = s.sizes[1:]
		if surely(base, t) && (len(s.won.Flips) == 0 || t.Fitness > s.won.Fitness) {
			s.won = t
		}
	}
	if len(s.sizes) > 0 {
		return -1
	}
	k := len(s.won.Flips)
	if k == 0 {
		s.last = max(jointLeast, s.last/4)
		return -1
	}
	s.last = k
	if last := len(trials) - 1; len(trials[last].Flips) == k && !math.IsInf(trials[last].Fitness, -1) {
		return last
	}
	s.again = true
	return -1
}
