package benchmark

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"strings"

	"bankai/engine"
	"bankai/internal/chart"
	"bankai/internal/experiment"
	"bankai/internal/report"
	"bankai/internal/stats"
	"bankai/internal/text"
	"bankai/probe"
)

// Choice is how a model answers multiple-choice questions by log-probability, as
// it is and patched.
type Choice struct {
	report.About
	File   string   `json:"file"`
	By     ChoiceBy `json:"by"`
	Prompt string   `json:"prompt"`          // template
	Patch  string   `json:"patch,omitempty"` // the files

	Asked    []Asked          `json:"questions"`
	Base     Score            `json:"base"`
	Patched  *Score           `json:"patched"`  // null without a patch
	Change   *Paired          `json:"change"`   // null without a patch
	Gain     *report.Estimate `json:"gain"`     // mean change of ln p of the right answer, nats; null without a patch
	Subjects []SubjectScore   `json:"subjects"` // in order of appearance
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
	After    int       `json:"chosen_after"`   // index; -1 without a patch
}

// Score is how many answers are right, and how many guessing would give.
type Score struct {
	Right    int             `json:"right"`
	Accuracy report.Estimate `json:"accuracy"`
	Chance   float64         `json:"chance"`  // mean of 1 / number of choices
	PValue   float64         `json:"p_value"` // exact and one-sided: of Right or more answers being right by guessing
}

// SubjectScore is the questions of one subject.
type SubjectScore struct {
	Subject  string          `json:"subject"`
	Total    int             `json:"total"`
	Accuracy report.Estimate `json:"accuracy"`
	Change   *Paired         `json:"change"` // adjusted for the number of subjects; null without a patch
}

// ChoiceOptions choose the questions and how they are put.
type ChoiceOptions struct {
	File      string // for people
	Questions []ChoiceQuestion
	By        ChoiceBy
	Prompt    string // template, with {question} and {choices}
	Patch     experiment.Patching
}

// askedPart is how many questions are scored in one piece of work.
const askedPart = 32

// MeasureChoice scores every choice of every question, as the model is and
// patched.
func MeasureChoice(ctx context.Context, r *experiment.Run, o ChoiceOptions) (*Choice, error) {
	questions, err := o.questions(r.Model)
	if err != nil {
		return nil, err
	}
	base, patched, err := experiment.InParts(ctx, r, o.Patch, len(questions), askedPart,
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
	var tests []*experiment.McNemar
	for _, name := range subjects {
		was, is := c.marks(members[name])
		s := SubjectScore{Subject: name, Total: len(was), Accuracy: report.ShareOf(countRight(was), len(was))}
		if patched {
			change := pairedOf(was, is)
			s.Change = &change
			tests = append(tests, &s.Change.McNemar)
		}
		c.Subjects = append(c.Subjects, s)
	}
	if patched {
		score, change, gain := c.score(after), pairedOf(before, after), report.MeanOf(gains)
		c.Patched, c.Change, c.Gain = &score, &change, &gain
		experiment.AdjustHolm(tests)
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
	return Score{right, report.ShareOf(right, len(marks)), stats.Mean(chances), atLeast(right, chances)}
}

// ChoiceBy says by which log-probability a model chooses.
type ChoiceBy string

// The ways to choose. All take the likeliest, the first among equals.
const (
	// ByLetter lists the choices in the prompt, "A. …" a line, and takes the
	// letter: MMLU's way.
	ByLetter ChoiceBy = "letter"
	// ByText takes Σ ln p of a choice's text behind the question. Longer texts have
	// less of it.
	ByText ChoiceBy = "text"
	// ByTextPerByte divides that by the bytes of the text, after the idea of
	// acc_norm in lm-evaluation-harness.
	ByTextPerByte ChoiceBy = "text-per-byte"
)

// ParseChoiceBy reads "letter", "text" or "text-per-byte".
func ParseChoiceBy(s string) (ChoiceBy, error) {
	switch by := ChoiceBy(s); by {
	case ByLetter, ByText, ByTextPerByte:
		return by, nil
	}
	return "", fmt.Errorf("%q is no way to choose: want letter, text or text-per-byte", s)
}

// String implements fmt.Stringer.
func (by ChoiceBy) String() string { return string(by) }

// choicesMark is what a prompt template has for the list of choices.
const choicesMark = "{choices}"

// Template is the usual prompt: MMLU's with the letters, a plain one without.
func (by ChoiceBy) Template() string {
	if by == ByLetter {
		return questionMark + "\n" + choicesMark + "\nAnswer:"
	}
	return "Question: " + questionMark + "\nAnswer:"
}

// prompt is what stands in front of every choice, and texts what is scored behind
// it. A space parts them where neither has one.
func (by ChoiceBy) prompt(template string, q ChoiceQuestion) (prompt string, texts []string) {
	var list []string
	for i, c := range q.Choices {
		list = append(list, letters[i:i+1]+". "+c)
	}
	prompt = strings.NewReplacer(questionMark, q.Question, choicesMark, strings.Join(list, "\n")).Replace(template)
	for i, c := range q.Choices {
		if by == ByLetter {
			c = letters[i : i+1]
		}
		if strings.TrimLeft(c, " \n") == c && strings.TrimRight(prompt, " \n") == prompt {
			c = " " + c
		}
		texts = append(texts, c)
	}
	return prompt, texts
}

// question is a choice as token ids. The texts are encoded where they stand, behind
// the prompt; what they change of the prompt's own last ids is scored with them.
func (by ChoiceBy) question(e probe.Encoder, template string, q ChoiceQuestion) (engine.Question, error) {
	prompt, texts := by.prompt(template, q)
	ids := e.Encode(prompt)
	shared := len(ids)
	var whole [][]int32
	for _, t := range texts {
		all := e.Encode(prompt + t)
		n := 0
		for n < min(shared, len(all)-1) && all[n] == ids[n] {
			n++
		}
		shared, whole = n, append(whole, all)
	}
	if shared == 0 {
		return engine.Question{}, fmt.Errorf("line %d: no token of the prompt is left in front of its choices: make it longer", q.Line)
	}
	asked := engine.Question{Prompt: ids[:shared]}
	for _, all := range whole {
		asked.Answers = append(asked.Answers, all[shared:])
	}
	return asked, nil
}

// pick is the index of the choice with the best score.
func (by ChoiceBy) pick(logProbs []float64, choices []string) int {
	best, most := 0, 0.0
	for i, score := range logProbs {
		if by == ByTextPerByte {
			score /= float64(len(strings.TrimSpace(choices[i])))
		}
		if i == 0 || score > most {
			best, most = i, score
		}
	}
	return best
}

// Present implements Result.
func (c *Choice) Present() *report.Presentation {
	n := len(c.Asked)
	p := &report.Presentation{
		Title: "Multiple choice of " + c.File,
		Purpose: "Questions with answers to choose from, as in MMLU: the model's choice is the answer to which it gives the highest log-probability, so nothing is generated. " +
			"The published work has no such experiment; it names standard benchmarks as future work. Accuracy counts only beside chance, and a patch by what it fixed and broke.",
		Findings: []string{c.Base.finding("Without a patch", n)},
		Tables:   []report.Table{c.figureTable(), c.subjectTable()},
		Notes: []string{fmt.Sprintf("%d questions, chosen by %s: %s. Intervals are 95 %%: Wilson's for shares, Newcombe's (1998, method 10) for differences, Student's for means. "+
			"p against chance is exact and one-sided: so many right answers or more by guessing.", n, c.By, c.By.meaning())},
	}
	if c.Change != nil {
		p.Findings = append(p.Findings, c.Patched.finding("Patched", n), c.Change.finding("questions"), c.Change.limits(),
			fmt.Sprintf("ln p of the right answer changed by %s nats on average.", report.CellText(*c.Gain)))
		p.Tables = append(p.Tables, report.Table{
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
	if s.PValue < report.Significance {
		verdict = "better than chance"
	}
	return fmt.Sprintf("%s %d of %d questions are right, %s; guessing gives %s: %s (p = %s).",
		who, s.Right, n, report.CellText(s.Accuracy), text.Digits(s.Chance), verdict, report.CellText(report.PValue(s.PValue)))
}

func (c *Choice) figureTable() report.Table {
	t := report.Table{
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
	return []any{who, s.Right, n, s.Accuracy, s.Chance, report.PValue(s.PValue)}
}

func (c *Choice) subjectTable() report.Table {
	t := report.Table{
		Name: "choice-subjects", Caption: "By subject",
		Columns: []string{"subject", "questions", "accuracy", "patched", "fixed", "broke", "p, Holm"}, Brief: 20,
	}
	for _, s := range c.Subjects {
		row := []any{report.CategoryName(s.Subject), s.Total, s.Accuracy, nil, nil, nil, nil}
		if s.Change != nil {
			row[3], row[4], row[5], row[6] = s.Change.ShareAfter, s.Change.Fixed, s.Change.Broke, report.PValue(s.Change.Holm)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// changeTable lists the questions whose marks differ, those that broke first.
func (c *Choice) changeTable() report.Table {
	t := report.Table{
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
	add := func(name string, was report.Estimate, change *Paired) {
		bars.Names = append(bars.Names, name)
		before.Values = append(before.Values, was.At(0))
		is := report.Estimate{Value: math.NaN(), Low: math.NaN(), High: math.NaN()}
		if change != nil {
			is = change.ShareAfter
		}
		after.Values = append(after.Values, is.At(0))
	}
	add("all", c.Base.Accuracy, c.Change)
	if len(c.Subjects) > 1 {
		for _, s := range c.Subjects {
			add(report.CategoryName(s.Subject), s.Accuracy, s.Change)
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

// atLeast is the exact probability that at least right of independent guesses are
// right, each with its own chance: a one-sided binomial test
// where all are equal, and of the Poisson binomial distribution where they are not.
// Guess by guess, the probability of every count is
//
//	P(k) ← P(k)·(1−p) + P(k−1)·p,
//
// a sum of positive terms, so rounding is below n·2⁻⁵² of the value.
func atLeast(right int, chances []float64) float64 {
	counts := make([]float64, len(chances)+1) // P(k) of the guesses so far
	counts[0] = 1
	for n, p := range chances {
		for k := n + 1; k > 0; k-- {
			counts[k] = float64(counts[k]*(1-p)) + float64(counts[k-1]*p)
		}
		counts[0] = float64(counts[0] * (1 - p))
	}
	sum := 0.0
	for k := len(chances); k >= right; k-- {
		sum += counts[k]
	}
	return min(sum, 1)
}
