package experiment

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"bankai"
	"bankai/internal/chart"
	"bankai/internal/report"
	"bankai/internal/stats"
	"bankai/internal/text"
	"bankai/measure"
	"bankai/probe"
)

// Variations is what a patch does to questions that its search did not see, and
// if wanted to those that it saw.
type Variations struct {
	report.About
	Patch     PatchSize  `json:"patch"`
	Unseen    SetChange  `json:"unseen"`
	Seen      *SetChange `json:"seen"` // null if the probes of the search were not given
	Gap       *MemoryGap `json:"gap"`  // null if the probes of the search were not given
	Verdict   Verdict    `json:"verdict"`
	Generated Generated  `json:"generated"` // unseen probes first
}

// SetChange is what became of a set's answers.
type SetChange struct {
	Set        string           `json:"set"`
	All        AnswerChange     `json:"all"`
	Categories []CategoryChange `json:"categories"` // in order of appearance
}

// CategoryChange is what became of the answers to a category. Its p-value is adjusted for the
// number of categories.
type CategoryChange struct {
	Category string `json:"category"`
	AnswerChange
}

// MemoryGap is how much more a patch does for the questions that its search saw
// than for others.
type MemoryGap struct {
	Right      report.Estimate `json:"right"`       // difference of the gains of the share of right answers
	SeqLogprob report.Estimate `json:"seq_logprob"` // difference of the mean gains, nats

	ByCategory []CategoryGap `json:"by_category"` // of the categories in both sets, in the order of the seen set
}

// CategoryGap is Right of a category's probes. Its interval is not corrected for
// the number of categories; it is not defined where a set has 3 probes or fewer of
// the category, as too many draws have none of them.
type CategoryGap struct {
	Category string          `json:"category"`
	Seen     int             `json:"seen"` // probes
	Unseen   int             `json:"unseen"`
	Right    report.Estimate `json:"right"`
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
	Probes measure.Named  // probes that the search did not see
	Search *measure.Named // probes that the search saw; nil: not measured
}

// MeasureVariations lets the model answer by greedy generation, as it is and
// patched. Probes that share a prompt with those of the search are refused.
func MeasureVariations(ctx context.Context, r *Run, o VariationOptions) (*Variations, error) {
	patches, sizes, err := fitPatches(r.Model, []NamedPatch{o.Patch}, 1)
	if err != nil {
		return nil, err
	}
	a := answering{r.Model, append([]*bankai.Patch{noPatch(r.Model)}, patches...), []measure.Named{o.Probes}}
	if o.Search != nil {
		a.sets = append(a.sets, *o.Search)
	}
	if err := checkSets(ctx, r.Model, a.sets); err != nil {
		return nil, err
	}
	done, err := doJobs(ctx, r, r.AtOnce, a.jobs())
	if err != nil {
		return nil, err
	}
	got := a.collect(done) // by patch, by set
	v := &Variations{Patch: sizes[0], Generated: Generated{By: []string{Base, o.Patch.Name}}}
	for i, s := range a.sets {
		v.Generated.keep(s, []*measure.Measurement{got[0][i], got[1][i]})
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
func setChange(s measure.Named, before, after *measure.Measurement) SetChange {
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
func marksOf(before, after *measure.Measurement) []float64 {
	marks := make([]float64, len(before.Right))
	for i, was := range before.Right {
		marks[i] = float64(one(after.Right[i]) - one(was))
	}
	return marks
}

// gainsOf are the changes of seq_logprob, nats.
func gainsOf(before, after *measure.Measurement) []float64 {
	gains := make([]float64, len(before.SeqLogprob))
	for i, was := range before.SeqLogprob {
		gains[i] = after.SeqLogprob[i] - was
	}
	return gains
}

// gapOf is the difference of the means of two independent samples. The interval
// is a bootstrap's that draws from both together, so that the number drawn of
// each varies as well: a little wider than with fixed numbers.
func gapOf(seed uint64, seen, unseen []float64) report.Estimate {
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
	if u.PValue < report.Significance {
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
	return v.Seen != nil && v.Seen.All.PValue < report.Significance && v.Seen.All.Fixed > v.Seen.All.Broke
}

// Texts implements Rescorable.
func (v *Variations) Texts() Generated { return v.Generated }

// Present implements Result.
func (v *Variations) Present() *report.Presentation {
	out := &report.Presentation{
		Title: v.Patch.Name + " on unseen variations",
		Purpose: "Whether a patch does on questions that its search did not see what it did on those that it saw. " +
			"In the published record (experiments 5 and 13) the patch of a search over 6 probes had memorised them: of 90 unseen variations it fixed 2 and broke 15. " +
			"Fixed are answers that were wrong and are right, broke those that were right and are wrong.",
		Findings: []string{v.finding(), v.Unseen.sentence("Unseen")},
		Tables:   []report.Table{v.Unseen.table("variations", "Unseen questions: "+v.Unseen.Set)},
		Notes: []string{
			fmt.Sprintf("%s: %d flips, %s bits, %s bytes without provenance.", v.Patch.Name, v.Patch.Flips, text.Thousands(int64(v.Patch.Bits)), text.Thousands(v.Patch.Bytes)),
			fmt.Sprintf("Answers are greedy generations. p is McNemar's exact test, two-sided; p (Holm) is adjusted for the %s. Shares have Wilson's interval, the gain of seq_logprob Student's.",
				text.Plural(len(v.Unseen.Categories), "category", "categories")),
		},
	}
	panels := []chart.Panel{v.Unseen.bars("unseen")}
	alt := "Share of right answers before and after the patch in each category of unseen questions"
	if v.Seen != nil {
		out.Findings = append(out.Findings, v.Seen.sentence("Seen by the search"), v.Gap.sentence())
		out.Tables = append(out.Tables, v.Seen.table("variations-seen", "Questions that the search saw: "+v.Seen.Set), v.sideBySide())
		if len(v.Gap.ByCategory) > 0 { // results of before have none
			out.Tables = append(out.Tables, v.Gap.table())
		}
		if wide := v.Gap.wide(); len(wide) > 0 {
			out.Findings = append(out.Findings, fmt.Sprintf("By category, the patch does more for what the search saw in %s. The intervals are not corrected for the number of categories, %d.",
				strings.Join(wide, ", "), len(v.Gap.ByCategory)))
		}
		out.Notes = append(out.Notes, fmt.Sprintf("The memorisation gap has a bootstrap's interval of %s draws over the probes of both sets. Where few answers changed, or nearly all, it is too narrow.", text.Thousands(resamples)))
		panels = append(panels, v.Seen.bars("seen by the search"))
		alt += ", and of those that the search saw"
	}
	out.Charts = []chart.Chart{{Name: "variations", Title: "Right answers before and after " + v.Patch.Name, Alt: alt + ".", Panels: panels}}
	return out
}

// finding puts the verdict into words.
func (v *Variations) finding() string {
	switch v.Verdict {
	case Generalises:
		text := "The patch generalises: on unseen questions its gain is unlikely to be chance."
		if v.Gap != nil && v.Gap.Right.Low > 0 {
			text += " It gains more on those that the search saw."
		}
		return text
	case Memorised:
		if v.Unseen.All.PValue < report.Significance {
			return "The patch memorised: it gains on the questions that its search saw, and not on unseen ones."
		}
		return "The patch memorised: it gains on the questions that its search saw, and no gain on unseen ones is shown."
	case Harms:
		return "The patch does harm: it breaks more unseen answers than it fixes, and that is unlikely to be chance. What it learned does not carry over."
	}
	return "No evidence: on unseen questions the patch may do nothing, or what it does is too small for so few."
}

// sentence is the counts in words.
func (c SetChange) sentence(what string) string {
	a := c.All
	return fmt.Sprintf("%s (%s): %d of %d right before, %d after: %d fixed, %d broke, p = %s: %s. Mean gain of seq_logprob %s nats.",
		what, c.Set, a.Before, a.Total, a.After, a.Fixed, a.Broke, text.Probability(a.PValue), a.verdict(), report.CellText(a.Gain))
}

func (g *MemoryGap) sentence() string {
	verdict := "no evidence that the patch does more for what the search saw"
	if g.Right.Low > 0 {
		verdict = "it does more for what the search saw"
	}
	return fmt.Sprintf("Memorisation gap, the gain of the share of right answers on seen less that on unseen questions: %s: %s.", report.CellText(g.Right), verdict)
}

// table is the gap by category.
func (g *MemoryGap) table() report.Table {
	t := report.Table{Name: "variations-gap-categories", Caption: "Memorisation gap by category", Columns: []string{"category", "seen probes", "unseen probes", "seen less unseen"}}
	for _, c := range g.ByCategory {
		t.Rows = append(t.Rows, []any{report.CategoryName(c.Category), c.Seen, c.Unseen, c.Right})
	}
	return t
}

// wide names the categories whose interval lies above 0.
func (g *MemoryGap) wide() (names []string) {
	for _, c := range g.ByCategory {
		if c.Right.Low > 0 {
			names = append(names, report.CategoryName(c.Category))
		}
	}
	return names
}

// changeColumns are the columns that changeRow fills.
var changeColumns = []string{"probes", "before", "after", "fixed", "broke", "p", "p (Holm)", "gain, nats"}

// changeRow is a row of figures. A single test has no adjusted p-value.
func changeRow(a AnswerChange, single bool) []any {
	var adjusted any
	if !single {
		adjusted = report.PValue(a.Holm)
	}
	return []any{a.Total, a.ShareBefore, a.ShareAfter, a.Fixed, a.Broke, report.PValue(a.PValue), adjusted, a.Gain}
}

func (c SetChange) table(name, caption string) report.Table {
	t := report.Table{Name: name, Caption: caption, Columns: append([]string{"category"}, changeColumns...)}
	for _, k := range c.Categories {
		t.Rows = append(t.Rows, append([]any{report.CategoryName(k.Category)}, changeRow(k.AnswerChange, false)...))
	}
	t.Rows = append(t.Rows, append([]any{"all"}, changeRow(c.All, true)...))
	return t
}

// sideBySide sets seen against unseen questions.
func (v *Variations) sideBySide() report.Table {
	t := report.Table{Name: "variations-gap", Caption: "Seen against unseen", Columns: []string{"questions", "probes", "before", "after", "fixed", "broke", "p", "gain of right", "gain, nats"}}
	for _, s := range []struct {
		name string
		c    AnswerChange
	}{{"seen", v.Seen.All}, {"unseen", v.Unseen.All}} {
		t.Rows = append(t.Rows, []any{
			s.name, s.c.Total, s.c.ShareBefore, s.c.ShareAfter, s.c.Fixed, s.c.Broke, report.PValue(s.c.PValue),
			report.PlainEstimate(s.c.ShareAfter.Value-s.c.ShareBefore.Value, s.c.Total), s.c.Gain,
		})
	}
	t.Rows = append(t.Rows, []any{"gap", nil, nil, nil, nil, nil, nil, v.Gap.Right, v.Gap.SeqLogprob})
	return t
}

// bars draws the shares of right answers in each category.
func (c SetChange) bars(title string) *chart.Bars {
	b := &chart.Bars{Title: title, Value: "share of right answers", Horizontal: len(c.Categories) > 8}
	before, after := chart.BarSeries{Name: "before"}, chart.BarSeries{Name: "after"}
	add := func(name string, a AnswerChange) {
		b.Names = append(b.Names, name)
		before.Values, after.Values = append(before.Values, a.ShareBefore.At(0)), append(after.Values, a.ShareAfter.At(0))
	}
	for _, k := range c.Categories {
		add(report.CategoryName(k.Category), k.AnswerChange)
	}
	if len(c.Categories) > 1 {
		add("all", c.All)
	}
	b.Series = []chart.BarSeries{before, after}
	return b
}
