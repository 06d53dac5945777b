package measure

import (
	"context"
	"errors"

	"bankai/engine"
	"bankai/internal/kernel"
)

// linePart bounds the tokens of a line that are scored together.
const linePart = 512

// Perplexity is exp of the mean of −ln p over the tokens of the lines, the line
// ends included. The first token of a line is given, not predicted.
func Perplexity(ctx context.Context, m Model, overlay *engine.Overlay, lines []string) (float64, error) {
	var questions []engine.Question
	n := 0
	for _, line := range lines {
		for _, q := range engine.Continuations(m.Tokenizer().Encode(line+"\n"), linePart) {
			q.Overlay = overlay
			questions = append(questions, q)
			n += len(q.Answers[0])
		}
	}
	if n == 0 {
		return 0, errors.New("the text has nothing to predict: give sentences, one a line")
	}
	answers, err := m.Score(ctx, questions)
	if err != nil {
		return 0, err
	}
	var sum float64
	for _, a := range answers {
		sum += a[0].LogProb
	}
	return kernel.Exp64(-sum / float64(n)), nil
}

// ComparePerplexity measures lines of text with and without a patch.
func ComparePerplexity(ctx context.Context, m Model, overlay *engine.Overlay, lines []string) (*BeforeAfter, error) {
	before, err := Perplexity(ctx, m, nil, lines)
	if err != nil || overlay == nil {
		return &BeforeAfter{Before: before, After: before}, err
	}
	after, err := Perplexity(ctx, m, overlay, lines)
	return &BeforeAfter{Before: before, After: after}, err
}
