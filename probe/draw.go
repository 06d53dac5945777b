package probe

import (
	"fmt"
	"math/bits"
	"slices"

	"bankai/internal/rng"
)

// draw takes combinations of a template at random, without replacement and
// without a list of them. Of a pool of combinations the one goes first whose
// values were taken least, so that small samples, too, have every value.
type draw struct {
	t     *Template
	order permutation
	drawn uint64 // combinations
	pool  []made
	taken []map[uint64]uint64 // for each variable, how often each value was
}

const (
	poolSize  = 64
	maxMisses = 1_000_000 // combinations in a row that make no probe
	maxWeight = 1 << 20   // bounds the weight of a value, see imbalance
)

func newDraw(t *Template, seed uint64) *draw {
	d := &draw{t: t, order: newPermutation(t.count, rng.Numbered(seed, uint64(t.number)))}
	for range t.vars {
		d.taken = append(d.taken, map[uint64]uint64{})
	}
	return d
}

// next is the next probe of the sample; ok is false when all combinations are
// used up.
func (d *draw) next(x *expander) (m made, ok bool, err error) {
	for misses := 0; len(d.pool) < poolSize && d.drawn < d.t.count; misses++ {
		if misses == maxMisses {
			return m, false, fmt.Errorf("template %d: of %d combinations in a row none fits \"where\" and has whole results: narrow the ranges", d.t.number, misses)
		}
		m, ok, err := x.make(d.t, d.order.at(d.drawn))
		if err != nil {
			return m, false, err
		}
		d.drawn++
		if ok {
			d.pool = append(d.pool, m)
		}
	}
	if len(d.pool) == 0 {
		return m, false, nil
	}
	best := 0
	for i := range d.pool {
		if d.imbalance(d.pool[i]) < d.imbalance(d.pool[best]) {
			best = i
		}
	}
	m = d.pool[best]
	d.pool = slices.Delete(d.pool, best, best+1)
	for i, digit := range m.digits {
		d.taken[i][digit]++
	}
	return m, true, nil
}

// imbalance says how much more than their share the values of m were taken: the
// sum of how often each was, times the number of values of its variable.
func (d *draw) imbalance(m made) (sum uint64) {
	for i, digit := range m.digits {
		sum += d.taken[i][digit] * min(d.t.vars[i].count, maxWeight)
	}
	return sum
}

// permutation is a pseudo-random order of the numbers below n: a Feistel network
// over the next power of four, walked on until it gives a number below n.
type permutation struct {
	n    uint64
	half int // bits of a half
	keys [6]uint64
}

func newPermutation(n uint64, random *rng.Stream) permutation {
	p := permutation{n: n, half: max(1, (bits.Len64(n-1)+1)/2)}
	for i := range p.keys {
		p.keys[i] = random.Uint64()
	}
	return p
}

// at is the i-th number; i < n.
func (p *permutation) at(i uint64) uint64 {
	mask := uint64(1)<<p.half - 1
	for {
		left, right := i>>p.half, i&mask
		for _, key := range p.keys {
			left, right = right, left^mix(right^key)&mask
		}
		if i = left<<p.half | right; i < p.n {
			return i
		}
	}
}

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
