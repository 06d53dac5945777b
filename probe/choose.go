package probe

import (
	"math/rand/v2"
	"slices"
)

// drawStream separates the random numbers of [Set.Draw] from those of others
// with one seed.
const drawStream = 0x64726177

// Draw picks n probes of a set at random, or all if there are not so many, in the
// order of the set. What a seed draws first is among what it draws when it draws
// more.
func (s Set) Draw(n int, seed uint64) Set {
	picked := rand.New(rand.NewPCG(seed, drawStream)).Perm(len(s))[:min(n, len(s))]
	slices.Sort(picked)
	out := make(Set, len(picked))
	for i, at := range picked {
		out[i] = s[at]
	}
	return out
}
