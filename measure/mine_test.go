package measure

import (
	"context"
	"reflect"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/probe"
)

// demoSet is every k-th probe of an embedded set.
func demoSet(t *testing.T, name string, k int) probe.Set {
	t.Helper()
	set := enginetest.DemoSet(t, name)
	var some probe.Set
	for i := 0; i < len(set); i += k {
		some = append(some, set[i])
	}
	return some
}

// What is mined passes the audit, most of it is what the demo's makers wrote down
// as the model's mistakes, and nothing that they wrote is likelier.
func TestMine(t *testing.T) {
	ctx := context.Background()
	m := enginetest.Demo(t, engine.Options{Threads: 2})
	set := append(demoSet(t, "search", 7), demoSet(t, "control", 5)...)
	ours := make(probe.Set, len(set))
	for i, p := range set {
		ours[i], ours[i].Wrong = p, ""
	}
	var calls []int
	mined, err := Mine(ctx, m, nil, ours, func(done int) { calls = append(calls, done) })
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(calls, []int{64, 96}) {
		t.Errorf("progress: %v", calls)
	}
	measured, err := Measure(ctx, m, nil, set, nil)
	if err != nil {
		t.Fatal(err)
	}
	var questions []engine.Question
	same := 0
	for i, p := range set {
		if mined[i].Answer != measured.Texts[i] || mined[i].Right != measured.Right[i] || mined[i].Own == mined[i].Right {
			t.Errorf("%s: %+v, but a measurement gives %q, %v", p.Name, mined[i], measured.Texts[i], measured.Right[i])
		}
		if mined[i].Wrong == p.Wrong {
			same++
		}
		for _, q := range []*probe.Probe{&ours[i], &p} {
			if q == &ours[i] {
				q.Wrong = mined[i].Wrong
			}
			ids, err := q.Tokens(m.Tokenizer())
			if err != nil {
				t.Fatal(err)
			}
			questions = append(questions, engine.Question{Prompt: ids.Prompt, Answers: [][]int32{ids.WrongEnded}})
		}
	}
	if same < 75 {
		t.Errorf("of 96 wrong answers %d are the demo's", same)
	}
	found, err := Audit(ctx, ours, probe.AnswerLogprob, nil, m.Tokenizer(), m)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range found {
		if x.Severity == Fatal || x.Kind == WeakDistractor || x.Kind == Ambiguous || x.Kind == BoundaryMerge {
			t.Errorf("the audit finds: %+v", x)
		}
	}
	theirs, err := Audit(ctx, set, probe.AnswerLogprob, nil, m.Tokenizer(), m)
	if err != nil {
		t.Fatal(err)
	}
	weak := map[string]bool{}
	for _, x := range theirs.Of(WeakDistractor, Warning) {
		weak[x.Probe] = true
	}
	answers, err := m.Score(ctx, questions)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range set {
		if o, d := answers[2*i][0].LogProb, answers[2*i+1][0].LogProb; mined[i].Right && !weak[p.Name] && o < d {
			t.Errorf("%s: mined %q has log p %g, less than the %g of %q", p.Name, mined[i].Wrong, o, d, p.Wrong)
		}
	}
}

// An accepted spelling of the right answer is never mined, and a patched model is
// asked for its own mistakes.
func TestMineOtherwise(t *testing.T) {
	ctx := context.Background()
	m := enginetest.Demo(t, engine.Options{Threads: 2})
	set := demoSet(t, "control", 5)
	first, err := Mine(ctx, m, nil, set, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range set {
		set[i].Alternates = []string{first[i].Wrong}
	}
	second, err := Mine(ctx, m, nil, set, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range set {
		if second[i].Wrong == "" || p.Match(second[i].Wrong) {
			t.Errorf("%s: %q is mined, but right answers are %q", p.Name, second[i].Wrong, p.Spellings())
		}
	}

	var flips []bankai.Flip
	for row := range uint32(200) {
		flips = append(flips, bankai.Flip{Tensor: "blk.0.ffn_up.weight", Row: row, N: bankai.ToEnd})
	}
	p, err := bankai.New(bankai.Digest{}, bankai.Meta{}, flips...).Fit(m.Weights().Shape)
	if err != nil {
		t.Fatal(err)
	}
	o, err := m.Overlay(p)
	if err != nil {
		t.Fatal(err)
	}
	patched, err := Mine(ctx, m, o, set, nil)
	if err != nil {
		t.Fatal(err)
	}
	if reflect.DeepEqual(patched, second) {
		t.Error("the overlay changes nothing")
	}
}

// Mining can be cut short.
func TestMineInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Mine(ctx, enginetest.Tiny(t, engine.Options{Threads: 2}), nil, demoSet(t, "control", 25), nil); err == nil {
		t.Error("no error")
	}
}

// A model that is not done with its answer is taken to have given it where it is
// complete.
func TestCompletionAnswer(t *testing.T) {
	p := probe.Probe{Correct: " 3x^2", Alternates: []string{" 3 x x"}}
	for _, c := range []struct {
		line  string
		ended bool
		want  string
	}{
		{" 2x^2 ", true, " 2x^2"},
		{" 2x^2 is the slope", true, " 2x^2 is the slope"},
		{" 2x^2 is the slope of", false, " 2x^2"},
		{" 2x^2 + 1. It is", false, " 2x^2 + 1"},
		{" 3x + 1, as is", false, " 3x + 1"},
		{" 3, of course", false, " 3, of"}, // 3 is no more than a beginning of the right answer
		{" 2.5x, that is", false, " 2.5x"},
		{" unending", false, " unending"},
	} {
		if got := (completion{line: c.line, ended: c.ended}).answer(p); got != c.want {
			t.Errorf("%q, ended %v: %q, want %q", c.line, c.ended, got, c.want)
		}
	}
	town := probe.Probe{Correct: " Rio de Janeiro"}
	if got := (completion{line: " the city of Brasilia in"}).answer(town); got != " the city of" {
		t.Errorf("an answer of as many words: %q", got)
	}
}
