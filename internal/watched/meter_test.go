package watched

import (
	"context"
	"io"
	"reflect"
	"testing"

	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/probe"
)

// Scoring in parts, to show progress, gives the scores of one call; and no question is
// left out or asked twice.
func TestGradualScores(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{})
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
	parts, err := gradual{m, terminal.New(io.Discard, io.Discard), "test"}.Score(context.Background(), questions)
	if err != nil || !reflect.DeepEqual(parts, whole) {
		t.Errorf("scores in parts differ from those at once (%v)", err)
	}
}
