package experiment

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// The windows of llama.cpp: side by side, the second half predicted but for its
// first token (its n_ctx/2 + 1 … n_ctx − 1).
func TestWindows(t *testing.T) {
	ids := make([]int32, 1200)
	for i := range ids {
		ids[i] = int32(i)
	}
	for _, c := range []struct {
		window, stride int
		starts         []int
		first, n       int // predicted token in the first window, and how many
	}{
		{512, 512, []int{0, 512}, 257, 255},
		{512, 256, []int{0, 256, 512}, 257, 255},
		{512, 128, []int{0, 128, 256, 384, 512, 640}, 384, 128},
		{1200, 1200, []int{0}, 601, 599},
		{5, 500, nil, 0, 0},
		{1201, 1201, nil, 0, 0},
		{3, 3, nil, 0, 0},
		{512, 0, nil, 0, 0},
	} {
		o := TextOptions{Name: "text", IDs: ids, Window: c.window, Stride: c.stride}
		starts, err := o.starts()
		if !slices.Equal(starts, c.starts) || (err == nil) != (c.starts != nil) {
			t.Errorf("window %d, stride %d: starts %v, %v, want %v", c.window, c.stride, starts, err, c.starts)
			continue
		}
		if err != nil {
			continue
		}
		q := o.question(0)
		if a := q.Answers[0]; a[0] != int32(c.first) || len(a) != c.n || len(q.Prompt) != c.first || len(a)+len(q.Prompt) != c.window {
			t.Errorf("window %d, stride %d: predicts %d tokens from %d, want %d from %d", c.window, c.stride, len(a), a[0], c.n, c.first)
		}
	}
}

// exp of the mean, of all tokens alike, not of the windows' perplexities.
func TestPerplexityFigures(t *testing.T) {
	p := somePerplexity()
	if want := math.Exp(8.5 / 6); math.Abs(p.Before.Value-want) > 1e-12 || p.Tokens != 6 {
		t.Errorf("perplexity %v over %d tokens, want %v over 6", p.Before.Value, p.Tokens, want)
	}
	s := p.Patched
	if want := math.Exp(9.25 / 6); math.Abs(s.After.Value-want) > 1e-12 {
		t.Errorf("patched %v, want %v", s.After.Value, want)
	}
	if want := math.Exp(0.75 / 6); math.Abs(s.Ratio.Value-want) > 1e-12 {
		t.Errorf("ratio %v, want %v", s.Ratio.Value, want)
	}
	if math.Abs(s.KL.Value-0.7/6) > 1e-12 || math.Abs(s.Median-0.1) > 1e-12 || s.Most != 0.3 || s.RightBefore.Value != 0.5 || s.RightAfter.N != 6 {
		t.Errorf("got %+v", s)
	}
	if w := p.Windows[1]; w.First != 4 || w.Tokens != 3 || math.Abs(w.Before-math.Exp(5.0/3)) > 1e-12 || math.Abs(w.KL-0.4/3) > 1e-12 {
		t.Errorf("second window %+v", w)
	}
}

// What a window's predictions would take is bounded before any work.
func TestWindowTooLargeForADivergence(t *testing.T) {
	m := demoModel(t, 1)
	n := 2*(maxReference/4/m.Config().Vocab) + 100
	o := TextOptions{Name: "text", IDs: make([]int32, n), Window: n, Stride: n, Patch: Patching{Overlay: overlayOf(t, m, somePatch())}}
	_, err := MeasurePerplexity(t.Context(), &Run{Model: m}, o)
	if err == nil || !strings.Contains(err.Error(), "takes more than 4 GiB: give a smaller window") {
		t.Error(err)
	}
}
