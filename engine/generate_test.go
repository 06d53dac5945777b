package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"bankai/internal/testmodel"
)

// Score is what adding up the log-probabilities of single steps gives, and does
// not depend on how many questions are asked at once.
func TestScore(t *testing.T) {
	for _, shape := range []testmodel.Shape{shapes["untied, head_dim 128"], testmodel.TinyHybrid} {
		checkScore(t, shape)
	}
}

func checkScore(t *testing.T, shape testmodel.Shape) {
	m := testModel(t, shape, Options{})
	rng := rand.New(rand.NewPCG(1, 1))
	o, err := m.Overlay(testPatches(m)["mixed"])
	if err != nil {
		t.Fatal(err)
	}
	var qs []Question
	for i := range 150 { // more than one pass
		q := Question{Prompt: randomIDs(rng, 1+rng.IntN(20), shape.Vocab)}
		for range 1 + rng.IntN(3) {
			q.Answers = append(q.Answers, randomIDs(rng, 1+rng.IntN(5), shape.Vocab))
		}
		if i%2 == 1 {
			q.Overlay = o
		}
		qs = append(qs, q)
	}
	got, err := m.Score(context.Background(), qs)
	if err != nil {
		t.Fatal(err)
	}
	for i, q := range qs {
		alone, err := m.Score(context.Background(), []Question{q})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(alone[0], got[i]) {
			t.Fatalf("question %d alone scores %v, in a batch %v", i, alone[0], got[i])
		}
		for j, a := range q.Answers {
			if want := stepByStep(t, m, q, a); got[i][j] != want {
				t.Fatalf("question %d answer %d scores %+v, want %+v", i, j, got[i][j], want)
			}
		}
	}
}

// stepByStep scores one answer from the plain logits of prompt+answer.
func stepByStep(t *testing.T, m *Model, q Question, answer []int32) Answer {
	vocab := m.Config().Vocab
	l := logitsOf(t, m, q.Overlay, append(slices.Clone(q.Prompt), answer...))
	out := Answer{Greedy: true}
	for i, id := range answer {
		row := l[(len(q.Prompt)-1+i)*vocab:][:vocab]
		out.LogProb += float64(row[id]) - m.LogSumExp(row)
		out.Margin += plainMargin(row, int(id))
		if argMax(row) != id {
			out.Greedy = false
		}
	}
	first := l[(len(q.Prompt)-1)*vocab:][:vocab]
	for _, v := range first {
		if v > first[answer[0]] {
			out.Rank++
		}
	}
	return out
}

// Generation is the same alone and in a batch, greedy and sampled, and greedy is
// the arg max of the plain logits at every step.
func TestGenerate(t *testing.T) {
	for _, shape := range []testmodel.Shape{shapes["tied, head_dim 64"], testmodel.TinyHybrid} {
		checkGenerate(t, shape)
	}
}

func checkGenerate(t *testing.T, shape testmodel.Shape) {
	m := testModel(t, shape, Options{})
	rng := rand.New(rand.NewPCG(2, 1))
	var reqs []Request
	for i := range 70 { // more than generateSeqs
		r := Request{Prompt: randomIDs(rng, 1+rng.IntN(10), shape.Vocab-3), Max: 1 + i%9}
		if i%3 == 0 {
			r.Sampling = Sampling{Temperature: 1.3, TopK: 40, TopP: 0.95, MinP: 0.01, Seed: uint64(i)}
		}
		reqs = append(reqs, r)
	}
	streamed := make([][]int32, len(reqs))
	got, err := m.Generate(context.Background(), reqs, func(i int, id int32) { streamed[i] = append(streamed[i], id) })
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range reqs {
		alone, err := m.Generate(context.Background(), []Request{r}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(alone[0].IDs, got[i].IDs) || alone[0].Finish != got[i].Finish {
			t.Fatalf("request %d alone gives %v, in a batch %v", i, alone[0], got[i])
		}
		if !slices.Equal(streamed[i], got[i].IDs) {
			t.Fatalf("request %d streamed %v, returned %v", i, streamed[i], got[i].IDs)
		}
		if r.Sampling.Temperature == 0 {
			all := append(slices.Clone(r.Prompt), got[i].IDs...)
			l := logitsOf(t, m, nil, all)
			for n, id := range got[i].IDs {
				if want := argMax(l[(len(r.Prompt)-1+n)*shape.Vocab:][:shape.Vocab]); id != want {
					t.Fatalf("request %d token %d is %d, want %d", i, n, id, want)
				}
			}
		}
	}
}

// Requests that cannot be run are refused alone, each with its reason; the others
// give what they give without them.
func TestGenerateRefusesAlone(t *testing.T) {
	m, other := testModel(t, testmodel.Tiny, Options{}), testModel(t, testmodel.Tiny, Options{})
	foreign, err := other.Overlay(testPatches(other)["mixed"])
	if err != nil {
		t.Fatal(err)
	}
	good := Request{Prompt: []int32{1, 2, 3}, Max: 4}
	want, err := m.Generate(context.Background(), []Request{good}, nil)
	if err != nil {
		t.Fatal(err)
	}
	reqs := []Request{
		good,
		{Max: 1},
		{Prompt: []int32{1, 9999}, Max: 4},
		{Prompt: []int32{-1}, Max: 4},
		{Prompt: make([]int32, m.Config().Context+1), Max: 4},
		{Prompt: []int32{1}, Max: 4, Overlay: foreign},
		{Prompt: []int32{1}, Max: 4, Sampling: Sampling{MinP: 2}},
		good,
	}
	var emitted [8][]int32
	got, err := m.Generate(context.Background(), reqs, func(i int, id int32) { emitted[i] = append(emitted[i], id) })
	var refused *RequestError
	if !errors.As(err, &refused) || refused.Request != 1 || err.Error() != "request 1: the prompt has no tokens" {
		t.Errorf("error %v", err)
	}
	for i, r := range got {
		if i == 0 || i == len(reqs)-1 {
			if r.Err != nil || !slices.Equal(r.IDs, want[0].IDs) || r.Finish != want[0].Finish || !slices.Equal(emitted[i], r.IDs) {
				t.Errorf("request %d gives %+v, alone %+v", i, r, want[0])
			}
			continue
		}
		if !errors.As(r.Err, &refused) || refused.Request != i || r.IDs != nil || r.Finish != "" {
			t.Errorf("request %d gives %+v", i, r)
		}
	}

	w := m.Workbench()
	stale, err := w.Overlay(testPatches(m)["mixed"])
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Apply(testPatches(m)["mixed"]); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Generate(context.Background(), []Request{{Prompt: []int32{1}, Max: 1, Overlay: stale}}, nil); !errors.Is(err, ErrStaleOverlay) {
		t.Errorf("a stale overlay: %v", err)
	}
}

// A question that cannot be scored is an error, not a fault, wherever it is asked.
func TestScoreRefuses(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	ctx := context.Background()
	vocab := int32(m.Config().Vocab)
	for _, c := range []struct {
		q    Question
		want string
	}{
		{Question{Answers: [][]int32{{1}}}, "question 1: the prompt has no tokens"},
		{Question{Prompt: []int32{1}, Answers: [][]int32{{}}}, "question 1: answer 0 has no tokens"},
		{Question{Prompt: []int32{1}, Answers: [][]int32{{vocab}}}, fmt.Sprintf("question 1: answer 0: token id %d is outside the vocabulary of %d", vocab, vocab)},
		{Question{Prompt: []int32{1}, Answers: [][]int32{{2, -1}}}, fmt.Sprintf("question 1: answer 0: token id -1 is outside the vocabulary of %d", vocab)},
	} {
		qs := []Question{{Prompt: []int32{1}, Answers: [][]int32{{2}}}, c.q}
		for name, ask := range map[string]func() error{
			"Score":       func() error { _, err := m.Score(ctx, qs); return err },
			"ScoreTokens": func() error { _, err := m.ScoreTokens(ctx, qs); return err },
			"References":  func() error { _, err := m.References(ctx, qs, ReferenceOptions{}); return err },
			"NewTrunk":    func() error { _, err := m.NewTrunk(ctx, qs); return err },
		} {
			if err := ask(); err == nil || err.Error() != c.want {
				t.Errorf("%s: %v, want %s", name, err, c.want)
			}
		}
	}
}

func TestGenerateStops(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	ctx := context.Background()
	r := Request{Prompt: []int32{1, 2, 3}, Max: 50, Stop: func(ids []int32) bool { return len(ids) == 4 }}
	got, err := m.Generate(ctx, []Request{r}, nil)
	if err != nil || len(got[0].IDs) > 4 || got[0].Finish != "stop" {
		t.Errorf("Stop after 4 tokens gives %v, %v", got, err)
	}
	full := Request{Prompt: make([]int32, m.Config().Context-2), Max: 50}
	got, err = m.Generate(ctx, []Request{full}, nil)
	if err != nil || len(got[0].IDs) > 3 {
		t.Errorf("a nearly full context gives %d tokens, %v", len(got[0].IDs), err)
	}
	if _, err := m.Generate(ctx, []Request{{Max: 1}}, nil); err == nil {
		t.Error("an empty prompt was accepted")
	}
	if _, err := m.Generate(ctx, []Request{{Prompt: []int32{1}, Max: 1, Sampling: Sampling{MinP: 2}}}, nil); err == nil {
		t.Error("an impossible sampling was accepted")
	}
	ctx, cancel := context.WithCancel(ctx)
	got, err = m.Generate(ctx, []Request{{Prompt: []int32{1}, Max: 50}}, func(int, int32) { cancel() })
	if !errors.Is(err, context.Canceled) || len(got[0].IDs) != 1 {
		t.Errorf("a cancelled generation kept %v, %v", got[0].IDs, err)
	}
}
