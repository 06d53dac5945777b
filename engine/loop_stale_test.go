package engine

import (
	"context"
	"errors"
	"slices"
	"testing"

	"bankai/internal/testmodel"
)

// A patch that is applied while requests run ends those alone whose overlay is of the
// model before it, with what they generated until then. The others go on, and new ones
// may come.
func TestStaleOverlayEndsItsRequestAlone(t *testing.T) {
	w, m := testBench(t, testmodel.Tiny, Options{})
	patch := testPatches(m)["mixed"]
	overlay, err := m.Overlay(patch)
	if err != nil {
		t.Fatal(err)
	}
	q := Request{Prompt: []int32{1, 2, 3}, Max: 40, Overlay: overlay}
	alone, err := m.Generate(context.Background(), []Request{q}, nil)
	if err != nil || len(alone[0].IDs) < 10 {
		t.Fatalf("alone it gives %+v, %v", alone, err)
	}
	l := m.Loop(LoopOptions{})
	defer l.Close()
	tokens := 0
	stale := submit(t, l, q)
	plain := submit(t, l, Request{Prompt: []int32{4, 5}, Max: 12})
	patching := submit(t, l, Request{Prompt: []int32{6}, Max: 12, Emit: func(e Event) {
		if tokens++; tokens == 3 {
			if err := w.Apply(patch); err != nil {
				t.Error(err)
			}
		}
	}})
	r := stale.Result()
	if n := len(r.IDs); !errors.Is(r.Err, ErrStaleOverlay) || n < 3 || n == len(alone[0].IDs) || !slices.Equal(r.IDs, alone[0].IDs[:n]) {
		t.Errorf("it gives %+v, alone %+v", r, alone[0])
	}
	for what, s := range map[string]*Stream{"one without an overlay": plain, "the one that patches": patching} {
		if r := s.Result(); r.Err != nil || r.Finish == "" {
			t.Errorf("%s gives %+v", what, r)
		}
	}
	if tokens < 4 {
		t.Errorf("the patch came with the last of %d tokens: none saw whether the others go on", tokens)
	}
	if _, err := l.Submit(context.Background(), q); !errors.Is(err, ErrStaleOverlay) {
		t.Errorf("the same request again: %v", err)
	}
	if q.Overlay, err = m.Overlay(patch); err != nil {
		t.Fatal(err)
	}
	if r := submit(t, l, q).Result(); r.Err != nil {
		t.Errorf("with a new overlay: %v", r.Err)
	}
}

// The patch may come when a step has been made up but has not begun: the step computes
// nothing, and nobody ends by it but whose overlay it is.
func TestStaleOverlayBetweenTwoLooks(t *testing.T) {
	w, m := testBench(t, testmodel.Tiny, Options{})
	patch := testPatches(m)["mixed"]
	overlay, err := m.Overlay(patch)
	if err != nil {
		t.Fatal(err)
	}
	// A loop whose goroutine is this test.
	l := m.newLoop(LoopOptions{})
	defer l.abandon(nil)
	stale := submit(t, l, Request{Prompt: []int32{1, 2}, Max: 5, Overlay: overlay})
	plain := submit(t, l, Request{Prompt: []int32{3, 4}, Max: 5})
	l.exchange()
	if err := w.Apply(patch); err != nil {
		t.Fatal(err)
	}
	l.pass()
	gone, _ := l.exchange()
	if !slices.Equal(gone, []*Stream{stale}) || len(l.running) != 1 || l.running[0].streams[0] != plain {
		t.Fatalf("%d requests end, %d go on", len(gone), len(l.running))
	}
	stale.end()
	if r := stale.Result(); !errors.Is(r.Err, ErrStaleOverlay) {
		t.Errorf("it gives %+v", r)
	}
	for len(l.running) > 0 {
		l.pass()
		for gone, _ := l.exchange(); len(gone) > 0; gone = gone[1:] {
			gone[0].end()
		}
	}
	want, err := m.Generate(context.Background(), []Request{{Prompt: []int32{3, 4}, Max: 5}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r := plain.Result(); r.Err != nil || !slices.Equal(r.IDs, want[0].IDs) {
		t.Errorf("the other gives %+v, alone %+v", r, want[0])
	}
}
