package benchmark

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bankai/engine"
	"bankai/internal/chart"
	"bankai/internal/experiment"
	"bankai/internal/report"
)

// GSM8K is how a model solves word problems whose answers are numbers, as it is
// and patched, with every text that it generated.
type GSM8K struct {
	report.About
	File      string   `json:"file"`
	Prompt    string   `json:"prompt"` // template
	Shots     int      `json:"shots"`  // worked examples in front of every problem
	MaxTokens int      `json:"max_tokens"`
	Stop      []string `json:"stop"`
	Rules     []string `json:"rules"`           // by which answers were found, in order
	Patch     string   `json:"patch,omitempty"` // the files

	Solved   []Solved        `json:"problems"`
	Right    int             `json:"right"` // of the model as it is
	Accuracy report.Estimate `json:"accuracy"`
	Change   *Paired         `json:"change"` // null without a patch
}

// Solved is a problem with what a model generated.
type Solved struct {
	Line     int       `json:"line"` // of the file
	Question string    `json:"question"`
	Want     string    `json:"want"`
	Base     Solution  `json:"base"`
	Patched  *Solution `json:"patched"` // null without a patch
}

// Solution is a generated text with the answer that was found in it.
type Solution struct {
	Text   string `json:"text"`   // up to and without a stop text
	Finish string `json:"finish"` // "stop", or "length" where the text was cut off
	Answer string `json:"answer"` // as PlainNumber writes it; empty if there is none
	Rule   string `json:"rule"`   // the rule that found the answer
	Right  bool   `json:"right"`
}

// ProblemOptions choose the problems and how they are put.
type ProblemOptions struct {
	File      string // for people
	Problems  []Problem
	Examples  []Problem // worked, in front of every problem
	Prompt    string    // template, in which {question} is the question
	MaxTokens int
	Stop      []string // texts that end an answer
	Rules     []Rule
	Patch     experiment.Patching
}

// questionMark is what a prompt template has for the question.
const questionMark = "{question}"

// StopFor is the stop text that goes with a prompt template: what begins the next
// question, or the end of the line where the question begins the prompt.
func StopFor(template string) string {
	before, _, _ := strings.Cut(template, questionMark)
	return "\n" + strings.TrimSpace(before[strings.LastIndexByte(before, '\n')+1:])
}

// prompt is the text in front of the solution of a problem: the template, and before
// it the examples in the same form, a blank line behind each.
func (o ProblemOptions) prompt(p Problem) string {
	var b strings.Builder
	for _, e := range o.Examples {
		b.WriteString(strings.ReplaceAll(o.Prompt, questionMark, e.Question) + " " + e.Answer + "\n\n")
	}
	b.WriteString(strings.ReplaceAll(o.Prompt, questionMark, p.Question))
	return b.String()
}

// check refuses options that no problem can be solved with.
func (o ProblemOptions) check(m *engine.Model) error {
	switch {
	case len(o.Problems) == 0:
		return errors.New("there are no problems to solve: give a file that has some")
	case !strings.Contains(o.Prompt, questionMark):
		return fmt.Errorf("the prompt %q has no place for the question: write %s where it goes", o.Prompt, questionMark)
	case o.MaxTokens < 1:
		return errors.New("an answer of 0 tokens: give at least 1")
	case len(o.Rules) == 0:
		return errors.New("no rule says where the answer is: give at least one")
	}
	for _, p := range o.Problems {
		if n, most := len(m.Tokenizer().Encode(o.prompt(p))), m.Config().Context; n >= most {
			return fmt.Errorf("%s, line %d: the prompt has %d tokens, the model's context is %d: give fewer examples", o.File, p.Line, n, most)
		}
	}
	return nil
}

// solvedPart is how many problems are solved in one piece of work.
const solvedPart = 16

// generation is a text as it was generated.
type generation struct {
	Text   string `json:"text"`
	Finish string `json:"finish"`
}

// MeasureGSM8K lets the model solve problems greedily, as it is and patched.
func MeasureGSM8K(ctx context.Context, r *experiment.Run, o ProblemOptions) (*GSM8K, error) {
	if err := o.check(r.Model); err != nil {
		return nil, err
	}
	base, patched, err := experiment.InParts(ctx, r, o.Patch, len(o.Problems), solvedPart,
		func(lo, hi int) string {
			return fmt.Sprintf("problems %d to %d, %.16x", lo+1, hi, o.digest(o.Problems[lo:hi]))
		},
		func(ctx context.Context, overlay *engine.Overlay, lo, hi int) ([]generation, error) {
			return o.solve(ctx, r.Model, overlay, o.Problems[lo:hi])
		})
	if err != nil {
		return nil, err
	}
	return o.result(base, patched), nil
}

// digest identifies problems with all that decides what is generated.
func (o ProblemOptions) digest(part []Problem) [sha256.Size]byte {
	h := fmt.Appendf(nil, "%d %q", o.MaxTokens, o.Stop)
	for _, p := range part {
		h = fmt.Appendf(h, " %q", o.prompt(p))
	}
	return sha256.Sum256(h)
}

// solve generates the texts of some problems.
func (o ProblemOptions) solve(ctx context.Context, m *engine.Model, overlay *engine.Overlay, part []Problem) ([]generation, error) {
	reqs := make([]engine.Request, len(part))
	for i, p := range part {
		reqs[i] = engine.Request{
			Prompt: m.Tokenizer().Encode(o.prompt(p)), Overlay: overlay, Max: o.MaxTokens, StopTexts: o.Stop,
		}
	}
	results, err := m.Generate(ctx, reqs, nil)
	if err != nil {
		return nil, err
	}
	texts := make([]generation, len(part))
	for i, r := range results {
		texts[i] = generation{r.Text, r.Finish}
	}
	return texts, nil
}

// Quiz is the problems as an experiment on other things asks them, too. What cannot be
// asked of the model is an error of its first answer.
func (o ProblemOptions) Quiz() *experiment.Quiz {
	return &experiment.Quiz{
		Name: o.File, ID: fmt.Sprintf("%x %v", o.digest(o.Problems), ruleNames(o.Rules)),
		Right: func(ctx context.Context, m *engine.Model, overlay *engine.Overlay) ([]bool, error) {
			if err := o.check(m); err != nil {
				return nil, err
			}
			texts, err := o.solve(ctx, m, overlay, o.Problems)
			if err != nil {
				return nil, err
			}
			right := make([]bool, len(texts))
			for i, t := range texts {
				s := Solution{Text: t.Text}
				s.mark(o.Problems[i].Want, o.Rules)
				right[i] = s.Right
			}
			return right, nil
		},
	}
}

// result puts the pieces together and marks the answers.
func (o ProblemOptions) result(base, patched []generation) *GSM8K {
	g := &GSM8K{
		File: o.File, Prompt: o.Prompt, Shots: len(o.Examples), MaxTokens: o.MaxTokens,
		Stop: append([]string{}, o.Stop...), Patch: o.Patch.Name,
	}
	for i, p := range o.Problems {
		s := Solved{Line: p.Line, Question: p.Question, Want: p.Want, Base: Solution{Text: base[i].Text, Finish: base[i].Finish}}
		if len(patched) > 0 {
			s.Patched = &Solution{Text: patched[i].Text, Finish: patched[i].Finish}
		}
		g.Solved = append(g.Solved, s)
	}
	g.Rescore(o.Rules)
	return g
}

// Rescore marks the generated texts again, by the given rules, and counts anew.
// The model is not needed.
func (g *GSM8K) Rescore(rules []Rule) {
	g.Rules = ruleNames(rules)
	var before, after []bool
	for i := range g.Solved {
		s := &g.Solved[i]
		s.Base.mark(s.Want, rules)
		before = append(before, s.Base.Right)
		if s.Patched != nil {
			s.Patched.mark(s.Want, rules)
			after = append(after, s.Patched.Right)
		}
	}
	g.Right = 0
	for _, right := range before {
		g.Right += one(right)
	}
	g.Accuracy, g.Change = report.ShareOf(g.Right, len(before)), nil
	if len(after) > 0 {
		change := pairedOf(before, after)
		g.Change = &change
	}
}

// ruleNames are the names of rules, in order.
func ruleNames(rules []Rule) (names []string) {
	for _, r := range rules {
		names = append(names, r.Name)
	}
	return names
}

// mark finds the answer in the text.
func (s *Solution) mark(want string, rules []Rule) {
	s.Answer, s.Rule = Extract(s.Text, rules)
	s.Right = s.Rule != "" && s.Answer == want
}

// Texts implements Rescorable: marked by the rules that the result was marked by,
// or by AnswerRules where it names none, or one that is not known.
func (g *GSM8K) Texts() experiment.Generated {
	rules, err := RulesNamed(g.Rules)
	if err != nil || len(rules) == 0 { // of another program
		rules = AnswerRules
	}
	out := experiment.Generated{By: []string{experiment.Base}, Match: numberMatch(rules), ByRules: func(names []string) (func(experiment.Generation, string) bool, error) {
		rules, err := RulesNamed(names)
		return numberMatch(rules), err
	}}
	if g.Change != nil {
		out.By = append(out.By, "patched")
	}
	for _, s := range g.Solved {
		a := experiment.Generation{
			Set: g.File, Name: fmt.Sprintf("line %d", s.Line), Prompt: s.Question, Correct: s.Want,
			Texts: []string{s.Base.Text}, Right: []bool{s.Base.Right},
		}
		if s.Patched != nil {
			a.Texts, a.Right = append(a.Texts, s.Patched.Text), append(a.Right, s.Patched.Right)
		}
		out.Answers = append(out.Answers, a)
	}
	return out
}

// numberMatch is that the number which the rules find is a right answer.
func numberMatch(rules []Rule) func(g experiment.Generation, text string) bool {
	return func(g experiment.Generation, text string) bool {
		found, rule := Extract(text, rules)
		return rule != "" && slices.ContainsFunc(append([]string{g.Correct}, g.Alternates...), func(right string) bool {
			want, ok := firstNumber(right)
			return ok && found == want
		})
	}
}

// Present implements Result.
func (g *GSM8K) Present() *report.Presentation {
	n := len(g.Solved)
	p := &report.Presentation{
		Title: "Word problems of " + g.File,
		Purpose: "The published experiment 8 let a model solve 50 problems of GSM8K with a patch and without (11 right, then 14), and saw no degradation. " +
			"Here the same is asked of any problems in that form. What counts is which answers changed, fixed against broken; and how large a loss so few problems could have missed.",
		Findings: []string{fmt.Sprintf("Without a patch %d of %d problems are right: %s.", g.Right, n, report.CellText(g.Accuracy))},
		Tables:   []report.Table{g.figureTable(), g.ruleTable()},
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

func (g *GSM8K) figureTable() report.Table {
	t := report.Table{Name: "gsm8k", Caption: "Right answers", Columns: []string{"figure", "value"}, Rows: [][]any{{"share right", g.Accuracy}}}
	if c := g.Change; c != nil {
		t.Rows = append(t.Rows, c.rows()...)
	}
	return t
}

// ruleTable says how often each rule found an answer, and how often a right one.
func (g *GSM8K) ruleTable() report.Table {
	t := report.Table{
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
func (g *GSM8K) changeTable() report.Table {
	t := report.Table{
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
	shares := &chart.Bars{Value: "share right", Names: []string{"as it is"}, Series: []chart.BarSeries{{Values: []chart.Point{g.Accuracy.At(0)}}}}
	panels := []chart.Panel{shares}
	if c := g.Change; c != nil {
		shares.Names, shares.Series[0].Values = append(shares.Names, "patched"), append(shares.Series[0].Values, c.ShareAfter.At(0))
		panels = append(panels, &chart.Bars{
			Value: "share of problems", Names: []string{"fixed", "broke"},
			Series: []chart.BarSeries{{Values: []chart.Point{report.ShareOf(c.Fixed, c.Total).At(0), report.ShareOf(c.Broke, c.Total).At(0)}}},
		})
	}
	return chart.Chart{
		Name: "gsm8k", Title: "Problems solved", Columns: len(panels), Panels: panels,
		Alt: "The share of problems that are solved, and that a patch fixed and broke.",
	}
}
