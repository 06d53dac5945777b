package main

import (
	"bytes"
	"context"
	"reflect"
	"testing"

	"bankai/engine"
	"bankai/internal/source"
	"bankai/probe"
)

// Scoring in parts, to show progress, gives the scores of one call; and no question is
// left out or asked twice.
func TestGradualScores(t *testing.T) {
	a := newApp(nil, nil, &bytes.Buffer{}, &bytes.Buffer{})
	m, err := a.openModel(&modelFlags{path: demoName})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s, err := source.ReadSet("demo:search_few")
	if err != nil {
		t.Fatal(err)
	}
	var questions []engine.Question
	tokens := 0
	for _, p := range s.Set {
		ids, err := p.Tokens(m.Tokenizer())
		if err != nil {
			t.Fatal(err)
		}
		q := engine.Question{Prompt: ids.Prompt, Answers: probe.SeqLogprob.Answers(ids)}
		questions = append(questions, q)
		tokens += q.Tokens()
	}
	if tokens < 3*passTokens {
		t.Fatalf("%d tokens: too few to be scored in parts", tokens)
	}
	whole, err := m.Score(context.Background(), questions)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := gradual{m, a, "test"}.Score(context.Background(), questions)
	if err != nil || !reflect.DeepEqual(parts, whole) {
		t.Errorf("scores in parts differ from those at once (%v)", err)
	}
}
