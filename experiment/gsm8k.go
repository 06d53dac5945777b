package experiment

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bankai/engine"
)

// GSM8K is how a model solves word problems whose answers are numbers, as it is
// and patched, with every text that it generated.
type GSM8K struct {
	About
	File      string   `json:"file"`
	Prompt    string   `json:"prompt"` // template
	Shots     int      `json:"shots"`  // worked examples in front of every problem
	MaxTokens int      `json:"max_tokens"`
	Stop      []string `json:"stop"`
	Rules     []string `json:"rules"`           // by which answers were found, in order
	Patch     string   `json:"patch,omitempty"` // the files

	Solved   []Solved `json:"problems"`
	Right    int      `json:"right"` // of the model as it is
	Accuracy Estimate `json:"accuracy"`
	Change   *Paired  `json:"change"` // null without a patch
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
	Rule   string `json:"rule"`   // that found it
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
	Patch     Patching
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
func MeasureGSM8K(ctx context.Context, r *Run, o ProblemOptions) (*GSM8K, error) {
	if err := o.check(r.Model); err != nil {
		return nil, err
	}
	base, patched, err := inParts(ctx, r, o.Patch, len(o.Problems), solvedPart,
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

// Texts implements Rescorable: marked by the rules that the result was marked by,
// or by AnswerRules where it names none, or one that is not known.
func (g *GSM8K) Texts() Generated {
	rules, err := RulesNamed(g.Rules)
	if err != nil || len(rules) == 0 { // of another program
		rules = AnswerRules
	}
	out := Generated{By: []string{base}, Match: numberMatch(rules), ByRules: func(names []string) (func(Generation, string) bool, error) {
		rules, err := RulesNamed(names)
		return numberMatch(rules), err
	}}
	if g.Change != nil {
		out.By = append(out.By, "patched")
	}
	for _, s := range g.Solved {
		a := Generation{
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
func numberMatch(rules []Rule) func(g Generation, text string) bool {
	return func(g Generation, text string) bool {
		found, rule := Extract(text, rules)
		return rule != "" && slices.ContainsFunc(append([]string{g.Correct}, g.Alternates...), func(right string) bool {
			want, ok := firstNumber(right)
			return ok && found == want
		})
	}
}
