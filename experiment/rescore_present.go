package experiment

import (
	"fmt"

	"bankai/internal/chart"
	"bankai/internal/text"
)

// Present implements Result.
func (r *Rescored) Present() *Presentation {
	rules := "by today's rules and the right answers that are stored"
	if r.Probes != "" {
		rules = "by today's rules and the right answers of " + r.Probes
	}
	return &Presentation{
		Title: "Marked again: " + r.Source,
		Purpose: "The texts that a model generated once, marked again " + rules + ". The model did not run. " +
			"Of the published patch, 15 answers turned out broken and 2 fixed only when they were marked soundly (experiment 13), so the marks are worth a second look.",
		Findings: r.findings(),
		Tables:   []Table{r.rowTable(), r.changedTable()},
		Charts:   []chart.Chart{r.chart()},
		Notes:    []string{"Texts of " + r.Of + ". Shares have Wilson's interval; p is McNemar's exact test against the base, two-sided, p (Holm) adjusted for the rows that have one."},
	}
}

func (r *Rescored) findings() []string {
	texts, right := 0, 0
	for _, row := range r.Rows {
		texts += row.Total
	}
	for _, c := range r.Changed {
		right += one(c.Right)
	}
	found := []string{fmt.Sprintf("Of %s texts %d are marked otherwise: %d are right now, %d wrong.",
		text.Thousands(int64(texts)), len(r.Changed), right, len(r.Changed)-right)}
	if r.ByName > 0 {
		found = append(found, fmt.Sprintf("%s found by name only: the prompt in %s is another. Make sure that it asks the same.",
			text.Plural(r.ByName, "question was", "questions were"), r.Probes))
	}
	for _, row := range r.Rows {
		if row.AgainstNow == nil {
			continue
		}
		was, now := row.AgainstWas, row.AgainstNow
		found = append(found, fmt.Sprintf("%s on %s: %d fixed, %d broke, p = %s; they were %d and %d, p = %s.",
			row.By, row.Set, now.Fixed, now.Broke, text.Probability(now.PValue), was.Fixed, was.Broke, text.Probability(was.PValue)))
	}
	return found
}

func (r *Rescored) rowTable() Table {
	t := Table{
		Name: "rescore", Caption: "Right answers",
		Columns: []string{"set", "by", "texts", "was", "now", "share now", "fixed was", "broke was", "fixed now", "broke now", "p now", "p (Holm)"},
	}
	for _, row := range r.Rows {
		cells := []any{row.Set, row.By, row.Total, row.RightWas, row.RightNow, row.ShareNow, nil, nil, nil, nil, nil, nil}
		if was, now := row.AgainstWas, row.AgainstNow; was != nil && now != nil {
			copy(cells[6:], []any{was.Fixed, was.Broke, now.Fixed, now.Broke, P(now.PValue), P(now.Holm)})
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}

func (r *Rescored) changedTable() Table {
	t := Table{Name: "rescore-changed", Caption: "Answers that are marked otherwise", Columns: []string{"set", "probe", "by", "prompt", "text", "right answer", "now"}, Brief: 20}
	for _, c := range r.Changed {
		mark := "wrong"
		if c.Right {
			mark = "right"
		}
		t.Rows = append(t.Rows, []any{c.Set, c.Name, c.By, c.Prompt, c.Text, c.Correct, mark})
	}
	return t
}

func (r *Rescored) chart() chart.Chart {
	bars := &chart.Bars{Value: "share of right answers", Horizontal: len(r.Rows) > 7}
	was, now := chart.BarSeries{Name: "as marked before"}, chart.BarSeries{Name: "marked again"}
	for _, row := range r.Rows {
		name := row.By
		if r.Rows[0].Set != r.Rows[len(r.Rows)-1].Set {
			name = row.Set + ", " + name
		}
		bars.Names = append(bars.Names, name)
		was.Values, now.Values = append(was.Values, pointOf(row.ShareWas)), append(now.Values, pointOf(row.ShareNow))
	}
	bars.Series = []chart.BarSeries{was, now}
	return chart.Chart{
		Name: "rescore", Title: "Right answers, as marked before and again", Panels: []chart.Panel{bars},
		Alt: "Share of right answers by each model, as marked before and as marked again, with intervals.",
	}
}
