package experiment

import (
	"context"
	"math"
	"slices"

	"bankai"
	"bankai/evaluate"
	"bankai/internal/stats"
	"bankai/probe"
)

// Variations is what a patch does to questions that its search did not see, and
// if wanted to those that it saw.
type Variations struct {
	About
	Patch     PatchSize  `json:"patch"`
	Unseen    SetChange  `json:"unseen"`
	Seen      *SetChange `json:"seen"` // null if the probes of the search were not given
	Gap       *MemoryGap `json:"gap"`  // likewise
	Verdict   Verdict    `json:"verdict"`
	Generated Generated  `json:"generated"` // unseen probes first
}

// SetChange is what became of a set's answers.
type SetChange struct {
	Set        string           `json:"set"`
	All        AnswerChange     `json:"all"`
	Categories []CategoryChange `json:"categories"` // in order of appearance
}

// CategoryChange is a category's share of it. Its p-value is adjusted for the
// number of categories.
type CategoryChange struct {
	Category string `json:"category"`
	AnswerChange
}

// MemoryGap is how much more a patch does for the questions that its search saw
// than for others.
type MemoryGap struct {
	Right      Estimate `json:"right"`       // difference of the gains of the share of right answers
	SeqLogprob Estimate `json:"seq_logprob"` // difference of the mean gains, nats

	ByCategory []CategoryGap `json:"by_category"` // of those in both sets, as they appear in the seen one
}

// CategoryGap is Right of a category's probes. Its interval is not corrected for
// the number of categories; it is not defined where a set has 3 probes or fewer,
// as too many draws lack them.
type CategoryGap struct {
	Category string   `json:"category"`
	Seen     int      `json:"seen"` // probes
	Unseen   int      `json:"unseen"`
	Right    Estimate `json:"right"`
}

// Verdict is what the answers to unseen questions let one say of a patch.
type Verdict string

// The verdicts.
const (
	Generalises Verdict = "generalises" // more fixed than broken, beyond chance
	Memorised   Verdict = "memorised"   // gained on what the search saw, no gain shown on the rest
	Harms       Verdict = "harms"       // more broken than fixed, beyond chance
	NoEvidence  Verdict = "no evidence"
)

// VariationOptions choose the patch and the questions.
type VariationOptions struct {
	Patch  NamedPatch
	Probes evaluate.Named  // that the search did not see
	Search *evaluate.Named // that it saw; nil: not measured
}

// MeasureVariations lets the model answer by greedy generation, as it is and
// patched. Probes that share a prompt with those of the search are refused.
func MeasureVariations(ctx context.Context, r *Run, o VariationOptions) (*Variations, error) {
	patches, sizes, err := fitPatches(r.Model, []NamedPatch{o.Patch}, 1)
	if err != nil {
		return nil, err
	}
	a := answering{r.Model, append([]*bankai.Patch{noPatch(r.Model)}, patches...), []evaluate.Named{o.Probes}}
	if o.Search != nil {
		a.sets = append(a.sets, *o.Search)
	}
	if err := checkSets(ctx, r.Model, a.sets); err != nil {
		return nil, err
	}
	done, err := doJobs(ctx, r, a.jobs())
	if err != nil {
		return nil, err
	}
	got := a.collect(done) // by patch, by set
	v := &Variations{Patch: sizes[0], Generated: Generated{By: []string{Base, o.Patch.Name}}}
	for i, s := range a.sets {
		v.Generated.keep(s, []*evaluate.Measurement{got[0][i], got[1][i]})
	}
	v.Unseen = setChange(o.Probes, got[0][0], got[1][0])
	if o.Search != nil {
		seen := setChange(*o.Search, got[0][1], got[1][1])
		v.Seen = &seen
		seenMarks, unseenMarks := marksOf(got[0][1], got[1][1]), marksOf(got[0][0], got[1][0])
		v.Gap = &MemoryGap{
			Right:      gapOf(r.Seed, seenMarks, unseenMarks),
			SeqLogprob: gapOf(r.Seed, gainsOf(got[0][1], got[1][1]), gainsOf(got[0][0], got[1][0])),
			ByCategory: categoryGaps(r.Seed, o.Search.Set, o.Probes.Set, seenMarks, unseenMarks),
		}
	}
	v.Verdict = v.judge()
	return v, nil
}

// setChange compares the answers of a set, whole and by category.
func setChange(s evaluate.Named, before, after *evaluate.Measurement) SetChange {
	c := SetChange{Set: s.Name, All: changeOf(before, after, allOf(len(s.Set)))}
	names, members := byCategory(s.Set)
	for _, name := range names {
		c.Categories = append(c.Categories, CategoryChange{name, changeOf(before, after, members[name])})
	}
	var tests []*McNemar
	for i := range c.Categories {
		tests = append(tests, &c.Categories[i].McNemar)
	}
	AdjustHolm(tests)
	return c
}

// marksOf is +1 for each answer that was fixed, −1 for each that broke.
func marksOf(before, after *evaluate.Measurement) []float64 {
	marks := make([]float64, len(before.Right))
	for i, was := range before.Right {
		marks[i] = float64(one(after.Right[i]) - one(was))
	}
	return marks
}

// gainsOf are the changes of seq_logprob, nats.
func gainsOf(before, after *evaluate.Measurement) []float64 {
	gains := make([]float64, len(before.SeqLogprob))
	for i, was := range before.SeqLogprob {
		gains[i] = after.SeqLogprob[i] - was
	}
	return gains
}

// gapOf is the difference of the means of two independent samples. The interval
// is a bootstrap's that draws from both together, so that the number drawn of
// each varies as well: a little wider than with fixed numbers.
func gapOf(seed uint64, seen, unseen []float64) Estimate {
	all := slices.Concat(seen, unseen)
	return resampled(stats.Mean(seen)-stats.Mean(unseen), len(all), seed, func(pick []int) float64 {
		var sums [2]float64
		var n [2]int
		for _, i := range pick {
			of := one(i >= len(seen))
			sums[of] += all[i]
			n[of]++
		}
		if n[0] == 0 || n[1] == 0 {
			return math.NaN()
		}
		return sums[0]/float64(n[0]) - sums[1]/float64(n[1])
	})
}

// categoryGaps are the gaps of the categories that both sets have.
func categoryGaps(seed uint64, seen, unseen probe.Set, seenMarks, unseenMarks []float64) []CategoryGap {
	gaps := []CategoryGap{}
	names, inSeen := byCategory(seen)
	_, inUnseen := byCategory(unseen)
	for _, name := range names {
		a, b := picked(seenMarks, inSeen[name]), picked(unseenMarks, inUnseen[name])
		if len(b) > 0 {
			gaps = append(gaps, CategoryGap{name, len(a), len(b), gapOf(seed, a, b)})
		}
	}
	return gaps
}

// picked are the values at some indices.
func picked[T any](values []T, at []int) []T {
	var some []T
	for _, i := range at {
		some = append(some, values[i])
	}
	return some
}

// judge applies the rules that the help page tells.
func (v *Variations) judge() Verdict {
	u := v.Unseen.All
	if u.PValue < Significance {
		if u.Fixed > u.Broke {
			return Generalises
		}
		if v.gainedOnSeen() {
			return Memorised
		}
		return Harms
	}
	if v.gainedOnSeen() && v.Gap.Right.Low > 0 {
		return Memorised
	}
	return NoEvidence
}

// gainedOnSeen reports whether the gain on what the search saw is no chance.
func (v *Variations) gainedOnSeen() bool {
	return v.Seen != nil && v.Seen.All.PValue < Significance && v.Seen.All.Fixed > v.Seen.All.Broke
}

// Texts implements Rescorable.
func (v *Variations) Texts() Generated { return v.Generated }
