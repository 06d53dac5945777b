// Package splitting divides probes into sets to search, validate and measure with, which
// share no prompt, and of which each has its share of every category.
package splitting

import (
	"context"
	"slices"
	"strings"

	"bankai/internal/text"
	"bankai/measure"
	"bankai/probe"
)

// The sets of a split, and the names of their files.
const (
	Search          = "search"
	Validate        = "validate"
	HeldOut         = "heldout"
	Controls        = "control"
	ControlsHeldOut = "control_heldout"
)

// Roles are those of all sets. The first three share the probes, the others are controls.
var Roles = []string{Search, Validate, HeldOut, Controls, ControlsHeldOut}

// Split is a division of probes. First come the probes, then the controls, if there are
// to be any, then the rest.
type Split struct {
	Sizes Sizes
	Seed  uint64
	Warn  func(format string, args ...any) // tells of sets that are smaller than they should be

	Sets    map[string]probe.Set // by role; without probes if there is no such set
	Repeats int                  // probes left out that ask what another asks
	Alike   int                  // probes left out whose prompt is like another's, but not the same
	Unused  int                  // probes in no set

	rest  probe.Set // not in a set yet
	apart bool      // the controls come out of other probes
	other probe.Set // these
}

// New begins a division of probes. Other are those that controls are taken out of, nil
// for the probes themselves; what is in both counts as one of the probes.
func New(sizes Sizes, seed uint64, warn func(string, ...any), probes, other *measure.Merged) *Split {
	s := &Split{
		Sizes: sizes, Seed: seed, Warn: warn, Sets: map[string]probe.Set{},
		Repeats: probes.Repeats, Alike: probes.Alike, rest: probes.Set,
	}
	if other == nil {
		return s
	}
	s.apart, s.Repeats, s.Alike = true, s.Repeats+other.Repeats, s.Alike+other.Alike
	taken := map[string]bool{}
	for _, p := range s.rest {
		taken[probe.Normalize(p.Prompt)] = true
	}
	for _, p := range other.Set {
		if taken[probe.Normalize(p.Prompt)] {
			s.Repeats++
		} else {
			s.other = append(s.other, p)
		}
	}
	return s
}

// Available is how many probes controls may be taken from.
func (s *Split) Available() int { return len(s.from()) }

func (s *Split) from() probe.Set {
	if s.apart {
		return s.other
	}
	return s.rest
}

// Share divides what is left among the sets to search, validate and measure with.
func (s *Split) Share() error {
	roles := Roles[:3]
	var wants []*Size
	for _, role := range roles {
		wants = append(wants, s.Sizes[role])
	}
	sizes, err := divide(len(s.rest), wants)
	if err != nil {
		return err
	}
	order := measure.Spread(s.rest, s.Seed)
	for i, role := range roles {
		s.Sets[role] = pick(s.rest, order[:sizes[i]])
		order = order[sizes[i]:]
	}
	s.Unused = len(order)
	s.warnThin(roles)
	return nil
}

// pick returns the probes with the given indices, in the order of the set.
func pick(set probe.Set, indices []int) probe.Set {
	var out probe.Set
	for _, i := range slices.Sorted(slices.Values(indices)) {
		out = append(out, set[i])
	}
	return out
}

// warnThin names categories of which a set has nothing.
func (s *Split) warnThin(roles []string) {
	counts := map[string]int{}
	var names []string
	for _, p := range s.rest {
		if counts[p.Category]++; counts[p.Category] == 1 {
			names = append(names, p.Category)
		}
	}
	for _, role := range roles {
		if want := s.Sizes[role]; len(s.Sets[role]) == 0 && !want.None() {
			s.Warn("there are too few probes for a set %q: add some, or leave it out with --%s 0", role, role)
		}
	}
	for _, name := range names {
		var without []string
		for _, role := range roles {
			has := slices.ContainsFunc(s.Sets[role], func(p probe.Probe) bool { return p.Category == name })
			if len(s.Sets[role]) > 0 && !has {
				without = append(without, role)
			}
		}
		if len(without) > 0 {
			s.Warn("category %q has only %s: none in %s", name, text.Count(counts[name], "probe"), strings.Join(without, " and "))
		}
	}
}

// without is the set less the probes with the given indices.
func without(set probe.Set, indices []int) probe.Set {
	gone := map[int]bool{}
	for _, i := range indices {
		gone[i] = true
	}
	var out probe.Set
	for i, p := range set {
		if !gone[i] {
			out = append(out, p)
		}
	}
	return out
}

// Leaks is how many prompts an audit finds in more than one of the sets.
func Leaks(ctx context.Context, sets ...measure.Named) (leaks int, err error) {
	for i, set := range sets {
		found, err := measure.Audit(ctx, set.Set, probe.AnswerLogprob, sets[:i], nil, nil)
		if err != nil {
			return 0, err
		}
		leaks += len(found.Of(measure.Leakage, measure.Fatal))
	}
	return leaks, nil
}
