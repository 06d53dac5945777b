package experiment

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/chart"
	"bankai/internal/enginetest"
	"bankai/internal/report"
	"bankai/internal/stats"
	"bankai/probe"
)

// fiveProbes mean nothing to a model with random weights, which answers to them
// all the same.
var fiveProbes = probe.Set{
	{Name: "sum", Prompt: "1+1 =", Correct: " 2", Wrong: " 3"},
	{Name: "sky", Prompt: "the sky is", Correct: " blue", Wrong: " a fish"},
	{Name: "rain", Prompt: "in the end it will", Correct: " rain", Wrong: " sing"},
	{Name: "long", Prompt: "an apple a day keeps", Correct: " the doctor away", Wrong: " the door open"},
	{Name: "dog", Prompt: "a dog can", Correct: " bark", Wrong: " fly high"},
}

// plainValues is a metric of every probe, asked one by one.
func plainValues(t *testing.T, m *engine.Model, set probe.Set, metric probe.Metric) (values []float64) {
	t.Helper()
	for _, p := range set {
		tokens, err := p.Tokens(m.Tokenizer())
		if err != nil {
			t.Fatal(err)
		}
		answers, err := m.Score(context.Background(), []engine.Question{{Prompt: tokens.Prompt, Answers: metric.Answers(tokens)}})
		if err != nil {
			t.Fatal(err)
		}
		var scores []float64
		for _, a := range answers[0] {
			scores = append(scores, a.LogProb)
		}
		values = append(values, metric.Value(scores))
	}
	return values
}

// baked is a model file in which rows 0, 1, … of tensors are inverted, reopened.
func baked(t *testing.T, m *engine.Model, tensors ...string) *engine.Model {
	t.Helper()
	var flips []bankai.Flip
	for _, name := range tensors {
		rows, _, _ := m.Weights().Shape(name)
		for r := range rows {
			flips = append(flips, bankai.Flip{Tensor: name, Row: r, N: bankai.ToEnd})
		}
	}
	path := filepath.Join(t.TempDir(), "baked.gguf")
	if err := m.Weights().Bake(path, bankai.New(bankai.Digest{}, bankai.Meta{}, flips...)); err != nil {
		t.Fatal(err)
	}
	b, err := engine.Open(path, engine.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// A site's figures are those of a file into which its flips are baked, to the bit.
func TestLayersAgainstBakedFiles(t *testing.T) {
	m := enginetest.Load(t, madeModel().Bytes(), engine.Options{Threads: 1})
	for _, metric := range []probe.Metric{probe.SeqLogprob, probe.TokenGap} {
		o := LayersOptions{Name: "five", Probes: fiveProbes, Metric: metric, Sites: []string{"mlp", "v"}, Layers: []int{1}}
		x, err := MeasureLayers(t.Context(), &Run{Model: m, Seed: 1}, o)
		if err != nil {
			t.Fatal(err)
		}
		before := plainValues(t, m, fiveProbes, metric)
		for i, tensors := range [][]string{{"blk.1.ffn_gate.weight", "blk.1.ffn_up.weight", "blk.1.ffn_down.weight"}, {"blk.1.attn_v.weight"}} {
			after := plainValues(t, baked(t, m, tensors...), fiveProbes, metric)
			want := SiteEffect{}
			for p := range before {
				want.Size.Value += math.Abs(after[p] - before[p])
				want.Change.Value += after[p] - before[p]
				want.Up += one(before[p] <= 0 && after[p] > 0)
				want.Down += one(before[p] > 0 && after[p] <= 0)
			}
			got := x.Effects[i]
			if got.Site != o.Sites[i] || got.Layer != 1 || got.Size.Value != want.Size.Value/5 || got.Change.Value != want.Change.Value/5 || got.Up != want.Up || got.Down != want.Down {
				t.Errorf("%v, %v: got %+v, want %+v", metric, tensors, got, want)
			}
			if got.P != report.NullFloat(stats.McNemar(want.Up, want.Down)) || got.Adjusted < got.P {
				t.Errorf("p %v, corrected %v, with %d up and %d down", got.P, got.Adjusted, want.Up, want.Down)
			}
		}
		if !slices.Equal(plainValues(t, m, fiveProbes, metric), before) {
			t.Error("the model is not as it was")
		}
	}
}

// What the notes of the result say of flips that cancel is true to the bit, of a
// trained model in either precision.
func TestFlipsThatCancel(t *testing.T) {
	for _, precision := range []engine.Precision{engine.Fast, engine.Exact} {
		m := enginetest.Demo(t, engine.Options{Threads: 1, Precision: precision})
		x, err := MeasureLayers(t.Context(), &Run{Model: m}, LayersOptions{Probes: fiveProbes, Metric: probe.SeqLogprob, Layers: []int{0, 4}})
		if err != nil {
			t.Fatal(err)
		}
		for _, layer := range x.Layers {
			if e, ok := x.effect("attention", layer); !ok || e.Size.Value != 0 {
				t.Errorf("%v, layer %d: the whole attention changes the metric by %v", precision, layer, e.Size.Value)
			}
			for site, same := range sameAs {
				a, _ := x.effect(site, layer)
				b, ok := x.effect(same, layer)
				if !ok || a.Size != b.Size || a.Change != b.Change || a.Size.Value == 0 {
					t.Errorf("%v, layer %d: %s changes it by %v, %s by %v", precision, layer, site, a.Size, same, b.Size)
				}
			}
		}
	}
}

// Three layers over four probes, by hand. The first is on top unless a bootstrap
// draw has the last probe too often.
func TestRankLayers(t *testing.T) {
	sizes := [][]float64{{4, 4, 4, 0}, {1, 1, 1, 1}, {2, 2, 2, 5}}
	if got := ranksOver(sizes, []int{0, 1, 2, 3}); !slices.Equal(got, []float64{1, 3, 2}) {
		t.Errorf("ranks %v", got)
	}
	if got := ranksOver(sizes, []int{3, 3, 3, 0}); !slices.Equal(got, []float64{2.5, 2.5, 1}) {
		t.Errorf("ranks of a draw %v: equal sums share their ranks", got)
	}
	// With k draws of the last probe the sums are 4(4−k), 4 and 2(4−k)+5k: the
	// first is on top for k ≤ 1, so with 0.75⁴ + 4·0.75³·0.25 = 0.738.
	ranks := rankLayers(1, sizes)
	if first := ranks[0].first; math.Abs(first-0.738) > 0.04 { // four standard errors
		t.Errorf("the first layer stays first in %v of the draws, want 0.738", first)
	}
	if r := ranks[0].rank; r.Value != 1 || r.Low != 1 || r.High < 2 || ranks[1].rank.Value != 3 || ranks[2].rank.Value != 2 {
		t.Errorf("ranks %+v", ranks)
	}
	if still := rankLayers(1, [][]float64{{0, 0}, {0, 0}}); still[0].rank.Value != 1.5 || still[0].first != 0 {
		t.Errorf("layers without effect are ranked %+v", still)
	}
}

func TestLayersAreDeterministic(t *testing.T) {
	o := LayersOptions{Name: "five", Probes: fiveProbes, Metric: probe.SeqLogprob}
	x := measured(t, "layers", func(ctx context.Context, r *Run) (*LayerMap, error) { return MeasureLayers(ctx, r, o) })
	if want := []string{"mlp", "attention", "gate", "up", "down", "q", "k", "v", "o"}; !slices.Equal(x.Sites, want) || len(x.Effects) != 18 || !slices.Equal(x.Layers, []int{0, 1}) {
		t.Errorf("sites %v, layers %v, %d effects", x.Sites, x.Layers, len(x.Effects))
	}
	if f := x.findings(); len(f) != 6 || !strings.HasPrefix(f[3], "v: the layers in order of their effect are ") || f[5] != "2 of them change nothing at all." {
		t.Errorf("findings %q", f)
	}
}

// A hybrid's layers have different parts: a part's figures are of the layers that have it,
// and the rest of its column is empty. The attention has a gate, so that flipping all of it
// does something.
func TestLayersOfAHybrid(t *testing.T) {
	sites := []layerSite{{"mlp", 0, nil}, {"mlp", 1, nil}, {"attention", 1, nil}, {"k", 1, nil}, {"beta", 0, nil}}
	before := []report.NullFloat{1, -1}
	var after [][]report.NullFloat
	for i := range sites {
		after = append(after, []report.NullFloat{report.NullFloat(i), -2})
	}
	x := LayersOptions{Name: "two", Metric: probe.TokenGap}.result(1, sites, before, after)
	x.Gated = true
	if want := []string{"mlp", "attention", "k", "beta"}; !slices.Equal(x.Layers, []int{0, 1}) || !slices.Equal(x.Sites, want) {
		t.Errorf("layers %v, sites %v", x.Layers, x.Sites)
	}
	if _, ok := x.effect("beta", 1); ok || !x.shown("attention") || !x.shown("k") {
		t.Error("layer 1 has a beta, or its gated attention is not shown")
	}
	if e, ok := x.effect("beta", 0); !ok || e.Size.Value != 2 {
		t.Errorf("beta of layer 0: %+v", e)
	}
	heat := x.charts()[0].Panels[0].(*chart.Heat)
	if row := heat.Values[1]; !math.IsNaN(row[3]) || row[1] != 1 {
		t.Errorf("the cells of layer 1 are %v", row)
	}
	if n := len(x.Present().Tables); n != 2 {
		t.Errorf("%d tables", n)
	}
}

func TestLayersRefuse(t *testing.T) {
	m := enginetest.Load(t, madeModel().Bytes(), engine.Options{Threads: 1})
	for _, c := range []struct {
		o    LayersOptions
		want string
	}{
		{LayersOptions{Sites: []string{"head"}}, `unknown site "head": use mlp, attention, delta-net, gate, up, down, q, k, v, o, qkv, z, alpha, beta, out`},
		{LayersOptions{Layers: []int{7}}, "layer 7: the model has layers 0 to 1"},
		{LayersOptions{}, "there are no probes to measure"},
	} {
		if _, err := MeasureLayers(t.Context(), &Run{Model: m}, c.o); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}
