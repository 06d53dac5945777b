package experiment

import (
	"fmt"
	"strings"

	"bankai/engine"
	"bankai/probe"
)

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
