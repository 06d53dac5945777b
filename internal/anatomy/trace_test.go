package anatomy

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"bankai/engine"
	"bankai/internal/modelref"
)

// traceOf is a trace of three tokens through two layers, of which the figures are made up.
func traceOf(differences [][]float32, kl []float64, likeliest, patched []int32) *engine.Trace {
	t := &engine.Trace{KL: kl, Base: engine.Said{LogProbs: []float64{-1, -2}, Likeliest: likeliest}, Patched: engine.Said{LogProbs: []float64{-1, -2}, Likeliest: patched}}
	for i, d := range differences {
		c := engine.TracedCut{Cut: engine.Cut(i + 1), Layer: (i+1)/2 - 1, Part: []string{"mlp", "attention"}[i%2], Difference: d}
		if i == 0 {
			c.Layer, c.Part = -1, "embedding"
		}
		t.Cuts = append(t.Cuts, c)
	}
	return t
}

// Where most differs is told in figures and in words.
func TestMost(t *testing.T) {
	none, same := []float32{0, 0, 0}, []int32{34, 35, 36}
	for _, c := range []struct {
		what    string
		trace   *engine.Trace
		want    *Most
		verdict string
	}{
		{"nothing", traceOf([][]float32{none, none, none}, []float64{0, 0, 0}, same, same), nil, "Nothing differs on this text, to the bit."},
		{
			"an attention and what is above", traceOf([][]float32{none, {0, 0.25, 0.1}, {0, 0.5, 0.75}}, []float64{0, 0.5, 0.125}, same, []int32{34, 37, 36}),
			&Most{First: Place{1, 1, 0.25}, Difference: Place{2, 2, 0.75}, KL: Place{1, 2, 0.5}, Changed: 1},
			"The residual stream first differs after the attention of layer 0, at token 1, “b”. It differs most after the mlp of layer 0, at token 2, “c”: by 75.00 % of its length. " +
				"What follows changes most behind token 1, “b”: by 0.5000 nats of KL divergence, where “%” is the likeliest instead of “#”. Another token is likeliest behind 1 of 3 tokens.",
		},
		{
			"the head alone", traceOf([][]float32{none, none, none}, []float64{0, 0, 0.25}, same, same),
			&Most{First: Place{Cut: 2}, Difference: Place{Cut: 2}, KL: Place{2, 2, 0.25}},
			"The residual stream is the same at every layer: the head alone acts. What follows changes most behind token 2, “c”: by 0.2500 nats of KL divergence, where “$” stays the likeliest. " +
				"The likeliest token to follow is the same behind each of 3 tokens.",
		},
	} {
		got := NewTrace(modelref.Ref{}, demoTokenizer(t), []string{"p"}, []int32{97, 98, 99}, c.trace)
		if (got.Most == nil) != (c.want == nil) || got.Most != nil && *got.Most != *c.want {
			t.Errorf("%s: %+v, want %+v", c.what, got.Most, c.want)
		}
		if got.Verdict != c.verdict {
			t.Errorf("%s: %s", c.what, got.Verdict)
		}
	}
}

// Figures are written in the digits of their own width, and what is no number as null.
func TestFigures(t *testing.T) {
	inf := math.Inf(1)
	got, err := json.Marshal([][]Figure{figures([]float32{0, 0.1, float32(inf)}), figures([]float64{0.1, inf, -inf, math.NaN()}), figures[float32](nil)})
	if want := "[[0,0.1,null],[0.1,null,null,null],null]"; err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

// The table has a digit for every layer: a dot where nothing differs, 9 for the most.
func TestTraceText(t *testing.T) {
	trace := traceOf([][]float32{{0, 0, 0}, {0, 9, 0}, {0, 0.25, 1}, {0, 0, 0}, {0.0001, 0.5, float32(math.Inf(1))}}, []float64{-1e-9, 0, 0}, []int32{34, 35, 36}, []int32{34, 35, 37})
	doc := NewTrace(modelref.Ref{}, demoTokenizer(t), []string{"p"}, []int32{97, 27, 99}, trace)
	var b strings.Builder
	doc.Write(&b)
	for _, want := range []string{
		"embedding, layers 0 to 1\n", "  “a”  −1.000   −1.000  0.000  “\"”        same     ..1\n",
		"“·”  −2.000   −2.000  0.000  “#”        same     .57\n", "“$”        “%”      .99\n", "(d/9)² × 100.0 %",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}
