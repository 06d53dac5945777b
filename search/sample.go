package search

import (
	"fmt"
	"math"
	"slices"

	"bankai/internal/rng"
)

// Sample names some of the examples that patches are measured on: blocks First to
// First+N−1 of an endless sequence, in which every example comes once an epoch. The
// zero Sample is all examples.
type Sample struct{ First, N int }

// All reports whether it is all examples.
func (s Sample) All() bool { return s == Sample{} }

// String names the blocks, as "blocks 3-6", or "all".
func (s Sample) String() string {
	if s.All() {
		return "all"
	}
	return fmt.Sprintf("blocks %d-%d", s.First, s.First+s.N-1)
}

// Check reports blocks that there are not.
func (s Sample) Check() error {
	if s.First < 0 || s.N < 0 || s.N == 0 && s.First != 0 || s.First > math.MaxInt32 || s.N > math.MaxInt32 {
		return fmt.Errorf("sample of %d blocks from %d: must be at least 1 from 0 up, or both 0 for all", s.N, s.First)
	}
	return nil
}

// Deal is the sequence of blocks of some examples: shuffled anew for every epoch, and
// cut into blocks whose sizes differ by one at most.
type Deal struct {
	Examples int
	Blocks   int // in an epoch, at most Examples
	Seed     uint64
	Stratum  uint32 // tells examples apart that are dealt by one seed
}

// dealt marks the streams of deals: a number that no name of a stream has, whose bytes
// are ASCII.
const dealt = 1 << 63

// DealOf cuts examples into blocks of about the given size.
func DealOf(examples, size int, seed uint64, stratum uint32) Deal {
	return Deal{examples, max(1, (examples+size/2)/max(1, size)), seed, stratum}
}

// Of lists the examples of a sample in ascending order, each once, also where the
// sample reaches into a second epoch.
func (d Deal) Of(s Sample) []int {
	in := make([]bool, d.Examples)
	if s.All() || s.N >= 2*d.Blocks-1 { // a whole epoch, wherever it begins
		for i := range in {
			in[i] = true
		}
	}
	var order []int
	for epoch, b := -1, s.First; b < s.First+min(s.N, 2*d.Blocks); b++ {
		if e := b / d.Blocks; e != epoch {
			epoch = e
			order = rng.Numbered(d.Seed, dealt|uint64(d.Stratum)<<32|uint64(epoch)).Perm(d.Examples)
		}
		at := b % d.Blocks
		for _, i := range order[at*d.Examples/d.Blocks : (at+1)*d.Examples/d.Blocks] {
			in[i] = true
		}
	}
	return slices.DeleteFunc(indices(d.Examples), func(i int) bool { return !in[i] })
}

// indices are 0 to n−1.
func indices(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// Sampled is a Strategy that measures moves on samples. [Run] measures the start and
// the result on Yardstick; what the moves in between were worth, it adds up.
type Sampled interface {
	Strategy
	Yardstick() Sample
}

// Paired compares scores of one sample with and without a move, example by example.
type Paired struct {
	N       int     // examples
	Gain    float64 // sum of what the move changes in Worth: of one sample, that of the fitness
	Squares float64 // sum of its squares
}

// Pair compares scores on one sample.
func Pair(without, with Score) (p Paired) {
	for i, w := range with.Worth {
		d := w - without.Worth[i]
		p.N++
		p.Gain += d
		p.Squares += float64(d * d)
	}
	return p
}

// Z is the gain in units of its standard error, of which it takes every example for a
// draw from one population: too large an error, if they differ in kind. Without an
// error to tell, it is 0 or infinite.
func (p Paired) Z() float64 {
	n := float64(p.N)
	variance := (p.Squares - float64(p.Gain*p.Gain)/max(1, n)) * n / max(1, n-1)
	switch {
	case p.Gain == 0:
		return 0
	case !(variance > 0):
		return math.Copysign(math.Inf(1), p.Gain)
	}
	return p.Gain / math.Sqrt(variance)
}
