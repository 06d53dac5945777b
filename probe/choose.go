package probe

import (
	"slices"

	"bankai/internal/rng"
)

// Draw picks n probes of a set at random, or all if there are fewer, in the
// order of the set. What a seed draws first is among what it draws when it draws
// more.
func (s Set) Draw(n int, seed uint64) Set {
	picked := rng.New(seed, "draw").Perm(len(s))[:min(n, len(s))]
	slices.Sort(picked)
	out := make(Set, len(picked))
	for i, at := range picked {
		out[i] = s[at]
	}
	return out
}
