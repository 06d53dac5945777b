package measure

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/bpe"
	"bankai/internal/enginetest"
	"bankai/probe"
)

// script says what a model without weights generates after each prompt.
type script struct {
	tok   *bpe.Tokenizer
	lines map[string]string
	max   map[string]int // budgets it was given, by prompt
}

func (s script) Tokenizer() *bpe.Tokenizer { return s.tok }

func (s script) Generate(_ context.Context, reqs []engine.Request, _ func(int, int32)) ([]engine.Result, error) {
	var out []engine.Result
	for _, r := range reqs {
		prompt := s.tok.Decode(r.Prompt)
		s.max[prompt] = r.Max
		var ids []int32
		for _, id := range s.tok.Encode(s.lines[prompt]) {
			if ids = append(ids, id); len(ids) == r.Max || r.Until.Reached(s.tok, ids) {
				break
			}
		}
		out = append(out, engine.Result{IDs: ids})
	}
	return out, nil
}

func (s script) Context() int { return 0 }

func (s script) Width() int { return 1 }

// Score gives a log-probability of −1 a token.
func (s script) Score(_ context.Context, qs []engine.Question) ([][]engine.Answer, error) {
	var out [][]engine.Answer
	for _, q := range qs {
		var as []engine.Answer
		for _, ids := range q.Answers {
			as = append(as, engine.Answer{LogProb: -float64(len(ids))})
		}
		out = append(out, as)
	}
	return out, nil
}

// What is generated is cut at the end of the line, matched, and given as many
// tokens as a right answer needs.
func TestMeasure(t *testing.T) {
	tok := enginetest.Tiny(t, engine.Options{Threads: 2}).Tokenizer()
	long := " " + strings.Repeat("7x+", 12) + "1"
	set := probe.Set{
		{Name: "right", Prompt: "1 + 1 =", Correct: " 2", Wrong: " 3"},
		{Name: "wrong", Prompt: "1 + 2 =", Correct: " 3", Wrong: " 22"},
		{Name: "alternate", Prompt: "sin(pi/2) =", Correct: " 1", Wrong: " 0", Alternates: []string{" 1.0"}},
		{Name: "long", Prompt: "f(x) =", Correct: long, Wrong: " 0"},
		{Name: "silent", Prompt: "Say nothing:", Correct: " x", Wrong: " y"},
	}
	s := script{tok, map[string]string{
		"1 + 1 =":      " 2\n3",
		"1 + 2 =":      " 5 + 5",
		"sin(pi/2) =":  " 1.0\n",
		"f(x) =":       long + "\n",
		"Say nothing:": "\n",
	}, map[string]int{}}
	got, err := Measure(context.Background(), s, nil, set, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{" 2", " 5 + 5", " 1.0", long, ""}; !slices.Equal(got.Texts, want) {
		t.Errorf("texts %q, want %q", got.Texts, want)
	}
	if want := []bool{true, false, true, true, false}; !slices.Equal(got.Right, want) {
		t.Errorf("right %v, want %v", got.Right, want)
	}
	if got.SeqLogprob[1] != 1 { // " 22" has a token more than " 3"
		t.Errorf("seq_logprob %v", got.SeqLogprob)
	}
	if n := len(tok.Encode(long + "\n")); s.max["1 + 1 ="] != probe.MaxTokens || s.max["f(x) ="] != n {
		t.Errorf("budgets %v: want %d, and %d for the long answer", s.max, probe.MaxTokens, n)
	}
}

// manyProbes are more than one call of the model takes.
func manyProbes() probe.Set {
	var set probe.Set
	for i := range measured + 5 {
		set = append(set, probe.Probe{Name: fmt.Sprint("p", i), Prompt: fmt.Sprint(i, " + 1 ="), Correct: fmt.Sprint(" ", i+1), Wrong: fmt.Sprint(" ", i)})
	}
	return set
}

// On a real model, an overlay measures what the patched weights do, and the
// base comes back when the patch is applied again.
func TestMeasureOverlayIsPatchInPlace(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{Threads: 2})
	w := m.Workbench()
	set := manyProbes()
	patch := bankai.New(m.Digest(), bankai.Meta{}, bankai.Flip{Tensor: "blk.0.ffn_gate.weight", Row: 3, N: bankai.ToEnd}, bankai.Flip{Tensor: "blk.1.ffn_up.weight", Row: 5, N: bankai.ToEnd})
	overlay, err := m.Overlay(patch)
	if err != nil {
		t.Fatal(err)
	}
	measure := func(m *engine.Model, o *engine.Overlay) *Measurement {
		var calls []int
		got, err := Measure(context.Background(), m, o, set, func(done int) { calls = append(calls, done) })
		if err != nil {
			t.Fatal(err)
		}
		if want := []int{measured, len(set)}; !slices.Equal(calls, want) {
			t.Errorf("progress %v, want %v", calls, want)
		}
		return got
	}
	base, patched := measure(m, nil), measure(m, overlay)
	if reflect.DeepEqual(base, patched) {
		t.Error("the overlay changes nothing")
	}
	for _, want := range []*Measurement{patched, base} {
		if err := w.Apply(patch); err != nil {
			t.Fatal(err)
		}
		if got := measure(w.Model, nil); !reflect.DeepEqual(got, want) {
			t.Error("in place and overlay differ")
		}
	}
}

func TestMeasureStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	_, err := Measure(ctx, enginetest.Tiny(t, engine.Options{Threads: 2}), nil, manyProbes(), func(int) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("after a cancelled context: %v", err)
	}
	_, err = Measure(context.Background(), enginetest.Tiny(t, engine.Options{Threads: 2}), nil, probe.Set{{Name: "p", Prompt: "a", Correct: "", Wrong: "b"}}, nil)
	if err == nil || !strings.Contains(err.Error(), `scoring probes 1 to 1: probe "p": the answer "" adds no token`) {
		t.Errorf("a probe without an answer: %v", err)
	}
}
