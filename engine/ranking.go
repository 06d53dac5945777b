package engine

import (
	"math"
	"slices"

	"bankai/internal/kernel"
)

// rank is a token with its logit, made so that of two ranks the smaller is the
// likelier token's: that of the larger logit, or the smaller id among equals.
type rank uint64

// beforeAll comes before every token of a finite logit.
var beforeAll = rankOf(float32(math.Inf(1)), 0)

func rankOf(logit float32, id int) rank {
	return rank(reversed(math.Float32bits(logit+0)))<<32 | rank(uint32(id)) // −0 + 0 is +0: they are equal
}

func (r rank) id() int32 { return int32(uint32(r)) }

func (r rank) logit() float32 { return math.Float32frombits(reversed(uint32(r >> 32))) }

// reversed turns the bits of floats into integers in the opposite order, and back:
// the bits of negative ones have it already.
func reversed(bits uint32) uint32 {
	if int32(bits) < 0 {
		return bits
	}
	return ^bits &^ (1 << 31)
}

// rankBlock is how many logits are looked through together.
const rankBlock = 256

// ranking puts tokens in order, the likeliest first, but only as many as are asked
// for: of a vocabulary, a sampler needs a few. A token of the logit −∞ has no place.
type ranking struct {
	kernel  *kernel.Set
	logits  []float32
	tops    []float32 // the largest logit of each block
	ordered []rank
	// next is a heap of one rank for each block: its likeliest token that is not in
	// ordered, or, until it is needed, one that is not after that one.
	next []rank
}

// reset begins the ranking of other logits, none of them NaN, in the memory of the
// last one.
func (o *ranking) reset(logits []float32) {
	o.logits, o.tops, o.ordered, o.next = logits, o.tops[:0], o.ordered[:0], o.next[:0]
	for block := range slices.Chunk(logits, rankBlock) {
		o.tops = append(o.tops, o.kernel.Max(block))
	}
}

// block is the n-th block of logits.
func (o *ranking) block(n int) []float32 {
	return o.logits[n*rankBlock : min((n+1)*rankBlock, len(o.logits))]
}

// first is the token of the largest logit, the first among equals.
func (o *ranking) first() int {
	n := slices.Index(o.tops, slices.Max(o.tops))
	return n*rankBlock + slices.Index(o.block(n), o.tops[n])
}

// at is the token in place i, and false if there is none.
func (o *ranking) at(i int) (rank, bool) {
	if len(o.next) == 0 {
		o.begin()
	}
	for len(o.ordered) <= i {
		r := o.next[0]
		if r.logit() == float32(math.Inf(-1)) {
			return r, false
		}
		last := beforeAll
		if o.logits[r.id()] == r.logit() { // a token, and not only a bound
			o.ordered = append(o.ordered, r)
			last = r
		}
		o.next[0] = o.likeliest(int(r.id())/rankBlock, last)
		o.sink(0)
	}
	return o.ordered[i], true
}

// top is the log-probabilities of the n likeliest tokens; lse is ln Σ e^logit.
func (o *ranking) top(n int, lse float64) []LogProb {
	var all []LogProb
	for i := range n {
		r, ok := o.at(i)
		if !ok {
			break
		}
		all = append(all, LogProb{r.id(), float64(r.logit()) - lse})
	}
	return all
}

// begin makes the heap, in which each block has the rank that its largest logit
// would have if it were the block's first.
func (o *ranking) begin() {
	for n, top := range o.tops {
		o.next = append(o.next, rankOf(top, n*rankBlock))
	}
	for i := len(o.next)/2 - 1; i >= 0; i-- {
		o.sink(i)
	}
}

// likeliest is the likeliest token after last in block n.
func (o *ranking) likeliest(n int, last rank) rank {
	limit, id := last.logit(), last.id()
	most, at := float32(math.Inf(-1)), n*rankBlock
	for i, l := range o.block(n) {
		if l > most && (l < limit || l == limit && int32(n*rankBlock+i) > id) {
			most, at = l, n*rankBlock+i
		}
	}
	return rankOf(most, at)
}

// sink moves element i of the heap down to where it belongs.
func (o *ranking) sink(i int) {
	for {
		child := 2*i + 1
		if child >= len(o.next) {
			return
		}
		if right := child + 1; right < len(o.next) && o.next[right] < o.next[child] {
			child = right
		}
		if o.next[i] <= o.next[child] {
			return
		}
		o.next[i], o.next[child] = o.next[child], o.next[i]
		i = child
	}
}
