// Package rng is the random numbers of this project: streams by name from a seed.
// Equal seeds and names give equal numbers on every machine and with every release of
// Go: the generator is the published PCG-DXSM, and the ways to make numbers of its bits
// are spelt out here, since those of a library may change.
package rng

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
)

// Stream is a sequence of random numbers. Two goroutines must not use one at once.
type Stream struct{ pcg *rand.PCG }

// New begins the stream of a name, which tells its numbers from those that other uses
// of the same seed draw. It panics if the name has more than 8 bytes.
func New(seed uint64, name string) *Stream {
	if len(name) > 8 {
		panic(fmt.Sprintf("rng: the name %q of a stream has more than 8 bytes", name))
	}
	var number uint64
	for _, b := range []byte(name) {
		number = number<<8 | uint64(b)
	}
	return Numbered(seed, number)
}

// Numbered begins the stream of a number, where there are as many streams as there are
// things to draw for.
func Numbered(seed, number uint64) *Stream { return &Stream{rand.NewPCG(seed, number)} }

// Uint64 returns 64 random bits.
func (s *Stream) Uint64() uint64 { return s.pcg.Uint64() }

// Below returns a uniform number in [0, n), n > 0: the upper half of a product (D.
// Lemire, ACM Transactions on Modeling and Computer Simulation 29, 2019).
func (s *Stream) Below(n uint64) uint64 {
	if n&(n-1) == 0 {
		return s.Uint64() & (n - 1)
	}
	high, low := bits.Mul64(s.Uint64(), n)
	for least := -n % n; low < least; {
		high, low = bits.Mul64(s.Uint64(), n)
	}
	return high
}

// Masked returns a uniform number in [0, n), n > 0, too: the first of the numbers of
// just enough bits that is below n. It takes other bits than Below, and is what the
// bootstrap and the sampler of moves have always drawn by.
func (s *Stream) Masked(n uint64) uint64 {
	mask := ^uint64(0) >> bits.LeadingZeros64(n-1)
	for {
		if v := s.Uint64() & mask; v < n {
			return v
		}
	}
}

// Int returns a uniform number in [0, n), n > 0.
func (s *Stream) Int(n int) int { return int(s.Below(uint64(n))) }

// Float64 returns a uniform number in [0, 1), a multiple of 2^-53.
func (s *Stream) Float64() float64 { return float64(s.Uint64()<<11>>11) / (1 << 53) }

// Shuffle puts n things into a random order (Fisher and Yates); swap exchanges two.
func (s *Stream) Shuffle(n int, swap func(i, j int)) {
	for i := n - 1; i > 0; i-- {
		swap(i, s.Int(i+1))
	}
}

// Perm returns a random order of the numbers below n.
func (s *Stream) Perm(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	s.Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order
}
