package experiment

import (
	"fmt"
	"strings"

	"bankai/internal/chart"
)

// Present implements Result.
func (g *GSM8K) Present() *Presentation {
	n := len(g.Solved)
	p := &Presentation{
		Title: "Word problems of " + g.File,
		Purpose: "The published experiment 8 let a model solve 50 problems of GSM8K with a patch and without (11 right, then 14), and saw no degradation. " +
			"Here the same is asked of any problems in that form. What counts is which answers changed, fixed against broken; and how large a loss so few problems could have missed.",
		Findings: []string{fmt.Sprintf("Without a patch %d of %d problems are right: %s.", g.Right, n, cellText(g.Accuracy))},
		Tables:   []Table{g.figureTable(), g.ruleTable()},
		Notes: []string{fmt.Sprintf("%d problems, greedy generation of at most %d tokens, %d worked examples in front. Answers were found by the first of the rules %s that finds a number, and must equal the right one. "+
			"Intervals are 95 %%: Wilson's for shares, Newcombe's (1998, method 10) for the difference; p is McNemar's exact one, of a single test.", n, g.MaxTokens, g.Shots, strings.Join(g.Rules, ", "))},
	}
	if cut := g.cutOff(); cut > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("%d texts ended at the limit of tokens or context, not by themselves.", cut))
	}
	if c := g.Change; c != nil {
		p.Findings = append(p.Findings, c.finding("problems"), c.limits())
		if changed := g.changeTable(); len(changed.Rows) > 0 {
			p.Tables = append(p.Tables, changed)
		}
	}
	p.Charts = []chart.Chart{g.chart()}
	return p
}

// cutOff counts the texts that did not end by themselves.
func (g *GSM8K) cutOff() (n int) {
	for _, s := range g.Solved {
		n += one(s.Base.Finish == "length")
		if s.Patched != nil {
			n += one(s.Patched.Finish == "length")
		}
	}
	return n
}

func (g *GSM8K) figureTable() Table {
	t := Table{Name: "gsm8k", Caption: "Right answers", Columns: []string{"figure", "value"}, Rows: [][]any{{"share right", g.Accuracy}}}
	if c := g.Change; c != nil {
		t.Rows = append(t.Rows, c.rows()...)
	}
	return t
}

// ruleTable says how often each rule found an answer, and how often a right one.
func (g *GSM8K) ruleTable() Table {
	t := Table{
		Name: "gsm8k-rules", Caption: "How the answers were found",
		Columns: []string{"rule", "found", "right", "found, patched", "right, patched"},
	}
	for _, rule := range append(g.Rules, "") {
		var found, right [2]int
		for _, s := range g.Solved {
			for k, a := range []*Solution{&s.Base, s.Patched} {
				if a != nil && a.Rule == rule {
					found[k], right[k] = found[k]+1, right[k]+one(a.Right)
				}
			}
		}
		row := []any{rule, found[0], right[0], nil, nil}
		if rule == "" {
			row[0] = "none"
		}
		if g.Change != nil {
			row[3], row[4] = found[1], right[1]
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// changeTable lists the problems whose marks differ, those that broke first.
func (g *GSM8K) changeTable() Table {
	t := Table{
		Name: "gsm8k-disagreements", Caption: "Problems that the patch broke or fixed",
		Columns: []string{"line", "patch", "right", "base", "patched", "question", "base text", "patched text"}, Brief: 12,
	}
	for _, wanted := range []string{"broke", "fixed"} {
		for _, s := range g.Solved {
			if s.Base.Right == s.Patched.Right || s.Patched.Right != (wanted == "fixed") {
				continue
			}
			t.Rows = append(t.Rows, []any{s.Line, wanted, s.Want, s.Base.Answer, s.Patched.Answer, s.Question, s.Base.Text, s.Patched.Text})
		}
	}
	return t
}

func (g *GSM8K) chart() chart.Chart {
	shares := &chart.Bars{Value: "share right", Names: []string{"as it is"}, Series: []chart.BarSeries{{Values: []chart.Point{pointOf(g.Accuracy)}}}}
	panels := []chart.Panel{shares}
	if c := g.Change; c != nil {
		shares.Names, shares.Series[0].Values = append(shares.Names, "patched"), append(shares.Series[0].Values, pointOf(c.ShareAfter))
		panels = append(panels, &chart.Bars{
			Value: "share of problems", Names: []string{"fixed", "broke"},
			Series: []chart.BarSeries{{Values: []chart.Point{pointOf(shareOf(c.Fixed, c.Total)), pointOf(shareOf(c.Broke, c.Total))}}},
		})
	}
	return chart.Chart{
		Name: "gsm8k", Title: "Problems solved", Columns: len(panels), Panels: panels,
		Alt: "The share of problems that are solved, and that a patch fixed and broke.",
	}
}
