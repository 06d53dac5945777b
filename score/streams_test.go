package score

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/probe"
	"bankai/search"
)

// A patch whose last move was tried costs nothing to go on from: it works even when
// there is no time left to compute anything. Any other patch takes a pass.
func TestWhatWasTriedIsAdopted(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{})
	targets := probe.Set{{Name: "sum", Prompt: "1+1 =", Correct: " 2", Wrong: " 3"}}
	e, err := NewProbeEvaluator(m, targets, nil, Options{Objective: Objective{Penalty: 2}})
	if err != nil {
		t.Fatal(err)
	}
	row := func(r uint32) search.Move {
		return search.Move{Flips: []bankai.Flip{{Tensor: "blk.0.ffn_up.weight", Row: r, N: bankai.ToEnd}}}
	}
	base := bankai.New(m.Digest(), bankai.Meta{})
	for _, r := range []uint32{1, 2} {
		if _, err := e.Score(context.Background(), base, []search.Move{row(r)}); err != nil {
			t.Fatal(err)
		}
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	on := func(rows ...uint32) error {
		cur := base
		for _, r := range rows {
			cur, _ = cur.Xor(bankai.New(m.Digest(), bankai.Meta{}, row(r).Flips...))
		}
		return e.on(ended, cur, func() error { return nil })
	}
	if err := on(2); err != nil {
		t.Errorf("the move that was tried last: %v", err)
	}
	if err := on(1); !errors.Is(err, context.Canceled) {
		t.Errorf("another move: %v, want that it took time", err)
	}
}

// itself measures blocks by the evaluator that asks.
type itself struct{ *Evaluator }

func (m itself) Values(ctx context.Context, cur *bankai.Patch, moves []search.Move, parts []Part) (out [][][]float64, err error) {
	for _, p := range parts {
		v, err := m.Evaluator.Values(ctx, cur, p.Block, moves, p.Questions)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (m itself) Effects(ctx context.Context, cur *bankai.Patch, w search.Want, _ map[Subject]int, parts []Part, got func(k int, said Effects) error) error {
	for k, p := range parts {
		if err := m.Evaluator.Effects(ctx, cur, p.Block, w, func(e Effects) error { return got(k, e) }); err != nil {
			return err
		}
	}
	return nil
}

// The streams of a divided evaluator and of its blocks have the memory of one together, as
// soon as there are both.
func TestMemoryOfADividedEvaluator(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{})
	targets := probe.Set{{Name: "sum", Prompt: "1+1 =", Correct: " 2", Wrong: " 3"}}
	const memory = 1 << 20
	e, err := NewProbeEvaluator(m, targets, nil, Options{Objective: Objective{Penalty: 2}, Memory: memory})
	if err != nil {
		t.Fatal(err)
	}
	tensor, _ := m.Weights().Tensor("blk.0.ffn_up.weight")
	cur := bankai.New(m.Digest(), bankai.Meta{})
	e.Divide(itself{e})
	both := func() int { return e.opts.Memory + e.shared().whole.opts.Memory }
	for _, c := range []struct {
		size search.Granularity
		kept int // at either, where streams are
	}{{search.Row, memory}, {search.Bit, memory / 2}, {search.Row, memory / 2}} {
		w := search.Want{Matrices: []search.Matrix{MatrixOf(tensor)}}
		w.Best[c.size] = 1
		if _, _, err := e.Predict(context.Background(), cur, w); err != nil {
			t.Fatal(err)
		}
		if e.shared().whole.opts.Memory != c.kept || e.trunk != nil && both() > memory {
			t.Errorf("after predictions of %vs: %d bytes, and %d for blocks", c.size, e.opts.Memory, e.shared().whole.opts.Memory)
		}
	}
	e.Divide(nil)
	if e.opts.Memory != memory {
		t.Errorf("divided no more: %d bytes", e.opts.Memory)
	}
}

// What an evaluator keeps between calls can be freed: it is made anew, with the same
// bits. The draws of a vote leave nothing behind.
func TestRelease(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{})
	targets := probe.Set{{Name: "sum", Prompt: "1+1 =", Correct: " 2", Wrong: " 3"}, {Name: "sky", Prompt: "the sky is", Correct: " blue", Wrong: " a fish"}}
	o := Options{Objective: Objective{Penalty: 2, Divergence: 1}, Text: []string{"in the end", "it will rain"}}
	made := func(set probe.Set) *Evaluator {
		e, err := NewProbeEvaluator(m, set, nil, o)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	keeps := func(e *Evaluator) bool {
		references := slices.ContainsFunc(e.questions, func(q question) bool { return q.Reference != nil })
		return e.trunk != nil || references
	}
	e, base := made(targets), bankai.New(m.Digest(), bankai.Meta{})
	move := search.Move{Flips: []bankai.Flip{{Tensor: "blk.0.ffn_up.weight", Row: 1, N: bankai.ToEnd}}}
	var scores [2]search.Score
	for i := range scores {
		all, err := e.Score(context.Background(), base, []search.Move{move})
		if err != nil {
			t.Fatal(err)
		}
		if scores[i] = all[0]; !keeps(e) {
			t.Error("nothing is kept between calls")
		}
		if e.Release(); keeps(e) {
			t.Error("something is kept after Release")
		}
	}
	if !reflect.DeepEqual(scores[0], scores[1]) {
		t.Errorf("%v, and after Release %v", scores[0], scores[1])
	}

	ms, err := Matrices(m.Weights(), nil, []string{"gate"})
	if err != nil {
		t.Fatal(err)
	}
	var voters []search.Voter
	for i := range 3 {
		st, err := search.NewGreedy(ms, search.Row, uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		draw := made(targets[:1])
		voters = append(voters, search.Voter{Evaluator: draw, Strategy: st, Unit: 1, Release: draw.Release})
	}
	if _, err := search.Vote(context.Background(), e, voters, 1, base, search.Config{Steps: 9, Shape: m.Weights().Shape}); err != nil {
		t.Fatal(err)
	}
	for i, v := range voters {
		if keeps(v.Evaluator.(*Evaluator)) {
			t.Errorf("draw %d keeps its streams", i+1)
		}
	}
}

// Of a text that is too long to be held on to, the first lines are, and at least one.
func TestHeldLines(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{})
	most := TextMemory / (4 * m.Config().Vocab) // tokens
	long := strings.Repeat("a b ", most/8)
	for _, c := range []struct {
		name string
		text []string
		want int
	}{
		{"all fits", []string{"one", "two"}, 2},
		{"the end does not", []string{"one", long + long + long, "two"}, 1},
		{"one line is too long", []string{long + long + long, "two"}, 1},
	} {
		if got := len(HeldLines(m, c.text)); got != c.want {
			t.Errorf("%s: %d lines are held on to, want %d", c.name, got, c.want)
		}
	}
}
