package experiment

import (
	"fmt"
	"math"

	"bankai/internal/chart"
	"bankai/internal/text"
)

// Present implements Result.
func (c *Choice) Present() *Presentation {
	n := len(c.Asked)
	p := &Presentation{
		Title: "Multiple choice of " + c.File,
		Purpose: "Questions with answers to choose from, as in MMLU: the model's choice is the answer to which it gives the highest log-probability, so nothing is generated. " +
			"The published work has no such experiment; it names standard benchmarks as future work. Accuracy counts only beside chance, and a patch by what it fixed and broke.",
		Findings: []string{c.Base.finding("Without a patch", n)},
		Tables:   []Table{c.figureTable(), c.subjectTable()},
		Notes: []string{fmt.Sprintf("%d questions, chosen by %s: %s. Intervals are 95 %%: Wilson's for shares, Newcombe's (1998, method 10) for differences, Student's for means. "+
			"p against chance is exact and one-sided: so many right answers or more by guessing.", n, c.By, c.By.meaning())},
	}
	if c.Change != nil {
		p.Findings = append(p.Findings, c.Patched.finding("Patched", n), c.Change.finding("questions"), c.Change.limits(),
			fmt.Sprintf("ln p of the right answer changed by %s nats on average.", cellText(*c.Gain)))
		p.Tables = append(p.Tables, Table{
			Name: "choice-change", Caption: "What the patch changed", Columns: []string{"figure", "value"},
			Rows: append(c.Change.rows(), []any{"change of ln p of the right answer", *c.Gain}),
		})
		if changed := c.changeTable(); len(changed.Rows) > 0 {
			p.Tables = append(p.Tables, changed)
		}
		p.Notes = append(p.Notes, fmt.Sprintf("p of all questions is McNemar's exact one, of a single test; those of the %d subjects are adjusted for their number by Holm's method.", len(c.Subjects)))
	}
	p.Charts = []chart.Chart{c.chart()}
	return p
}

// meaning says what the score of a choice is.
func (by ChoiceBy) meaning() string {
	switch by {
	case ByLetter:
		return "the log-probability of its letter behind the list"
	case ByText:
		return "the log-probability of its text, which is less for longer ones"
	}
	return "the log-probability of its text divided by the bytes of the text"
}

// finding sets a score beside chance.
func (s Score) finding(who string, n int) string {
	verdict := "no better than chance"
	if s.PValue < significance {
		verdict = "better than chance"
	}
	return fmt.Sprintf("%s %d of %d questions are right, %s; guessing gives %s: %s (p = %s).",
		who, s.Right, n, cellText(s.Accuracy), text.Digits(s.Chance), verdict, cellText(P(s.PValue)))
}

func (c *Choice) figureTable() Table {
	t := Table{
		Name: "choice", Caption: "Right answers",
		Columns: []string{"model", "right", "of", "accuracy", "chance", "p against chance"},
		Rows:    [][]any{c.Base.row("as it is", len(c.Asked))},
	}
	if c.Patched != nil {
		t.Rows = append(t.Rows, c.Patched.row("patched", len(c.Asked)))
	}
	return t
}

func (s Score) row(who string, n int) []any {
	return []any{who, s.Right, n, s.Accuracy, s.Chance, P(s.PValue)}
}

func (c *Choice) subjectTable() Table {
	t := Table{
		Name: "choice-subjects", Caption: "By subject",
		Columns: []string{"subject", "questions", "accuracy", "patched", "fixed", "broke", "p, Holm"}, Brief: 20,
	}
	for _, s := range c.Subjects {
		row := []any{categoryLabel(s.Subject), s.Total, s.Accuracy, nil, nil, nil, nil}
		if s.Change != nil {
			row[3], row[4], row[5], row[6] = s.Change.ShareAfter, s.Change.Fixed, s.Change.Broke, P(s.Change.Holm)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// changeTable lists the questions whose marks differ, those that broke first.
func (c *Choice) changeTable() Table {
	t := Table{
		Name: "choice-disagreements", Caption: "Questions that the patch broke or fixed",
		Columns: []string{"line", "patch", "question", "right", "base", "patched", "ln p right", "patched ln p right"}, Brief: 12,
	}
	for _, wanted := range []string{"broke", "fixed"} {
		for _, a := range c.Asked {
			was, is := a.Chosen == a.Answer, a.After == a.Answer
			if was == is || is != (wanted == "fixed") {
				continue
			}
			t.Rows = append(t.Rows, []any{
				a.Line, wanted, a.Question, a.Choices[a.Answer], a.Choices[a.Chosen], a.Choices[a.After], a.Base[a.Answer], a.Patched[a.Answer],
			})
		}
	}
	return t
}

func (c *Choice) chart() chart.Chart {
	before, after := chart.BarSeries{Name: "as it is"}, chart.BarSeries{Name: "patched"}
	bars := &chart.Bars{Value: "accuracy", Horizontal: true, Level: &c.Base.Chance}
	add := func(name string, was Estimate, change *Paired) {
		bars.Names = append(bars.Names, name)
		before.Values = append(before.Values, pointOf(was))
		is := Estimate{math.NaN(), math.NaN(), math.NaN(), 0}
		if change != nil {
			is = change.ShareAfter
		}
		after.Values = append(after.Values, pointOf(is))
	}
	add("all", c.Base.Accuracy, c.Change)
	if len(c.Subjects) > 1 {
		for _, s := range c.Subjects {
			add(categoryLabel(s.Subject), s.Accuracy, s.Change)
		}
	}
	bars.Series = []chart.BarSeries{before}
	if c.Change != nil {
		bars.Series = append(bars.Series, after)
	}
	return chart.Chart{
		Name: "choice", Title: "Right answers by subject; the dashed line is guessing, over all", Panels: []chart.Panel{bars},
		Alt: "The share of right answers to the questions of each subject, before and after a patch.",
	}
}
