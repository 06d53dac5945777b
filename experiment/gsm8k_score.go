package experiment

import (
	"fmt"
	"slices"
)

// Rescore marks the generated texts again, by the given rules, and counts anew.
// The model is not needed.
func (g *GSM8K) Rescore(rules []Rule) {
	g.Rules = nil
	for _, r := range rules {
		g.Rules = append(g.Rules, r.Name)
	}
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
	g.Accuracy, g.Change = shareOf(g.Right, len(before)), nil
	if len(after) > 0 {
		change := pairedOf(before, after)
		g.Change = &change
	}
}

// mark finds the answer in the text.
func (s *Solution) mark(want string, rules []Rule) {
	s.Answer, s.Rule = Extract(s.Text, rules)
	s.Right = s.Rule != "" && s.Answer == want
}

// Texts implements Rescorable: texts are marked by the rules of the result, as they
// are today. A right answer is the first number of what is given as one.
func (g *GSM8K) Texts() Generated {
	rules, err := RulesNamed(g.Rules)
	if err != nil {
		rules = AnswerRules
	}
	all := Generated{By: []string{base}, Match: func(a Generation, text string) bool {
		answer, rule := Extract(text, rules)
		return rule != "" && slices.ContainsFunc(append([]string{a.Correct}, a.Alternates...), func(right string) bool {
			want, ok := firstNumber(right)
			return ok && answer == want
		})
	}}
	if g.Change != nil {
		all.By = append(all.By, "patched")
	}
	for _, s := range g.Solved {
		a := Generation{
			Set: g.File, Name: fmt.Sprintf("line %d", s.Line), Prompt: s.Question, Correct: s.Want,
			Texts: []string{s.Base.Text}, Right: []bool{s.Base.Right},
		}
		if s.Patched != nil {
			a.Texts, a.Right = append(a.Texts, s.Patched.Text), append(a.Right, s.Patched.Right)
		}
		all.Answers = append(all.Answers, a)
	}
	return all
}
