package benchmark

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"bankai/internal/chart"
	"bankai/internal/experiment"
	"bankai/internal/report"
	"bankai/internal/text"
	"bankai/measure"
	"bankai/probe"
)

// Rescored is the marks of stored generations under other rules, or other right
// answers, than those they were marked by.
type Rescored struct {
	report.About
	Source  string        `json:"source"`  // the file
	Of      string        `json:"of"`      // the experiment it is a result of, or eval
	Probes  string        `json:"probes"`  // the file of the right answers; empty: those stored
	ByName  int           `json:"by_name"` // questions that the file knows by name only
	Rows    []Remarked    `json:"rows"`    // by set, the base first
	Changed []ChangedMark `json:"changed"`
}

// Remarked is one set's answers by one model.
type Remarked struct {
	Set        string          `json:"set"`
	By         string          `json:"by"`
	Total      int             `json:"total"`
	RightWas   int             `json:"right_was"`
	RightNow   int             `json:"right_now"`
	ShareWas   report.Estimate `json:"share_was"`
	ShareNow   report.Estimate `json:"share_now"`
	AgainstWas *AgainstBase    `json:"against_was"` // null for the base
	AgainstNow *AgainstBase    `json:"against_now"`
}

// AgainstBase is what a patch fixed and broke. The p-value is adjusted for the
// number of rows that have one.
type AgainstBase struct {
	Fixed int `json:"fixed"`
	Broke int `json:"broke"`
	experiment.McNemar
}

// ChangedMark is an answer that is marked otherwise.
type ChangedMark struct {
	Set     string `json:"set"`
	Name    string `json:"name"`
	By      string `json:"by"`
	Prompt  string `json:"prompt"`
	Text    string `json:"text"`
	Correct string `json:"correct"`
	Right   bool   `json:"right"` // now
}

// ReadGenerated reads what was generated from the JSON of an experiment that
// keeps it, or of the command eval. That of eval has no experiment in its About,
// and no alternates.
func ReadGenerated(r io.Reader) (*report.About, *experiment.Generated, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, nil, err
	}
	var eval struct {
		Experiment string           `json:"experiment"`
		Outputs    []measure.Output `json:"outputs"`
	}
	if err := json.Unmarshal(data, &eval); err == nil && eval.Experiment == "" && len(eval.Outputs) > 0 {
		if err := report.ReadSealed(data, &eval); err != nil {
			return nil, nil, fmt.Errorf("is not a whole result of eval: it %w: give the document that eval printed, or do it again", err)
		}
		return &report.About{}, generatedByEval(eval.Outputs), nil
	}
	result, err := report.Read(bytes.NewReader(data), Kinds)
	if err != nil {
		return nil, nil, err
	}
	kept, ok := result.(experiment.Rescorable)
	if !ok {
		return nil, nil, fmt.Errorf("is a result of %s, which keeps no generated texts", result.Head().Experiment)
	}
	g := kept.Texts()
	return result.Head(), &g, checkGenerated(&g)
}

// generatedByEval is what eval's outputs hold.
func generatedByEval(outputs []measure.Output) *experiment.Generated {
	g := &experiment.Generated{By: []string{experiment.Base, "patched"}}
	for _, o := range outputs {
		g.Answers = append(g.Answers, experiment.Generation{
			Set: "eval", Name: o.Name, Category: o.Category, Prompt: o.Prompt, Correct: o.Correct,
			Texts: []string{o.Before, o.After}, Right: []bool{o.RightBefore, o.RightAfter},
		})
	}
	return g
}

// checkGenerated refuses texts without marks and marks without texts.
func checkGenerated(g *experiment.Generated) error {
	if len(g.By) == 0 || len(g.Answers) == 0 {
		return errors.New("holds no generated texts")
	}
	for _, a := range g.Answers {
		if len(a.Texts) != len(g.By) || len(a.Right) != len(g.By) {
			return fmt.Errorf("%s %q: has %d texts and %d marks: want %d of each, one by each of %s",
				a.Set, a.Name, len(a.Texts), len(a.Right), len(g.By), strings.Join(g.By, ", "))
		}
	}
	return nil
}

// RescoreOptions choose the right answers.
type RescoreOptions struct {
	Source string         // the file of the texts, for people
	Probes *measure.Named // whose right answers count; nil: those stored with the texts
	Rules  []string       // that find the answer in a text; none: the experiment's own
}

// Rescore marks texts again by today's rules. A question is found in o.Probes by
// its prompt, and else by its name; one that is not there is an error. With o.Rules,
// g marks by them from then on.
func Rescore(head *report.About, g *experiment.Generated, o RescoreOptions) (*Rescored, error) {
	r := &Rescored{Source: o.Source, Of: head.Experiment, Changed: []ChangedMark{}}
	if r.Of == "" {
		r.Of = "eval"
	}
	if len(o.Rules) > 0 {
		if g.ByRules == nil {
			return nil, fmt.Errorf("%s: is of %s, whose answers are not looked for by rules: leave them out", o.Source, r.Of)
		}
		var err error
		if g.Match, err = g.ByRules(o.Rules); err != nil {
			return nil, err
		}
	}
	answers := slices.Clone(g.Answers)
	if o.Probes != nil {
		r.Probes = o.Probes.Name
		var err error
		if r.ByName, err = takeAnswers(answers, *o.Probes); err != nil {
			return nil, err
		}
	}
	for i, a := range answers {
		answers[i].Right = make([]bool, len(a.Texts))
		for k, text := range a.Texts {
			right := isRight(g, a, text)
			answers[i].Right[k] = right
			if right != a.Right[k] {
				r.Changed = append(r.Changed, ChangedMark{a.Set, a.Name, g.By[k], a.Prompt, text, a.Correct, right})
			}
		}
	}
	r.count(g, answers)
	return r, nil
}

// isRight marks a text that answers a by the rule of g.
func isRight(g *experiment.Generated, a experiment.Generation, text string) bool {
	if g.Match != nil {
		return g.Match(a, text)
	}
	return probe.Probe{Correct: a.Correct, Alternates: a.Alternates}.Match(text)
}

// takeAnswers replaces the right answers by those of a set. It returns how many
// questions had to be found by name.
func takeAnswers(answers []experiment.Generation, probes measure.Named) (byName int, err error) {
	prompts, names := map[string][]int{}, map[string]int{}
	for i, p := range probes.Set {
		prompts[p.Prompt] = append(prompts[p.Prompt], i)
		names[p.Name] = i
	}
	var missing []string
	for i, a := range answers {
		at, known := names[a.Name]
		if same := prompts[a.Prompt]; len(same) > 0 {
			if !known || !slices.Contains(same, at) {
				at = same[0]
			}
		} else if known {
			byName++
		} else {
			missing = append(missing, fmt.Sprintf("%s (%q)", a.Name, a.Prompt))
			continue
		}
		answers[i].Correct, answers[i].Alternates = probes.Set[at].Correct, probes.Set[at].Alternates
	}
	if n := len(missing); n > 0 {
		return 0, fmt.Errorf("%s: %d of %d questions are not in it, neither by prompt nor by name: %s: give the file they were asked from",
			probes.Name, n, len(answers), strings.Join(missing[:min(n, 3)], ", "))
	}
	return byName, nil
}

// count sums up old and new marks, set by set in their order.
func (r *Rescored) count(g *experiment.Generated, now []experiment.Generation) {
	var sets []string
	members := map[string][]int{}
	for i, a := range now {
		if members[a.Set] == nil {
			sets = append(sets, a.Set)
		}
		members[a.Set] = append(members[a.Set], i)
	}
	for _, set := range sets {
		for k, by := range g.By {
			row := Remarked{Set: set, By: by, Total: len(members[set])}
			row.RightWas, row.AgainstWas = tally(g.Answers, members[set], k)
			row.RightNow, row.AgainstNow = tally(now, members[set], k)
			row.ShareWas, row.ShareNow = report.ShareOf(row.RightWas, row.Total), report.ShareOf(row.RightNow, row.Total)
			r.Rows = append(r.Rows, row)
		}
	}
	var was, is []*experiment.McNemar
	for _, row := range r.Rows {
		if row.AgainstNow != nil {
			was, is = append(was, &row.AgainstWas.McNemar), append(is, &row.AgainstNow.McNemar)
		}
	}
	experiment.AdjustHolm(was)
	experiment.AdjustHolm(is)
}

// tally counts the right texts of column k, and what they fix and break of
// column 0.
func tally(answers []experiment.Generation, members []int, k int) (right int, against *AgainstBase) {
	var was, is []bool
	for _, i := range members {
		was, is = append(was, answers[i].Right[0]), append(is, answers[i].Right[k])
	}
	c := experiment.CountsOf(was, is)
	if k == 0 {
		return c.After, nil
	}
	return c.After, &AgainstBase{c.Fixed, c.Broke, experiment.NewMcNemar(c.Fixed, c.Broke)}
}

// Present implements Result.
func (r *Rescored) Present() *report.Presentation {
	rules := "by today's rules and the right answers that are stored"
	if r.Probes != "" {
		rules = "by today's rules and the right answers of " + r.Probes
	}
	return &report.Presentation{
		Title: "Marked again: " + r.Source,
		Purpose: "The texts that a model generated once, marked again " + rules + ". The model did not run. " +
			"Of the published patch, 15 answers turned out broken and 2 fixed only when they were marked soundly (experiment 13), so the marks are worth a second look.",
		Findings: r.findings(),
		Tables:   []report.Table{r.rowTable(), r.changedTable()},
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

func (r *Rescored) rowTable() report.Table {
	t := report.Table{
		Name: "rescore", Caption: "Right answers",
		Columns: []string{"set", "by", "texts", "was", "now", "share now", "fixed was", "broke was", "fixed now", "broke now", "p now", "p (Holm)"},
	}
	for _, row := range r.Rows {
		cells := []any{row.Set, row.By, row.Total, row.RightWas, row.RightNow, row.ShareNow, nil, nil, nil, nil, nil, nil}
		if was, now := row.AgainstWas, row.AgainstNow; was != nil && now != nil {
			copy(cells[6:], []any{was.Fixed, was.Broke, now.Fixed, now.Broke, report.PValue(now.PValue), report.PValue(now.Holm)})
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}

func (r *Rescored) changedTable() report.Table {
	t := report.Table{Name: "rescore-changed", Caption: "Answers that are marked otherwise", Columns: []string{"set", "probe", "by", "prompt", "text", "right answer", "now"}, Brief: 20}
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
		was.Values, now.Values = append(was.Values, row.ShareWas.At(0)), append(now.Values, row.ShareNow.At(0))
	}
	bars.Series = []chart.BarSeries{was, now}
	return chart.Chart{
		Name: "rescore", Title: "Right answers, as marked before and again", Panels: []chart.Panel{bars},
		Alt: "Share of right answers by each model, as marked before and as marked again, with intervals.",
	}
}
