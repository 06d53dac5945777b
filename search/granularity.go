package search

import (
	"fmt"
	"strings"

	"bankai"
)

// Granularity is the size of the pieces that are flipped.
type Granularity uint8

const (
	Row   Granularity = iota // all weights of one output neuron
	Group                    // the bankai.GroupSize weights that share a scale
	Bit                      // one weight
)

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

// granularityOf is the size of a flip as strategies make them: a whole row, a
// group, or fewer weights.
func granularityOf(f bankai.Flip) Granularity {
	switch {
	case f.Col == 0 && f.N == bankai.ToEnd:
		return Row
	case f.Col%bankai.GroupSize == 0 && f.N == bankai.GroupSize:
		return Group
	}
	return Bit
}
