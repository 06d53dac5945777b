package speed

import (
	"reflect"
	"testing"

	"bankai/engine"
	"bankai/internal/enginetest"
)

// Every run is counted, and a speed is never 0.
func TestRuns(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{Threads: 1})
	p := Plan{Prompt: 5, Tokens: 2, Repeat: 3}
	var done []int
	pp, tg, err := p.Runs(t.Context(), m, func(n int) { done = append(done, n) })
	if err != nil || pp <= 0 || tg <= 0 || !reflect.DeepEqual(done, []int{1, 2, 3}) {
		t.Errorf("%v and %v tokens/s, done %v, %v", pp, tg, done, err)
	}
	short, err := p.Behind(t.Context(), m, 8)
	if err != nil {
		t.Fatal(err)
	}
	long, err := p.Behind(t.Context(), m, 40)
	if err != nil || short.TG <= 0 || long.Tokens != 40 || long.KV <= short.KV {
		t.Errorf("behind 8 tokens %+v, behind 40 %+v, %v", short, long, err)
	}
	if us, err := Apply(m); err != nil || us <= 0 {
		t.Errorf("%v µs, %v", us, err)
	}
}

// The layers of the published search, as far as there are any.
func TestSearchedLayers(t *testing.T) {
	for layers, want := range map[int][]int{1: nil, 2: {0, 1}, 3: {1, 2}, 6: {1, 2, 3, 4}, 36: {1, 2, 3, 4, 34}} {
		if got := searchedLayers(layers); !reflect.DeepEqual(got, want) {
			t.Errorf("of %d layers %v, want %v", layers, got, want)
		}
	}
}

// A candidate costs less the higher its layer is, and never a whole pass.
func TestSearchSteps(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{Threads: 2})
	probes, err := NewProbes(m)
	if err != nil {
		t.Fatal(err)
	}
	if c := probes.Estimate(100); c.Probes != 60 || c.Controls != 20 || c.Tokens < 1000 || c.Seconds != float64(c.Tokens)/100 {
		t.Errorf("estimated %+v", c)
	}
	last := 0
	got, err := probes.Search(t.Context(), m, func(done int) {
		if done != last+1 {
			t.Errorf("%d done after %d", done, last)
		}
		last = done
	})
	if err != nil {
		t.Fatal(err)
	}
	if last != probes.Steps(m) || len(got.Steps) != last-3 || got.Pass <= 0 || got.Gradient <= 0 {
		t.Errorf("%d of %d done: %+v", last, probes.Steps(m), got)
	}
	above := 1.0
	for _, s := range got.Steps {
		if !(s.Cost > 0 && s.Cost < above) {
			t.Errorf("layer %d costs %v, the one below %v", s.Layer, s.Cost, above)
		}
		above = s.Cost
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{3, 1, 2}, 2}, {[]float64{1, 9}, 9}} {
		if got := median(c.values); got != c.want {
			t.Errorf("of %v: %v, want %v", c.values, got, c.want)
		}
	}
}
