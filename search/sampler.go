package search

import (
	"fmt"
	"math/bits"

	"bankai"
	"bankai/internal/rng"
)

// sampler draws candidates without replacement, each with a probability in
// proportion to its weight among those that are left. Weights are integers and
// sums of them are exact, so taking a candidate out leaves no rounding error
// behind, and a draw is the same on every machine.
//
// Only the rows have entries in the tree. A group is found by walking along its
// row, so that the 56 million groups of an 8B model cost no memory of their own.
type sampler struct {
	matrices []Matrix
	gran     Granularity
	uniform  bool
	first    []int               // index of each matrix's first row among all rows; one more for the end
	tree     []uint64            // Fenwick tree over the rows' remaining weights
	total    uint64              // what is left of all weights
	drawn    map[uint64]struct{} // drawn groups, as row<<32|group
	random   *rng.Stream
}

func newSampler(ms []Matrix, gran Granularity, uniform bool, seed uint64) (*sampler, error) {
	s := &sampler{
		matrices: ms, gran: gran, uniform: uniform,
		first:  make([]int, len(ms)+1),
		drawn:  make(map[uint64]struct{}),
		random: rng.New(seed, "sampler"),
	}
	for i, m := range ms {
		s.first[i+1] = s.first[i] + m.Rows
	}
	s.tree = make([]uint64, s.first[len(ms)])
	for i, m := range ms {
		for r := range m.Rows {
			w, err := s.rowWeight(m, r)
			if err != nil {
				return nil, err
			}
			s.tree[s.first[i]+r] = w
			if s.total += w; s.total >= 1<<62 {
				return nil, fmt.Errorf("%s: the scales are too large to draw rows by", m.Name)
			}
		}
	}
	for i := range s.tree { // turns the weights into partial sums, in place
		if up := i | (i + 1); up < len(s.tree) {
			s.tree[up] += s.tree[i]
		}
	}
	return s, nil
}

// rowWeight is the weight of a whole row (its mean scale) or, when groups are
// drawn, the sum of its groups' weights.
func (s *sampler) rowWeight(m Matrix, row int) (uint64, error) {
	if s.uniform && s.gran == Row {
		return 1, nil
	}
	var sum uint64
	for g := range m.Groups {
		w := s.groupWeight(m, row, g)
		if w > MaxScale {
			return 0, fmt.Errorf("%s: row %d has a scale that is not a finite float16", m.Name, row)
		}
		sum += w
	}
	if s.gran == Row {
		n := uint64(m.Groups)
		sum = (sum + n/2) / n
	}
	return sum, nil
}

func (s *sampler) groupWeight(m Matrix, row, group int) uint64 {
	if s.uniform {
		return 1
	}
	return m.Scale(row, group)
}

// next draws a candidate. It returns false when none with a weight is left.
func (s *sampler) next() (bankai.Flip, bool) {
	if s.total == 0 {
		return bankai.Flip{}, false
	}
	at, rest := s.find(s.random.Masked(s.total))
	i := s.matrixOf(at)
	m, row := s.matrices[i], at-s.first[i]
	f := bankai.Flip{Tensor: m.Name, Row: uint32(row), N: bankai.ToEnd}
	if s.gran == Row {
		w, _ := s.rowWeight(m, row) // was checked by newSampler
		s.remove(at, w)
		return f, true
	}
	for g := range m.Groups {
		key := uint64(at)<<32 | uint64(g)
		if _, gone := s.drawn[key]; gone {
			continue
		}
		w := s.groupWeight(m, row, g)
		if rest < w {
			s.drawn[key] = struct{}{}
			s.remove(at, w)
			f.Col, f.N = uint32(g)*bankai.GroupSize, bankai.GroupSize
			break
		}
		rest -= w
	}
	return f, true
}

// find returns the row in which the running sum of the weights passes v, and
// what v exceeds the sum of the rows before it by.
func (s *sampler) find(v uint64) (row int, rest uint64) {
	for step := 1 << (bits.Len(uint(len(s.tree))) - 1); step > 0; step >>= 1 {
		if next := row + step; next <= len(s.tree) && s.tree[next-1] <= v {
			row = next
			v -= s.tree[next-1]
		}
	}
	return row, v
}

// remove takes w off the weight of a row.
func (s *sampler) remove(row int, w uint64) {
	s.total -= w
	for i := row; i < len(s.tree); i |= i + 1 {
		s.tree[i] -= w
	}
}

// matrixOf returns the matrix that a row, counted through all of them, is in.
func (s *sampler) matrixOf(row int) int {
	lo, hi := 0, len(s.matrices)-1
	for lo < hi {
		mid := (lo + hi + 1) / 2
		if s.first[mid] <= row {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return lo
}
