package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"bankai/engine"
	"bankai/evaluate"
)

// linePart bounds the tokens of a line that are scored together.
const linePart = 512

// perplexity is exp of the mean of −ln p over the tokens of the lines, the line
// ends included. The first token of a line is given, not predicted.
func perplexity(ctx context.Context, m *engine.Model, overlay *engine.Overlay, lines []string) (float64, error) {
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
	return math.Exp(-sum / float64(n)), nil
}

// comparePerplexity measures lines of text with and without a patch.
func comparePerplexity(ctx context.Context, m *engine.Model, overlay *engine.Overlay, lines []string) (*evaluate.BeforeAfter, error) {
	before, err := perplexity(ctx, m, nil, lines)
	if err != nil || overlay == nil {
		return &evaluate.BeforeAfter{Before: before, After: before}, err
	}
	after, err := perplexity(ctx, m, overlay, lines)
	return &evaluate.BeforeAfter{Before: before, After: after}, err
}

// readLines reads the lines of a text file, or of an embedded text, that are not
// blank.
func readLines(source string) ([]string, error) {
	data, err := readSource(source)
	if err != nil {
		return nil, err
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("%s: holds no text: give one sentence a line", source)
	}
	return lines, nil
}
