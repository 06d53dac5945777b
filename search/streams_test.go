package search

import (
	"context"
	"errors"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/testmodel"
	"bankai/internal/weights"
	"bankai/probe"
)

// A patch whose last move was tried costs nothing to go on from: it works even when
// there is no time left to compute anything. Any other patch takes a pass.
func TestWhatWasTriedIsAdopted(t *testing.T) {
	f, err := weights.FromBytes("tiny", testmodel.Bytes(testmodel.Tiny, 1))
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.Load(f, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	targets := probe.Set{{Name: "sum", Prompt: "1+1 =", Correct: " 2", Wrong: " 3"}}
	e, err := NewEvaluator(m, targets, nil, EvaluatorOptions{Objective: Objective{Penalty: 2}})
	if err != nil {
		t.Fatal(err)
	}
	row := func(r uint32) Move {
		return Move{Flips: []bankai.Flip{{Tensor: "blk.0.ffn_up.weight", Row: r, N: bankai.ToEnd}}}
	}
	base := bankai.New(m.Digest(), bankai.Meta{})
	for _, r := range []uint32{1, 2} {
		if _, err := e.Score(context.Background(), base, []Move{row(r)}); err != nil {
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
