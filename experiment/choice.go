package experiment

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"bankai/engine"
	"bankai/internal/stats"
)

// Choice is how a model answers multiple-choice questions by log-probability, as
// it is and patched.
type Choice struct {
	About
	File   string   `json:"file"`
	By     ChoiceBy `json:"by"`
	Prompt string   `json:"prompt"`          // template
	Patch  string   `json:"patch,omitempty"` // the files

	Asked    []Asked        `json:"questions"`
	Base     Score          `json:"base"`
	Patched  *Score         `json:"patched"`  // null without a patch
	Change   *Paired        `json:"change"`   // likewise
	Gain     *Estimate      `json:"gain"`     // mean change of ln p of the right answer, nats; likewise
	Subjects []SubjectScore `json:"subjects"` // in order of appearance
}

// Asked is a question with what a model thinks of its choices.
type Asked struct {
	Line     int       `json:"line"` // of the file
	Subject  string    `json:"subject,omitempty"`
	Question string    `json:"question"`
	Choices  []string  `json:"choices"`
	Answer   int       `json:"answer"`         // index of the right one
	Base     []float64 `json:"logprobs"`       // Σ ln p of each, nats
	Patched  []float64 `json:"logprobs_after"` // null without a patch
	Chosen   int       `json:"chosen"`         // index
	After    int       `json:"chosen_after"`   // likewise; -1 without a patch
}

// Score is how many answers are right, beside what guessing would give.
type Score struct {
	Right    int      `json:"right"`
	Accuracy Estimate `json:"accuracy"`
	Chance   float64  `json:"chance"`  // mean of 1 / number of choices
	PValue   float64  `json:"p_value"` // exact and one-sided: so many or more by guessing
}

// SubjectScore is the questions of one subject.
type SubjectScore struct {
	Subject  string   `json:"subject"`
	Total    int      `json:"total"`
	Accuracy Estimate `json:"accuracy"`
	Change   *Paired  `json:"change"` // adjusted for the number of subjects; null without a patch
}

// ChoiceOptions choose the questions and how they are put.
type ChoiceOptions struct {
	File      string // for people
	Questions []ChoiceQuestion
	By        ChoiceBy
	Prompt    string // template, with {question} and {choices}
	Patch     Patching
}

// askedPart is how many questions are scored in one piece of work.
const askedPart = 32

// MeasureChoice scores every choice of every question, as the model is and
// patched.
func MeasureChoice(ctx context.Context, r *Run, o ChoiceOptions) (*Choice, error) {
	questions, err := o.questions(r.Model)
	if err != nil {
		return nil, err
	}
	base, patched, err := inParts(ctx, r, o.Patch, len(questions), askedPart,
		func(lo, hi int) string {
			return fmt.Sprintf("questions %d to %d, %.16x", lo+1, hi, questionsDigest(questions[lo:hi]))
		},
		func(ctx context.Context, overlay *engine.Overlay, lo, hi int) ([][]float64, error) {
			return scoreChoices(ctx, r.Model, overlay, questions[lo:hi])
		})
	if err != nil {
		return nil, err
	}
	return o.result(base, patched), nil
}

// questions checks the options and encodes the questions.
func (o ChoiceOptions) questions(m *engine.Model) ([]engine.Question, error) {
	switch {
	case len(o.Questions) == 0:
		return nil, errors.New("there are no questions to ask: give a file that has some")
	case !strings.Contains(o.Prompt, questionMark):
		return nil, fmt.Errorf("the prompt %q has no place for the question: write %s where it goes", o.Prompt, questionMark)
	case o.By == ByLetter && !strings.Contains(o.Prompt, choicesMark):
		return nil, fmt.Errorf("the prompt %q has no place for the choices, of which the letters are told: write %s where they go", o.Prompt, choicesMark)
	}
	var all []engine.Question
	for _, q := range o.Questions {
		asked, err := o.By.question(m.Tokenizer(), o.Prompt, q)
		if err != nil {
			return nil, fmt.Errorf("%s, %w", o.File, err)
		}
		for _, a := range asked.Answers {
			if n, most := len(asked.Prompt)+len(a), m.Config().Context; n > most {
				return nil, fmt.Errorf("%s, line %d: the prompt and a choice have %d tokens, the model's context is %d: leave the question out", o.File, q.Line, n, most)
			}
		}
		all = append(all, asked)
	}
	return all, nil
}

func questionsDigest(part []engine.Question) [sha256.Size]byte {
	var b []byte
	for _, q := range part {
		b = fmt.Appendf(b, "%v %v\n", q.Prompt, q.Answers)
	}
	return sha256.Sum256(b)
}

// scoreChoices returns Σ ln p of every choice.
func scoreChoices(ctx context.Context, m *engine.Model, overlay *engine.Overlay, part []engine.Question) ([][]float64, error) {
	asked := make([]engine.Question, len(part))
	for i, q := range part {
		q.Overlay = overlay
		asked[i] = q
	}
	answers, err := m.Score(ctx, asked)
	if err != nil {
		return nil, err
	}
	logProbs := make([][]float64, len(part))
	for i, choices := range answers {
		for _, a := range choices {
			logProbs[i] = append(logProbs[i], a.LogProb)
		}
	}
	return logProbs, nil
}

// result puts the pieces together.
func (o ChoiceOptions) result(base, patched [][]float64) *Choice {
	c := &Choice{File: o.File, By: o.By, Prompt: o.Prompt, Patch: o.Patch.Name}
	for i, q := range o.Questions {
		a := Asked{
			Line: q.Line, Subject: q.Subject, Question: q.Question, Choices: q.Choices, Answer: q.Answer,
			Base: base[i], After: -1,
		}
		a.Chosen = o.By.pick(a.Base, a.Choices)
		if len(patched) > 0 {
			a.Patched = patched[i]
			a.After = o.By.pick(a.Patched, a.Choices)
		}
		c.Asked = append(c.Asked, a)
	}
	c.count(len(patched) > 0)
	return c
}

// count sums up the questions.
func (c *Choice) count(patched bool) {
	var subjects []string
	members := map[string][]int{}
	var all []int
	var gains []float64
	for i, a := range c.Asked {
		if members[a.Subject] == nil {
			subjects = append(subjects, a.Subject)
		}
		members[a.Subject], all = append(members[a.Subject], i), append(all, i)
		if patched {
			gains = append(gains, a.Patched[a.Answer]-a.Base[a.Answer])
		}
	}
	before, after := c.marks(all)
	c.Base = c.score(before)
	var tests []*Test
	for _, name := range subjects {
		was, is := c.marks(members[name])
		s := SubjectScore{Subject: name, Total: len(was), Accuracy: shareOf(countRight(was), len(was))}
		if patched {
			change := pairedOf(was, is)
			s.Change = &change
			tests = append(tests, &s.Change.Test)
		}
		c.Subjects = append(c.Subjects, s)
	}
	if patched {
		score, change, gain := c.score(after), pairedOf(before, after), meanOf(gains)
		c.Patched, c.Change, c.Gain = &score, &change, &gain
		adjust(tests)
	}
}

// marks tells which of some questions were answered right, before and after.
func (c *Choice) marks(questions []int) (before, after []bool) {
	for _, i := range questions {
		a := c.Asked[i]
		before, after = append(before, a.Chosen == a.Answer), append(after, a.After == a.Answer)
	}
	return before, after
}

func countRight(marks []bool) (n int) {
	for _, right := range marks {
		n += one(right)
	}
	return n
}

// score counts the marks of all questions.
func (c *Choice) score(marks []bool) Score {
	var chances []float64
	for _, a := range c.Asked {
		chances = append(chances, 1/float64(len(a.Choices)))
	}
	right := countRight(marks)
	return Score{right, shareOf(right, len(marks)), stats.Mean(chances), atLeast(right, chances)}
}
