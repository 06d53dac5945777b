package recheck

import (
	"context"
	"strings"

	"bankai"
	"bankai/engine"
	"bankai/internal/claims"
	"bankai/internal/progress"
	"bankai/internal/repair"
	"bankai/internal/source"
	"bankai/internal/watched"
	"bankai/measure"
)

// Pair is two patches that are measured alone and together.
type Pair struct {
	Model *engine.Model
	A, B  *bankai.Patch // that fit the model
	Find  Finder
	To    progress.Watcher
}

// PairResult is what a pair of patches does on a set that one of them claims something of.
type PairResult struct {
	Set    string        `json:"set"`
	Probes bankai.Digest `json:"probes"`
	Of     []string      `json:"of"` // the claims on it: "a: validation"
	Right  Right         `json:"right"`
	// AgainstA and AgainstB compare both together with each alone.
	AgainstA repair.Counts `json:"against_a"`
	AgainstB repair.Counts `json:"against_b"`
}

// Right is how many answers are right.
type Right struct {
	Total  int `json:"total"`
	Base   int `json:"unpatched"`
	A      int `json:"a"`
	B      int `json:"b"`
	Both   int `json:"both"`
	Either int `json:"either"` // with A, or with B, or with each of them
}

// Missing is a claim that a pair cannot be measured on.
type Missing struct {
	Claim  string `json:"name"`
	Reason string `json:"reason"`
}

// Measure measures a pair on the probes that the claims of either are about. Claims on
// anything else, and those whose probes are not at hand, are missing.
func (p *Pair) Measure(ctx context.Context) (results []PairResult, missing []Missing, err error) {
	sets, missing := p.sets()
	overlays, err := p.overlays()
	if err != nil {
		return nil, nil, err
	}
	for _, s := range sets {
		if err := watched.Fit(p.Model, watched.Named(s.Set)...); err != nil {
			for _, claim := range s.of {
				missing = append(missing, Missing{claim, err.Error()})
			}
			continue
		}
		var all [4]*measure.Measurement
		for i, what := range []string{"base", "the first", "the second", "both"} {
			if all[i], err = watched.Measure(ctx, p.To, p.Model, overlays[i], s.Set, what); err != nil {
				return nil, nil, err
			}
		}
		results = append(results, resultOf(s, all))
	}
	return results, missing, nil
}

// resultOf sets four measurements side by side: those of the base, A, B and both.
func resultOf(s *claimedSet, all [4]*measure.Measurement) PairResult {
	compared := func(before, after int) *measure.Result { return measure.Compare(s.Set.Set, all[before], all[after]) }
	a, b, fromAToB := compared(0, 1), compared(0, 2), compared(1, 2)
	againstA, againstB := compared(1, 3), compared(2, 3)
	return PairResult{
		Set: s.Source, Probes: s.Digest, Of: s.of,
		Right:    Right{a.Total, a.Before, a.After, b.After, againstA.After, a.After + len(fromAToB.Fixed)},
		AgainstA: repair.CountsOf(againstA), AgainstB: repair.CountsOf(againstB),
	}
}

// overlays are those of nothing, A, B and both.
func (p *Pair) overlays() (list [4]*engine.Overlay, err error) {
	both, err := p.A.Xor(p.B)
	if err != nil {
		return list, err
	}
	for i, patch := range []*bankai.Patch{p.A, p.B, both} {
		if list[i+1], err = p.Model.Overlay(patch.WithBase(p.Model.Digest())); err != nil {
			return list, err
		}
	}
	return list, nil
}

// claimedSet is a set with the claims that are about it.
type claimedSet struct {
	source.Set
	of []string
}

// sets finds what the claims of both patches are about, each set once.
func (p *Pair) sets() (sets []*claimedSet, missing []Missing) {
	at := map[string]*claimedSet{}
	for _, x := range []struct {
		name  string
		patch *bankai.Patch
	}{{"a: ", p.A}, {"b: ", p.B}} {
		for _, c := range x.patch.Meta().Claims {
			s, why := p.find(c)
			if why != "" {
				missing = append(missing, Missing{x.name + c.Name, why})
				continue
			}
			if at[s.Identity()] == nil {
				at[s.Identity()] = &claimedSet{Set: s}
				sets = append(sets, at[s.Identity()])
			}
			known := at[s.Identity()]
			known.of = append(known.of, x.name+c.Name)
		}
	}
	return sets, missing
}

// find finds the probes of a claim, or says why it does not.
func (p *Pair) find(c bankai.Claim) (s source.Set, why string) {
	if claims.KindOf(c) == claims.Unchanged || strings.HasPrefix(c.Name, claims.HeldOut) {
		return s, "it is not about a file of probes"
	}
	s, err := p.Find.set(c)
	if err != nil {
		return s, err.Error()
	}
	return s, ""
}
