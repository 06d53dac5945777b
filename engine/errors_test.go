package engine

import (
	"context"
	"errors"
	"math"
	"reflect"
	"testing"

	"bankai/internal/testmodel"
)

// Whatever a request can do wrong has an error of its own, with its figures, wherever
// the request is made.
func TestErrors(t *testing.T) {
	w, m := testBench(t, testmodel.Tiny, Options{})
	p := testPatches(m)["mixed"]
	stale, err := m.Overlay(p)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, w, p)
	foreign, err := testModel(t, testmodel.Tiny, Options{}).Overlay(p)
	if err != nil {
		t.Fatal(err)
	}
	vocab, limit := m.Config().Vocab, m.Config().Context
	none, cancel := context.WithCancel(context.Background())
	cancel()

	ask := func(r Request) error {
		_, err := m.Generate(context.Background(), []Request{r}, nil)
		return err
	}
	sample := func(s Sampling) error { return ask(Request{Prompt: []int32{1}, Max: 1, Sampling: s}) }
	step := func(ctx context.Context, o *Overlay, ids ...int32) error {
		b := m.NewBatch(0)
		_, err := b.Step(ctx, []Input{{b.NewSeq(o), ids, 0}})
		return err
	}
	score := func(q Question) error {
		_, err := m.Score(context.Background(), []Question{q})
		return err
	}
	answers := [][]int32{{1}}
	for _, c := range []struct {
		what string
		err  error
		want error  // as errors.Is and errors.As find it
		text string // where the words are promised
	}{
		{"generate: no prompt", ask(Request{Max: 1}), ErrEmptyPrompt, "request 0: the prompt has no tokens"},
		{"score: no prompt", score(Question{Answers: answers}), ErrEmptyPrompt, "question 0: the prompt has no tokens"},
		{"generate: too long", ask(Request{Prompt: make([]int32, limit+1), Max: 1}), &TooLongError{limit + 1, limit}, "request 0: 513 tokens exceed the model's context of 512"},
		{"step: too long", step(context.Background(), nil, make([]int32, limit+2)...), &TooLongError{limit + 2, limit}, "input 0: 514 tokens exceed the model's context of 512"},
		{"score: too long", score(Question{Prompt: make([]int32, limit+1), Answers: answers}), &TooLongError{limit + 1, limit}, ""},
		{"generate: an id too large", ask(Request{Prompt: []int32{1, int32(vocab)}, Max: 1}), &TokenError{int32(vocab), vocab}, "request 0: token id 320 is outside the vocabulary of 320"},
		{"step: a negative id", step(context.Background(), nil, -1), &TokenError{-1, vocab}, "input 0: token id -1 is outside the vocabulary of 320"},
		{"score: an id in an answer", score(Question{Prompt: []int32{1}, Answers: [][]int32{{-2}}}), &TokenError{-2, vocab}, "question 0: answer 0: token id -2 is outside the vocabulary of 320"},
		{"generate: a stale overlay", ask(Request{Prompt: []int32{1}, Max: 1, Overlay: stale}), ErrStaleOverlay, "request 0: the overlay was made before the model was patched in place: make it anew"},
		{"step: a stale overlay", step(context.Background(), stale, 1), ErrStaleOverlay, ""},
		{"score: a stale overlay", score(Question{Prompt: []int32{1}, Answers: answers, Overlay: stale}), ErrStaleOverlay, ""},
		{"generate: another model's overlay", ask(Request{Prompt: []int32{1}, Max: 1, Overlay: foreign}), &OtherModelError{"overlay"}, "request 0: the overlay belongs to another model"},
		{"step: another model's overlay", step(context.Background(), foreign, 1), &OtherModelError{"overlay"}, "input 0: the overlay belongs to another model"},
		{"adapt: another workbench's adapter", w.Adapt(adapterOf(t, m.Workbench(), 1)), &OtherModelError{"adapter"}, "the adapter belongs to another model"},
		{"sampling: temperature", sample(Sampling{Temperature: math.Inf(1)}), &SamplingError{"temperature", math.Inf(1), "0 (greedy) or a finite number above"}, "request 0: temperature +Inf: must be 0 (greedy) or a finite number above"},
		{"sampling: top-k", sample(Sampling{TopK: -1000000}), &SamplingError{"top-k", -1000000, "0 (all) or more"}, "request 0: top-k -1000000: must be 0 (all) or more"},
		{"sampling: top-p", sample(Sampling{TopP: 1.5}), &SamplingError{"top-p", 1.5, "between 0 and 1"}, "request 0: top-p 1.5: must be between 0 and 1"},
		{"sampling: min-p", sample(Sampling{MinP: -1}), &SamplingError{"min-p", -1.0, "between 0 and 1"}, "request 0: min-p -1: must be between 0 and 1"},
		{"sampling: presence penalty", sample(Sampling{PresencePenalty: -2.5}), &SamplingError{"presence penalty", -2.5, "between -2 and 2"}, "request 0: presence penalty -2.5: must be between -2 and 2"},
		{"sampling: frequency penalty", sample(Sampling{FrequencyPenalty: 3}), &SamplingError{"frequency penalty", 3.0, "between -2 and 2"}, ""},
		{"sampling: repeat penalty", sample(Sampling{RepeatPenalty: -1}), &SamplingError{"repeat penalty", -1.0, "0 (none) or a finite number above"}, ""},
		{"sampling: repeat last", sample(Sampling{RepeatLast: -1}), &SamplingError{"repeat last", -1, "0 (64 tokens) or more"}, ""},
		{"sampling: bias", sample(Sampling{Bias: map[int32]float32{1: 101}}), &SamplingError{"bias", 101.0, "between -100 and 100"}, "request 0: bias 101: must be between -100 and 100"},
		{"sampling: bias of no token", sample(Sampling{Bias: map[int32]float32{1: 1, 400: 1, 330: 1}}), &TokenError{330, vocab}, "request 0: bias: token id 330 is outside the vocabulary of 320"},
		{"generate: an empty stop text", ask(Request{Prompt: []int32{1}, Max: 1, StopTexts: []string{"a", ""}}), &StopTextError{1, ""}, "request 0: a stop text is empty: give it some text, or leave it out"},
		{"generate: a stop text that is not UTF-8", ask(Request{Prompt: []int32{1}, Max: 1, StopTexts: []string{"\xff"}}), &StopTextError{0, "\xff"}, ""},
		{"generate: too many log-probabilities", ask(Request{Prompt: []int32{1}, Max: 1, TopLogProbs: 400}), &TopLogProbsError{400, vocab}, "request 0: log-probabilities of 400 tokens wanted: must be between 0 and the vocabulary's 320"},
		{"step: cancelled", step(none, nil, 1), context.Canceled, "context canceled"},
	} {
		found := reflect.New(reflect.TypeOf(c.want))
		if !errors.Is(c.err, c.want) && !(errors.As(c.err, found.Interface()) && reflect.DeepEqual(found.Elem().Interface(), c.want)) {
			t.Errorf("%s: %v, want %#v", c.what, c.err, c.want)
		}
		if c.text != "" && c.err.Error() != c.text {
			t.Errorf("%s: %v, want %s", c.what, c.err, c.text)
		}
	}
}
