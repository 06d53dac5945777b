package benchmark

import (
	"context"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/experiment"
	"bankai/internal/report"
	"bankai/internal/reporttest"
)

// facts are the options for the first committed questions.
func facts(t *testing.T, m *engine.Model, by ChoiceBy, n int) ChoiceOptions {
	t.Helper()
	f, err := os.Open("../../models/demo/choices.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	questions, err := ReadChoices(f)
	if err != nil {
		t.Fatal(err)
	}
	o := ChoiceOptions{File: "facts", Questions: questions[:n], By: by, Prompt: "{question}", Patch: experiment.Patching{Overlay: enginetest.Overlay(t, m, harmful()), Name: "harmful", ID: "1"}}
	if by == ByLetter {
		o.Prompt = by.Template()
	}
	return o
}

// plainScores is Σ ln p of texts behind a prompt, by plain loops over the logits of
// one pass each.
func plainScores(t *testing.T, m *engine.Model, prompt string, texts []string) (scores []float64) {
	given := len(m.Tokenizer().Encode(prompt))
	for _, text := range texts {
		ids, sum := m.Tokenizer().Encode(prompt+text), 0.0
		rows := enginetest.LogProbs(t, m, ids)
		for i := given; i < len(ids); i++ {
			sum += rows[i-1][ids[i]]
		}
		scores = append(scores, sum)
	}
	return scores
}

// Log-probabilities, choices and counts are those of plain loops, of the model as
// it is and with the patch in its weights.
func TestChoiceOfPlainLogits(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{Threads: 0})
	const n = 16
	for by, write := range map[ChoiceBy]func(q ChoiceQuestion) (prompt string, texts []string){
		ByText: func(q ChoiceQuestion) (string, []string) {
			var texts []string
			for _, c := range q.Choices {
				texts = append(texts, " "+c)
			}
			return q.Question, texts
		},
		ByLetter: func(q ChoiceQuestion) (string, []string) {
			return q.Question + "\nA. " + q.Choices[0] + "\nB. " + q.Choices[1] + "\nC. " + q.Choices[2] + "\nD. " + q.Choices[3] + "\nAnswer:", []string{" A", " B", " C", " D"}
		},
	} {
		o := facts(t, m, by, n)
		c, err := MeasureChoice(t.Context(), &experiment.Run{Model: m}, o)
		if err != nil {
			t.Fatal(err)
		}
		near := func(got, want []float64, line int) {
			if enginetest.Far(got, want) > 1e-5 {
				t.Errorf("by %s, line %d: %v, by plain loops %v", by, line, got, want)
			}
		}
		right, rightAfter := 0, 0
		for i, q := range o.Questions {
			scores := plainScores(t, m, first(write(q)), second(write(q)))
			near(c.Asked[i].Base, scores, q.Line)
			right += one(slices.Index(scores, slices.Max(scores)) == q.Answer)
		}
		harmed := enginetest.Patched(t, m, harmful())
		for i, q := range o.Questions {
			scores := plainScores(t, harmed, first(write(q)), second(write(q)))
			near(c.Asked[i].Patched, scores, q.Line)
			rightAfter += one(slices.Index(scores, slices.Max(scores)) == q.Answer)
		}
		if c.Base.Right != right || c.Patched.Right != rightAfter || c.Change.Before != right || c.Change.After != rightAfter {
			t.Errorf("by %s: %d and %d right, by plain loops %d and %d", by, c.Base.Right, c.Patched.Right, right, rightAfter)
		}
		if by == ByText && right < n-1 {
			t.Errorf("%d of %d facts right: the embedded model knows them", right, n)
		}
	}
}

func first[A, B any](a A, _ B) A  { return a }
func second[A, B any](_ A, b B) B { return b }

func TestChoiceIsResumed(t *testing.T) {
	resumed(t, func(t *testing.T, ctx context.Context, r *experiment.Run) (report.Result, error) {
		c, err := MeasureChoice(ctx, r, facts(t, r.Model, ByTextPerByte, 70))
		return c, err
	})
}

func TestPick(t *testing.T) {
	choices := []string{"yes", "certainly", "no"}
	for _, c := range []struct {
		by     ChoiceBy
		scores []float64
		want   int
	}{
		{ByText, []float64{-3, -6, -2.5}, 2},
		{ByTextPerByte, []float64{-3, -6, -2.5}, 1}, // −1, −0.67 and −1.25 a byte
		{ByLetter, []float64{-3, -3, -4}, 0},        // the first of equals
	} {
		if got := c.by.pick(c.scores, choices); got != c.want {
			t.Errorf("by %s: choice %d, want %d", c.by, got, c.want)
		}
	}
}

// What stands in front of a choice, and what is scored. A space parts them once.
func TestChoicePrompt(t *testing.T) {
	q := ChoiceQuestion{Question: "Who sings?", Choices: []string{"birds", " stones"}}
	for _, c := range []struct {
		by       ChoiceBy
		template string
		prompt   string
		texts    []string
	}{
		{ByLetter, ByLetter.Template(), "Who sings?\nA. birds\nB.  stones\nAnswer:", []string{" A", " B"}},
		{ByText, ByText.Template(), "Question: Who sings?\nAnswer:", []string{" birds", " stones"}},
		{ByText, "{question}\n", "Who sings?\n", []string{"birds", " stones"}},
	} {
		if prompt, texts := c.by.prompt(c.template, q); prompt != c.prompt || !slices.Equal(texts, c.texts) {
			t.Errorf("by %s: %q and %q", c.by, prompt, texts)
		}
	}
}

// A prompt that ends in a space gives it to the choices' first tokens: they are
// scored from there on.
func TestChoiceAcrossTheBorder(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{Threads: 0})
	tok := m.Tokenizer()
	q := ChoiceQuestion{Question: "The opposite of big is", Choices: []string{"small", "7"}}
	asked, err := ByText.question(tok, "{question} ", q)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range q.Choices {
		if got := tok.Decode(slices.Concat(asked.Prompt, asked.Answers[i])); got != q.Question+" "+c {
			t.Errorf("choice %d is asked as %q", i, got)
		}
	}
	if got := tok.Decode(asked.Prompt); got != q.Question {
		t.Errorf("the prompt is %q, want %q", got, q.Question)
	}
	if _, err := ByText.question(tok, " ", q); err == nil || !strings.Contains(err.Error(), "line 0: no token of the prompt is left") {
		t.Errorf("got %v", err)
	}
}

// someChoice is a result without a model.
func someChoice() *Choice {
	o := ChoiceOptions{
		File: "a <b>file</b>", By: ByText, Prompt: "{question}", Patch: experiment.Patching{Name: "fix.bankai"},
		Questions: []ChoiceQuestion{
			{1, "Who sings?", []string{"birds", "stones"}, 0, "life"},
			{2, "Who swims?", []string{"stones", "fish"}, 1, "life"},
			{3, "2 + 2 =", []string{"3", "4", "5", "22"}, 1, ""},
		},
	}
	c := o.result(
		[][]float64{{-1, -2}, {-1, -2}, {-4, -1, -3, -9}},
		[][]float64{{-2, -1.5}, {-3, -1}, {-4, -1.5, -3, -9}})
	c.About = report.About{Experiment: "choice", Tool: "bankai", Model: "demo", Precision: "fast", Seed: 1}
	return c
}

func TestChoiceFigures(t *testing.T) {
	c := someChoice()
	if c.Base.Right != 2 || c.Patched.Right != 2 || c.Change.Fixed != 1 || c.Change.Broke != 1 {
		t.Errorf("got %+v", c)
	}
	if want := (0.5 + 0.5 + 0.25) / 3; math.Abs(c.Base.Chance-want) > 1e-15 {
		t.Errorf("chance %v, want %v", c.Base.Chance, want)
	}
	// At least two right by guessing: 1 − P(0) − P(1).
	if want := 1 - 0.5*0.5*0.75 - (2*0.5*0.5*0.75 + 0.5*0.5*0.25); math.Abs(c.Base.PValue-want) > 1e-15 {
		t.Errorf("p against chance %v, want %v", c.Base.PValue, want)
	}
	if want := (-1 + 1 - 0.5) / 3; math.Abs(c.Gain.Value-want) > 1e-15 || c.Gain.N != 3 {
		t.Errorf("ln p of the right answer changed by %+v, want %v", *c.Gain, want)
	}
	if len(c.Subjects) != 2 || c.Subjects[0].Total != 2 || c.Subjects[0].Change.Holm != 1 || c.Subjects[1].Subject != "" || c.Subjects[1].Change.After != 1 {
		t.Errorf("subjects %+v", c.Subjects)
	}
}

func TestChoiceGoesThroughFiles(t *testing.T) {
	c := someChoice()
	again, err := report.Read(written(t, c), Kinds)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(c, again) {
		t.Errorf("got %+v, want %+v", again, c)
	}
	reporttest.SameFiles(t, c, again)
}

func TestChoiceOptionsRefuse(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{Threads: 0})
	for _, c := range []struct {
		by     ChoiceBy
		change func(o *ChoiceOptions)
		want   string
	}{
		{ByText, func(o *ChoiceOptions) { o.Questions = nil }, "there are no questions to ask"},
		{ByText, func(o *ChoiceOptions) { o.Prompt = "Answer:" }, "has no place for the question"},
		{ByLetter, func(o *ChoiceOptions) { o.Prompt = "{question}" }, "has no place for the choices, of which the letters are told: write {choices}"},
		{ByText, func(o *ChoiceOptions) { o.Prompt = strings.Repeat("x y ", 200) + "{question}" }, "facts, line 1: the prompt and a choice have"},
	} {
		o := facts(t, m, c.by, 2)
		c.change(&o)
		if _, err := MeasureChoice(t.Context(), &experiment.Run{Model: m}, o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want …%s…", err, c.want)
		}
	}
	if _, err := ParseChoiceBy("luck"); err == nil || !strings.Contains(err.Error(), "want letter, text or text-per-byte") {
		t.Errorf("got %v", err)
	}
}
