package experiment

import (
	"fmt"
	"strings"

	"bankai/internal/chart"
	"bankai/internal/text"
)

// Present implements Result.
func (v *Variations) Present() *Presentation {
	out := &Presentation{
		Title: v.Patch.Name + " on unseen variations",
		Purpose: "Whether a patch does on questions that its search did not see what it did on those that it saw. " +
			"In the published record (experiments 5 and 13) the patch of a search over 6 probes had memorised them: of 90 unseen variations it fixed 2 and broke 15. " +
			"Fixed are answers that were wrong and are right, broke those that were right and are wrong.",
		Findings: []string{v.finding(), v.Unseen.sentence("Unseen")},
		Tables:   []Table{v.Unseen.table("variations", "Unseen questions: "+v.Unseen.Set)},
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
		if v.Unseen.All.PValue < Significance {
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
		what, c.Set, a.Before, a.Total, a.After, a.Fixed, a.Broke, text.Probability(a.PValue), a.verdict(), CellText(a.Gain))
}

func (g *MemoryGap) sentence() string {
	verdict := "no evidence that the patch does more for what the search saw"
	if g.Right.Low > 0 {
		verdict = "it does more for what the search saw"
	}
	return fmt.Sprintf("Memorisation gap, the gain of the share of right answers on seen less that on unseen questions: %s: %s.", CellText(g.Right), verdict)
}

// table is the gap by category.
func (g *MemoryGap) table() Table {
	t := Table{Name: "variations-gap-categories", Caption: "Memorisation gap by category", Columns: []string{"category", "seen probes", "unseen probes", "seen less unseen"}}
	for _, c := range g.ByCategory {
		t.Rows = append(t.Rows, []any{CategoryLabel(c.Category), c.Seen, c.Unseen, c.Right})
	}
	return t
}

// wide names the categories whose interval lies above 0.
func (g *MemoryGap) wide() (names []string) {
	for _, c := range g.ByCategory {
		if c.Right.Low > 0 {
			names = append(names, CategoryLabel(c.Category))
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
		adjusted = P(a.Holm)
	}
	return []any{a.Total, a.ShareBefore, a.ShareAfter, a.Fixed, a.Broke, P(a.PValue), adjusted, a.Gain}
}

func (c SetChange) table(name, caption string) Table {
	t := Table{Name: name, Caption: caption, Columns: append([]string{"category"}, changeColumns...)}
	for _, k := range c.Categories {
		t.Rows = append(t.Rows, append([]any{CategoryLabel(k.Category)}, changeRow(k.AnswerChange, false)...))
	}
	t.Rows = append(t.Rows, append([]any{"all"}, changeRow(c.All, true)...))
	return t
}

// sideBySide sets seen against unseen questions.
func (v *Variations) sideBySide() Table {
	t := Table{Name: "variations-gap", Caption: "Seen against unseen", Columns: []string{"questions", "probes", "before", "after", "fixed", "broke", "p", "gain of right", "gain, nats"}}
	for _, s := range []struct {
		name string
		c    AnswerChange
	}{{"seen", v.Seen.All}, {"unseen", v.Unseen.All}} {
		t.Rows = append(t.Rows, []any{
			s.name, s.c.Total, s.c.ShareBefore, s.c.ShareAfter, s.c.Fixed, s.c.Broke, P(s.c.PValue),
			PlainEstimate(s.c.ShareAfter.Value-s.c.ShareBefore.Value, s.c.Total), s.c.Gain,
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
		before.Values, after.Values = append(before.Values, PointOf(a.ShareBefore)), append(after.Values, PointOf(a.ShareAfter))
	}
	for _, k := range c.Categories {
		add(CategoryLabel(k.Category), k.AnswerChange)
	}
	if len(c.Categories) > 1 {
		add("all", c.All)
	}
	b.Series = []chart.BarSeries{before, after}
	return b
}
