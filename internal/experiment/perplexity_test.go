package experiment

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
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
	m := enginetest.Demo(t, engine.Options{Threads: 1})
	n := 2*(maxReference/4/m.Config().Vocab) + 100
	o := TextOptions{Name: "text", IDs: make([]int32, n), Window: n, Stride: n, Patch: Patching{Overlay: enginetest.Overlay(t, m, somePatch())}}
	_, err := MeasurePerplexity(t.Context(), &Run{Model: m}, o)
	if err == nil || !strings.Contains(err.Error(), "takes more than 4 GiB: give a smaller window") {
		t.Error(err)
	}
}

// somePatch flips a few rows of the golden model.
func somePatch() *bankai.Patch {
	return bankai.New(bankai.Digest{}, bankai.Meta{},
		bankai.Flip{Tensor: "blk.0.ffn_up.weight", Row: 5, N: bankai.ToEnd},
		bankai.Flip{Tensor: "blk.1.attn_q.weight", Row: 60, N: bankai.ToEnd})
}

// Perplexity and divergence are those of plain loops over the logits of the model
// as it is, and with the patch in its weights.
func TestPerplexityOfPlainLogits(t *testing.T) {
	m := enginetest.Load(t, enginetest.GoldenModel, engine.Options{})
	for _, stride := range []int{16, 5} {
		overlay, err := m.Overlay(somePatch())
		if err != nil {
			t.Fatal(err)
		}
		o := TextOptions{Name: "ids", IDs: readGolden(t).IDs, Window: 16, Stride: stride, Patch: Patching{Overlay: overlay}}
		got, err := MeasurePerplexity(t.Context(), &Run{Model: m}, o)
		if err != nil {
			t.Fatal(err)
		}
		var before, after, kl []float64
		for start := 0; start+16 <= len(o.IDs); start += stride {
			ids := o.IDs[start : start+16]
			p := enginetest.LogProbs(t, m, ids)
			q := enginetest.LogProbs(t, enginetest.Patched(t, m, somePatch()), ids)
			for at := max(16/2, 16-stride-1); at < 15; at++ {
				before, after = append(before, p[at][ids[at+1]]), append(after, q[at][ids[at+1]])
				sum := 0.0
				for v := range p[at] {
					sum += math.Exp(p[at][v]) * (p[at][v] - q[at][v])
				}
				kl = append(kl, sum)
			}
		}
		mean := func(values []float64) (sum float64) {
			for _, v := range values {
				sum += v / float64(len(values))
			}
			return sum
		}
		slices.Sort(kl)
		for name, pair := range map[string][2]float64{
			"perplexity":         {got.Before.Value, math.Exp(-mean(before))},
			"patched":            {got.Patched.After.Value, math.Exp(-mean(after))},
			"mean divergence":    {got.Patched.KL.Value, mean(kl)},
			"largest divergence": {got.Patched.Most, kl[len(kl)-1]},
			"tokens":             {float64(got.Tokens), float64(len(before))},
		} {
			if math.Abs(pair[0]-pair[1]) > 1e-7+1e-6*math.Abs(pair[1]) {
				t.Errorf("stride %d: %s is %v, by plain loops %v", stride, name, pair[0], pair[1])
			}
		}
	}
}

// golden is what an independent program in NumPy computed in float64, see
// testdata/README.md, and what it was given.
type golden struct {
	enginetest.GoldenInput
	IDs    []int32       `json:"ids"`
	Window int           `json:"window"`
	Want   goldenFigures `json:"want"`
}

type goldenFigures struct {
	LogProbs    []float64 `json:"log_probs"`
	LogProbsNow []float64 `json:"log_probs_after"`
	KL          []float64 `json:"kl"`
	Before      float64   `json:"perplexity"`
	After       float64   `json:"perplexity_after"`
	Mean        float64   `json:"kl_mean"`
	Median      float64   `json:"kl_median"`
	Most        float64   `json:"kl_max"`
}

// given is the input of the other program.
func given() golden {
	g := golden{GoldenInput: enginetest.NewGoldenInput(), Window: 16}
	for i := range 70 {
		g.IDs = append(g.IDs, int32(i*i*37+i)%300)
	}
	return g
}

func readGolden(t *testing.T) (g golden) {
	t.Helper()
	enginetest.ReadGolden(t, &g)
	return g
}

// The golden file is of today's model, text and questions.
func TestGoldenIsCurrent(t *testing.T) {
	enginetest.WriteGolden(t, given())
	got, want := readGolden(t), given()
	got.Want = goldenFigures{}
	if !reflect.DeepEqual(got, want) {
		t.Error("testdata/golden.json is of another input: make it anew, see testdata/README.md")
	}
}

// Every token's ln p and divergence, and what is made of them, agree with the
// independent program.
func TestGoldenPerplexity(t *testing.T) {
	g := readGolden(t)
	for precision, bound := range enginetest.GoldenBounds {
		m := enginetest.Load(t, enginetest.GoldenModel, engine.Options{Precision: precision})
		o := TextOptions{Name: "ids", IDs: g.IDs, Window: g.Window, Stride: g.Window, Patch: Patching{Overlay: g.Overlay(t, m)}}
		p, err := MeasurePerplexity(t.Context(), &Run{Model: m}, o)
		if err != nil {
			t.Fatal(err)
		}
		var all window
		for _, w := range p.Windows {
			one, err := measureWindow(t.Context(), m, o, o.question(w.First))
			if err != nil {
				t.Fatal(err)
			}
			all.Before, all.After, all.KL = append(all.Before, one.Before...), append(all.After, one.After...), append(all.KL, one.KL...)
		}
		w, s := g.Want, p.Patched
		ln := math.Log
		for name, distance := range map[string]float64{
			"ln p":                   enginetest.Far(all.Before, w.LogProbs),
			"ln p, patched":          enginetest.Far(all.After, w.LogProbsNow),
			"divergence":             enginetest.Far(all.KL, w.KL),
			"ln perplexity":          math.Abs(ln(p.Before.Value) - ln(w.Before)),
			"ln perplexity, patched": math.Abs(ln(s.After.Value) - ln(w.After)),
			"ln ratio":               math.Abs(ln(s.Ratio.Value) - ln(w.After/w.Before)),
			"mean divergence":        math.Abs(s.KL.Value - w.Mean),
			"median divergence":      math.Abs(s.Median - w.Median),
			"largest divergence":     math.Abs(s.Most - w.Most),
		} {
			t.Logf("%v: %s is %.1e nats from the golden one", precision, name, distance)
			if !(distance <= bound) {
				t.Errorf("%v: %s is %.1e nats from the golden one, may be %.0e", precision, name, distance, bound)
			}
		}
	}
}
