package experiment

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/testmodel"
)

// golden is what an independent program in NumPy computed in float64, see
// testdata/README.md, and what it was given.
type golden struct {
	Model  string        `json:"model"` // SHA-256 of the file
	IDs    []int32       `json:"ids"`
	Window int           `json:"window"`
	Flips  []goldenFlip  `json:"flips"`
	Want   goldenFigures `json:"want"`
}

type goldenFlip struct {
	Tensor string `json:"tensor"`
	Row    uint32 `json:"row"`
	Col    uint32 `json:"col"`
	N      uint32 `json:"n"`
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

// goldenModel is the model that the figures are of.
var goldenModel = testmodel.Bytes(testmodel.Shape{Layers: 2, Hidden: 128, FFN: 256, Heads: 4, KVHeads: 2, HeadDim: 32, Vocab: 320}, 6)

// given is the input of the other program.
func given() golden {
	g := golden{
		Model: fmt.Sprintf("%x", sha256.Sum256(goldenModel)), Window: 16,
		Flips: []goldenFlip{
			{"blk.0.ffn_gate.weight", 17, 0, 128},
			{"blk.0.attn_output.weight", 3, 0, 128},
			{"blk.1.ffn_down.weight", 9, 128, 128},
			{"blk.1.attn_v.weight", 40, 0, 128},
			{"output.weight", 77, 0, 128},
		},
	}
	for i := range 70 {
		g.IDs = append(g.IDs, int32(i*i*37+i)%300)
	}
	return g
}

// overlay is the golden patch on a model.
func (g golden) overlay(t *testing.T, m *engine.Model) *engine.Overlay {
	t.Helper()
	var flips []bankai.Flip
	for _, f := range g.Flips {
		flips = append(flips, bankai.Flip{Tensor: f.Tensor, Row: f.Row, Col: f.Col, N: f.N})
	}
	o, err := m.Overlay(bankai.New(bankai.Digest{}, bankai.Meta{}, flips...))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func readGolden(t *testing.T) golden {
	t.Helper()
	data, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func writeGoldenInput(t *testing.T, dir string) {
	input, err := json.Marshal(given())
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"model.gguf": goldenModel, "input.json": input} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// The golden file is of today's model, text and questions.
func TestGoldenIsCurrent(t *testing.T) {
	if dir := os.Getenv("BANKAI_WRITE_GOLDEN"); dir != "" {
		writeGoldenInput(t, dir)
	}
	got, want := readGolden(t), given()
	got.Want = goldenFigures{}
	if !reflect.DeepEqual(got, want) {
		t.Error("testdata/golden.json is of another input: make it anew, see testdata/README.md")
	}
}

// far is the largest distance of two lists.
func far(a, b []float64) (most float64) {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	for i := range a {
		most = max(most, math.Abs(a[i]-b[i]))
	}
	return most
}

// goldenBounds are how far the figures may be from the golden ones, in nats a
// token. Exact products differ by the rounding of float32 alone, some 1e-6 of
// logits around 10. Fast ones differ by that of activations to int8: their mean
// divergence from exact ones is up to 5e-4, so ln p moves by √(2·5e-4) ≈ 0.03 as a
// rule, and by twice as much at some token.
var goldenBounds = map[engine.Precision]float64{engine.Exact: 5e-6, engine.Fast: 0.06}

// Every token's ln p and divergence, and what is made of them, agree with the
// independent program.
func TestGoldenPerplexity(t *testing.T) {
	g := readGolden(t)
	for precision, bound := range goldenBounds {
		m := loaded(t, goldenModel, engine.Options{Precision: precision})
		o := TextOptions{Name: "ids", IDs: g.IDs, Window: g.Window, Stride: g.Window, Patch: Patching{Overlay: g.overlay(t, m)}}
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
			"ln p":                   far(all.Before, w.LogProbs),
			"ln p, patched":          far(all.After, w.LogProbsNow),
			"divergence":             far(all.KL, w.KL),
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
