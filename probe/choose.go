package probe

import (
	"slices"

	"bankai/internal/rng"
)

// Draw picks n probes of a set at random, as [Draw] does.
func (s Set) Draw(n int, seed uint64) Set { return Draw(s, n, seed) }

// Draw picks n of a list at random, or all if there are fewer, in the order of the
// list. What a seed draws first is among what it draws when it draws more.
func Draw[S ~[]T, T any](s S, n int, seed uint64) S {
	picked := rng.New(seed, "draw").Perm(len(s))[:min(n, len(s))]
	slices.Sort(picked)
	out := make(S, len(picked))
	for i, at := range picked {
		out[i] = s[at]
	}
	return out
}
