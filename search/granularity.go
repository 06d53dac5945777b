package search

import (
	"fmt"
	"strings"

	"bankai"
)

// Matrix is a 1-bit tensor whose rows and groups a search may flip.
type Matrix struct {
	Name   string // the tensor's name, such as blk.3.ffn_gate.weight
	Rows   int
	Groups int // groups of bankai.GroupSize columns in a row
	// Scale is |d| of a group, whose weights are ±d, in units of 2^-24: the
	// smallest float16, so that every scale is a whole number, at most MaxScale.
	Scale func(row, group int) uint64
}

// MaxScale is more than the largest finite float16 in units of 2^-24.
const MaxScale = 1 << 40

// Granularity is the size of the pieces that are flipped.
type Granularity uint8

const (
	Row   Granularity = iota // all weights of one output neuron
	Group                    // the bankai.GroupSize weights that share a scale
	Bit                      // one weight
)

// Granularities is their number.
const Granularities = len(granularityNames)

var granularityNames = [...]string{"row", "group", "bit"}

// String returns "row", "group" or "bit".
func (g Granularity) String() string {
	if int(g) < len(granularityNames) {
		return granularityNames[g]
	}
	return fmt.Sprintf("granularity(%d)", uint8(g))
}

// ParseGranularity is the inverse of String.
func ParseGranularity(s string) (Granularity, error) {
	for i, n := range granularityNames {
		if s == n {
			return Granularity(i), nil
		}
	}
	return 0, fmt.Errorf("unknown granularity %q: use %s", s, strings.Join(granularityNames[:], ", "))
}

// GranularityOf is the size of a flip as strategies make them: a whole row, a
// group, or fewer weights.
func GranularityOf(f bankai.Flip) Granularity {
	switch {
	case f.Col == 0 && f.N == bankai.ToEnd:
		return Row
	case f.Col%bankai.GroupSize == 0 && f.N == bankai.GroupSize:
		return Group
	}
	return Bit
}
