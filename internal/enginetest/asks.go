package enginetest

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"bankai"
	"bankai/engine"
)

// Asks are questions and requests about a model, some of them patched, and what the model
// alone answers.
type Asks struct {
	Questions []engine.Question
	Requests  []engine.Request
	Scores    [][]engine.Answer // of the questions
	Results   []engine.Result   // of the requests
}

// NewAsks are n questions and n requests about a model with the layout of [Tiny].
func NewAsks(t testing.TB, m *engine.Model, n int) (a Asks) {
	rng := rand.New(rand.NewPCG(3, 4))
	ids := func(n int) []int32 {
		out := make([]int32, n)
		for i := range out {
			out[i] = int32(rng.IntN(m.Config().Vocab - 4))
		}
		return out
	}
	patch := bankai.New(m.Digest(), bankai.Meta{}, bankai.Flip{Tensor: "blk.0.ffn_up.weight", Row: 3, N: bankai.ToEnd}, bankai.Flip{Tensor: "blk.1.ffn_gate.weight", Row: 5, N: bankai.ToEnd})
	overlay, err := m.Overlay(patch)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		q := engine.Question{Prompt: ids(1 + rng.IntN(6)), Answers: [][]int32{ids(1 + rng.IntN(3)), ids(2)}}
		r := engine.Request{Prompt: ids(1 + rng.IntN(6)), Max: 1 + rng.IntN(6)}
		switch i % 4 {
		case 1:
			q.Overlay, r.Overlay = overlay, overlay
			r.Sampling = engine.Sampling{Temperature: 1.5, TopP: 0.9, Seed: uint64(i), Bias: map[int32]float32{7: 0.1, 9: -3.3}}
		case 2:
			r.Until = engine.Until{Line: engine.FirstLine, Tokens: []int32{int32(i)}}
		case 3:
			r.StopTexts = []string{"a", "é\n"}
		}
		a.Questions, a.Requests = append(a.Questions, q), append(a.Requests, r)
	}
	if a.Scores, err = m.Score(t.Context(), a.Questions); err != nil {
		t.Fatal(err)
	}
	if a.Results, err = m.Generate(t.Context(), a.Requests, nil); err != nil {
		t.Fatal(err)
	}
	return a
}

// Check asks a model that divides, and compares, also what is told on the way.
func (a Asks) Check(t testing.TB, what string, m *engine.Model) {
	t.Helper()
	scores, err := m.Score(t.Context(), a.Questions)
	if err != nil || !reflect.DeepEqual(scores, a.Scores) {
		t.Errorf("%s: scores differ, %v", what, err)
	}
	told := make([][]int32, len(a.Requests))
	results, err := m.Generate(t.Context(), a.Requests, func(i int, id int32) { told[i] = append(told[i], id) })
	if err != nil || !reflect.DeepEqual(results, a.Results) {
		t.Errorf("%s: results differ, %v", what, err)
	}
	for i, r := range a.Results {
		if !slices.Equal(told[i], r.IDs) {
			t.Errorf("%s: request %d was told of as %v, and has %v", what, i, told[i], r.IDs)
		}
	}
}
