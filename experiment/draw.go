package experiment

import (
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strings"

	"bankai/internal/rng"
	"bankai/internal/text"
)

// drawStream tells the random numbers of draws from those of other uses.
const drawStream = 0xd4a37b15

// drawing is the random numbers of one draw: a stream for each name, however long.
func drawing(seed uint64, name string) *rng.Stream {
	h := fnv.New64a()
	io.WriteString(h, name)
	return rng.Numbered(seed, h.Sum64()^drawStream)
}

// draw returns n different numbers below total, ascending, every such set being
// equally likely: none of its steps treats one number unlike another. Its memory
// goes with n.
func draw(random *rng.Stream, n, total uint64) []uint64 {
	if n > total/2 {
		return others(draw(random, total-n, total), total)
	}
	drawn := make([]uint64, 0, n)
	for uint64(len(drawn)) < n {
		for uint64(len(drawn)) < n {
			drawn = append(drawn, random.Below(total))
		}
		slices.Sort(drawn)
		drawn = slices.Compact(drawn)
	}
	return drawn
}

// others are the numbers below total that are not in drawn, which ascends.
func others(drawn []uint64, total uint64) []uint64 {
	rest := make([]uint64, 0, total-uint64(len(drawn)))
	for i := range total {
		if len(drawn) > 0 && drawn[0] == i {
			drawn = drawn[1:]
			continue
		}
		rest = append(rest, i)
	}
	return rest
}

// oneOf refuses what is not in a list.
func oneOf(what, value string, list []string) error {
	if !slices.Contains(list, value) {
		return fmt.Errorf("unknown %s %q: use %s", what, value, strings.Join(list, ", "))
	}
	return nil
}

// thousands is a large number for people.
func thousands(n uint64) string { return text.Thousands(int64(n)) }
