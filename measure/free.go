package measure

import (
	"context"
	"fmt"
	"strings"

	"bankai/engine"
	"bankai/judge"
	"bankai/probe"
)

// Asked is a question whose answer may be of any length.
type Asked struct {
	Name, Category string
	Shown          string  // the prompt, for people
	Prompt         []int32 // the prompt, for the model
	Line           bool    // an answer ends with its line, too, not only at the model's end token
	Wanted         judge.Wanted
	WantedTokens   int
	Rule           judge.Rule // when an answer is right; without a Kind someone else says so
	// Read tells text and calls of what is generated apart; nil: all of it is text.
	Read func(generated string) judge.Answer
}

// Given is what a model answered.
type Given struct {
	Text string `json:"answer"` // all that was generated
	Cut  bool   `json:"cut"`    // the answer had not ended when the room for it did
}

// Answer is the given answer as it is judged.
func (q Asked) Answer(g Given) judge.Answer {
	a := judge.Answer{Text: g.Text}
	if q.Read != nil {
		a = q.Read(g.Text)
	}
	a.Cut = g.Cut
	return a
}

// Room is how many tokens answers may take if nobody says: half as many again as the
// longest that is wanted, and 16 more.
func Room(asked []Asked) int {
	longest := 0
	for _, q := range asked {
		longest = max(longest, q.WantedTokens)
	}
	return longest + longest/2 + 16
}

// Answers lets the model answer questions greedily, through the overlay o (nil is the
// base), in at most most tokens each, or as many as fit into its context. What is given
// comes in parts, in order, to the function of that name, whose error ends the work: it
// may keep them.
func Answers(ctx context.Context, m Model, o *engine.Overlay, asked []Asked, most int, given func([]Given) error) error {
	return inParts(ctx, m, len(asked), func(ctx context.Context, lo, hi int) ([]Given, error) {
		answers, err := answerPart(ctx, m, o, asked[lo:hi], most)
		if err != nil {
			return nil, fmt.Errorf("answering %s to %s: %w", asked[lo].Name, asked[hi-1].Name, err)
		}
		return answers, nil
	}, func(_, _ int, answers []Given) error { return given(answers) })
}

func answerPart(ctx context.Context, m Model, o *engine.Overlay, asked []Asked, most int) ([]Given, error) {
	tok := m.Tokenizer()
	reqs := make([]engine.Request, len(asked))
	for i, q := range asked {
		reqs[i] = engine.Request{Prompt: q.Prompt, Overlay: o, Max: most}
		if q.Line {
			reqs[i].Until = lineEnded
		}
	}
	results, err := m.Generate(ctx, reqs, nil)
	if err != nil {
		return nil, err
	}
	out := make([]Given, len(asked))
	for i, r := range results {
		out[i] = Given{Text: tok.Decode(r.IDs), Cut: r.Finish == "length"}
		if asked[i].Line {
			out[i].Text = firstLine(out[i].Text)
		}
	}
	return out, nil
}

// lineEnded ends a request where the line ends that its answer is on: leading white
// space is no answer yet.
var lineEnded = engine.Until{Line: engine.FirstLine}

// firstLine is a text up to the end of the first line that has something on it.
func firstLine(text string) string {
	begin := len(text) - len(strings.TrimLeft(text, " \t\r\n"))
	if n := strings.Index(text[begin:], probe.Stop); n >= 0 {
		return text[:begin+n]
	}
	return text
}

// Judged are answers with the verdicts on them.
type Judged struct {
	Given    []Given
	Verdicts []judge.Verdict
}

// CompareJudged sets the answers of the base and of the patched model to the same
// questions side by side.
func CompareJudged(asked []Asked, before, after Judged) *Result {
	r := newResult()
	for i, q := range asked {
		was, is := q.Answer(before.Given[i]), q.Answer(after.Given[i])
		r.add(Output{
			Name: q.Name, Category: q.Category, Prompt: q.Shown, Correct: WantedText(q.Wanted),
			Before: AnswerText(was), After: AnswerText(is),
			RightBefore: before.Verdicts[i].Right, RightAfter: after.Verdicts[i].Right,
			ReasonBefore: before.Verdicts[i].Reason, ReasonAfter: after.Verdicts[i].Reason,
		})
	}
	return r.finish()
}

// AnswerText is an answer for people, calls as JSON, one a line.
func AnswerText(a judge.Answer) string {
	return WantedText(judge.Wanted{Text: a.Text, Calls: a.Calls})
}

// WantedText is a wanted answer for people.
func WantedText(w judge.Wanted) string {
	lines := []string{}
	if strings.TrimSpace(w.Text) != "" {
		lines = append(lines, w.Text)
	}
	for _, c := range w.Calls {
		lines = append(lines, fmt.Sprintf("%s(%s)", c.Name, c.Arguments))
	}
	return strings.Join(lines, "\n")
}
