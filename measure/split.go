package measure

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"bankai/engine"
	"bankai/internal/rng"
	"bankai/probe"
)

// Merged is the probes of several sets, each question once.
type Merged struct {
	Set     probe.Set
	Repeats int // probes left out that ask what another asks, with the same right answer
	Alike   int // probes left out whose prompts differ from another's in spacing, brackets, case or * alone, with another answer
}

// Merge joins sets so that no two probes have prompts that an audit would take
// for one; the first of such probes stays. Names that two sets share get a number.
// It fails where one prompt, to the letter, has two right answers.
func Merge(sets []Named) (*Merged, error) {
	out := &Merged{}
	type place struct {
		index int // in out.Set
		file  string
	}
	first := map[string]place{} // by normalised prompt
	for _, s := range sets {
		for _, p := range s.Set {
			key := probe.Normalize(p.Prompt)
			at, seen := first[key]
			if !seen {
				first[key] = place{len(out.Set), s.Name}
				out.Set = append(out.Set, p)
				continue
			}
			q := out.Set[at.index]
			switch {
			case q.Agrees(p):
				out.Repeats++
			case q.Prompt == p.Prompt:
				return nil, fmt.Errorf("%s: probe %s answers %q with %q, but %s of %s with %q: take out the one that is wrong", s.Name, p.Name, p.Prompt, p.Correct, q.Name, at.file, q.Correct)
			default:
				out.Alike++
			}
		}
	}
	out.Set.Distinguish()
	return out, nil
}

// Spread returns the indices of a set in a random order of which every stretch
// holds the categories in proportion, as well as whole numbers can: the i-th of a
// category's n probes stands at a random place in the i-th n-th of the order.
func Spread(set probe.Set, seed uint64) []int {
	random := rng.Numbered(seed, uint64(len(set)))
	at := make([]float64, len(set))
	names, members := categories(set)
	for _, name := range names {
		list := slices.Clone(members[name])
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		shift := random.Float64()
		for i, k := range list {
			at[k] = (float64(i) + shift) / float64(len(list))
		}
	}
	order := make([]int, len(set))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(at[a], at[b]), cmp.Compare(a, b)) })
	return order
}

// Sample is n probes of a set, in its order, of which the categories are as large as in
// the whole, as well as whole numbers can: the whole, if there are no more than n.
func Sample(set probe.Set, n int, seed uint64) probe.Set {
	if n >= len(set) {
		return set
	}
	taken := Spread(set, seed)[:n]
	slices.Sort(taken)
	some := make(probe.Set, n)
	for i, k := range taken {
		some[i] = set[k]
	}
	return some
}

// FirstRight returns the indices of the first n probes, in the given order, that
// the model answers right under the overlay o; fewer if there are no more.
// After every few probes progress, unless nil, is told how many were found.
func FirstRight(ctx context.Context, m Model, o *engine.Overlay, set probe.Set, order []int, n int, progress func(found int)) ([]int, error) {
	var right []int
	size := atOnce(m)
	for lo := 0; lo < len(order) && len(right) < n; lo += size {
		part := order[lo:min(lo+size, len(order))]
		asked := make(probe.Set, len(part))
		for i, k := range part {
			asked[i] = set[k]
		}
		got, err := Right(ctx, m, o, asked)
		if err != nil {
			return nil, err
		}
		for i, k := range part {
			if got[i] && len(right) < n {
				right = append(right, k)
			}
		}
		if progress != nil {
			progress(len(right))
		}
	}
	return right, nil
}
