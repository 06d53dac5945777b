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

// Tuning is exported while the defaults are chosen.
var Tuning = struct {
	Decay, Shrink, Z float64
	Single           bool
	Most             int
	Tries            int
}{0.8, 1, 1, false, 8, 8}

// Accumulator goes by small samples, so that a round costs the same however many
// examples there are. A round predicts on some blocks, adds what they say of every
// flip of a pool to a decayed sum, and tries the flips of the highest sums on the next
// blocks, on which they were not chosen. It keeps what gains there by more than chance.
type Accumulator struct {
	matrices  []Matrix
	sizes     []Granularity
	yardstick int // blocks

	pools  [Granularities]map[bankai.Flip]evidence
	turns  []*together
	at     int    // the turn that it is
	sample Sample // of this round
	base   Score  // of the current patch on sample
	has    bool   // base is known
	told   bool   // predictions on sample are known
	kept   bool   // in this round
	failed int    // rounds in a row
}

// evidence is what blocks said of a flip: a decayed sum of predicted changes of the
// fitness, and the decayed number of those blocks.
type evidence struct{ sum, blocks float64 }

// expected is the change to be expected: the mean, drawn to 0 as if a block more had
// said that. A flip came into the pool because it looked good on one.
func (e evidence) expected() float64 { return e.sum / (e.blocks + Tuning.Shrink) }

const (
	poolEnter = 128 // flips that enter a pool in a round, of rows and of groups
	poolMost  = 512 // flips that stay in it
	poolBits  = 4   // times as many bits
)

// NewAccumulator returns the strategy over ms, by one or more granularities. An epoch
// of the examples has so many blocks.
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
	a := &Accumulator{matrices: slices.Clone(ms), sizes: slices.Clone(sizes), yardstick: min(epoch, Tuning.Most)}
	for _, size := range sizes {
		a.pools[size] = map[bankai.Flip]evidence{}
		a.turns = append(a.turns, &together{size: size})
	}
	a.sample = Sample{0, 1}
	return a, nil
}

// Yardstick implements Sampled.
func (a *Accumulator) Yardstick() Sample { return Sample{0, a.yardstick} }

// entering is how many flips of a granularity enter the pool in a round.
func entering(size Granularity) int {
	if size == Bit {
		return poolEnter * poolBits
	}
	return poolEnter
}

func staying(size Granularity) int { return entering(size) * poolMost / poolEnter }

// Wants implements Informed.
func (a *Accumulator) Wants() Want {
	if a.told {
		return Want{}
	}
	w := Want{Matrices: a.matrices, Sample: a.sample}
	for _, size := range a.sizes {
		w.Best[size] = entering(size)
		w.Flips = append(w.Flips, a.pooled(size)...)
	}
	return w
}

// pooled is the pool of a granularity in a fixed order.
func (a *Accumulator) pooled(size Granularity) []bankai.Flip {
	return slices.SortedFunc(maps.Keys(a.pools[size]), compareFlips)
}

// Inform implements Informed: the round before is over, and its blocks are evidence.
func (a *Accumulator) Inform(f Predictions) {
	n := float64(a.sample.N)
	rest := f.Flips
	for _, size := range a.sizes {
		pool := a.pools[size]
		known := len(pool)
		for _, p := range rest[:known] {
			e := pool[p.Flip]
			pool[p.Flip] = evidence{
				float64(Tuning.Decay*e.sum) + float64(n*(p.Fitness-f.Now)),
				float64(Tuning.Decay*e.blocks) + n,
			}
		}
		rest = rest[known:]
		for _, p := range f.Best[size] {
			if _, ok := pool[p.Flip]; !ok {
				pool[p.Flip] = evidence{n * (p.Fitness - f.Now), n}
			}
		}
		for _, p := range a.ranked(size)[min(len(pool), staying(size)):] {
			delete(pool, p.Flip)
		}
	}
	a.told, a.has = true, false
	a.sample.First += a.sample.N
}

// ranked is a pool with what is expected of every flip, the highest first.
func (a *Accumulator) ranked(size Granularity) []Prediction {
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
	if a.failed >= 2*Tuning.Most && a.at == 0 {
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
		if trials[0].Sample == a.sample {
			a.base, a.has = trials[0].Score, true
			a.at = -1
			a.turn()
		}
		return -1
	}
	t := a.turns[a.at]
	keep = t.learn(trials, a.base)
	if keep >= 0 {
		a.base, a.kept = trials[keep].Score, true
		a.changed(trials[keep].Flips)
	}
	if t.idle() {
		a.turn()
	}
	return keep
}

// changed turns the evidence of flips that were made around, and drops that of flips
// that they overlap: it was about other signs.
func (a *Accumulator) changed(flips []bankai.Flip) {
	type row struct {
		tensor string
		row    uint32
	}
	made := map[row][]bankai.Flip{}
	for _, f := range flips {
		k := row{f.Tensor, f.Row}
		made[k] = append(made[k], f)
	}
	for _, size := range a.sizes {
		for f, e := range a.pools[size] {
			for _, m := range made[row{f.Tensor, f.Row}] {
				if f == m {
					a.pools[size][f] = evidence{-e.sum, e.blocks}
				} else if overlap(f, m) {
					delete(a.pools[size], f)
				}
			}
		}
	}
}

// overlap reports whether two flips of one row share a weight.
func overlap(a, b bankai.Flip) bool {
	return uint64(a.Col) < uint64(b.Col)+uint64(b.N) && uint64(b.Col) < uint64(a.Col)+uint64(a.N)
}

// turn goes to the next granularity that has something to try, or ends the round.
func (a *Accumulator) turn() {
	for a.at++; a.at < len(a.turns); a.at++ {
		if t := a.turns[a.at]; t.begin(a.ranked(t.size), a.base.Fitness) {
			return
		}
	}
	a.at, a.told = 0, false
	if a.kept {
		a.failed = 0
	} else {
		a.failed++
		a.sample.N = min(2*a.sample.N, a.yardstick)
	}
	a.kept = false
}

// Facts implements Describer.
func (a *Accumulator) Facts() []Fact {
	var sizes []string
	for _, s := range a.sizes {
		sizes = append(sizes, s.String())
	}
	return []Fact{
		{"strategy", "accumulator"},
		{"granularity", strings.Join(sizes, ", ")},
		matricesFact(a.matrices),
		{"yardstick", fmt.Sprint(a.yardstick, " blocks")},
	}
}

// together tries the best flips of a granularity together: as many as turn out best.
type together struct {
	size  Granularity
	pool  []Prediction
	now   float64
	sizes []int // numbers of flips to try yet
	best  Trial // of this round; no flips: none yet
	again bool
	last  int
}

func (t *together) begin(pool []Prediction, now float64) bool {
	n := 0
	for n < len(pool) && pool[n].Fitness > 0 {
		n++
	}
	t.pool, t.now, t.best, t.sizes = pool[:n], now, Trial{}, nil
	if n == 0 {
		return false
	}
	if Tuning.Single && t.size != Bit {
		for range min(n, Tuning.Tries) {
			t.sizes = append(t.sizes, 1)
		}
		return true
	}
	sizes := []int{t.last / 2, t.last * 2, t.last}
	switch {
	case t.last == 0 && t.size == Bit:
		sizes = jointFirst
	case t.last == 0:
		sizes = []int{1, 4, 16}
	}
	for _, k := range sizes {
		t.sizes = append(t.sizes, max(1, min(k, n)))
	}
	t.sizes = slices.Compact(t.sizes)
	return true
}

func (t *together) idle() bool { return len(t.sizes) == 0 && !t.again }

func (t *together) next(n int) (moves []Move) {
	if t.again {
		return []Move{t.best.Move}
	}
	if Tuning.Single && t.size != Bit {
		for i := range min(n, len(t.sizes)) {
			moves = append(moves, predictedMove(t.pool[i:i+1], 0, t.now))
		}
		return moves
	}
	for _, k := range t.sizes[:min(n, len(t.sizes))] {
		moves = append(moves, predictedMove(t.pool[:k], 0, t.now))
	}
	return moves
}

// gains reports whether a trial is better than chance explains.
func gains(base Score, t Trial) bool {
	if math.IsInf(t.Fitness, -1) || t.Fitness <= base.Fitness {
		return false
	}
	if t.Worth == nil {
		return true
	}
	return Pair(base, t.Score).Z() >= Tuning.Z
}

func (t *together) learn(trials []Trial, base Score) (keep int) {
	if t.again {
		t.again = false
		return 0
	}
	if Tuning.Single && t.size != Bit {
		for i, tr := range trials {
			t.sizes, t.pool = t.sizes[1:], t.pool[1:]
			if gains(base, tr) {
				t.now = tr.Fitness
				return i
			}
		}
		return -1
	}
	for _, tr := range trials {
		t.sizes = t.sizes[1:]
		if gains(base, tr) && (len(t.best.Flips) == 0 || tr.Fitness > t.best.Fitness) {
			t.best = tr
		}
	}
	if len(t.sizes) > 0 {
		return -1
	}
	k := len(t.best.Flips)
	if k == 0 {
		t.last = max(1, t.last/4)
		return -1
	}
	t.last = k
	if last := len(trials) - 1; len(trials[last].Flips) == k {
		return last
	}
	t.again = true
	return -1
}
