package enginetest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/testmodel"
)

// GoldenModel is the GGUF file of a model of which an independent program in NumPy
// computed figures in float64: see internal/experiment/testdata/README.md.
var GoldenModel = testmodel.Bytes(testmodel.Shape{Layers: 2, Hidden: 128, FFN: 256, Heads: 4, KVHeads: 2, HeadDim: 32, Vocab: 320}, 6)

// GoldenBounds are how far figures may be from the golden ones, in nats a token. Exact
// products differ by the rounding of float32 alone, some 1e-6 of logits around 10. Fast
// ones differ by that of activations to int8: their mean divergence from exact ones is up
// to 5e-4, so ln p moves by √(2·5e-4) ≈ 0.03 as a rule, and by twice as much at some token.
var GoldenBounds = map[engine.Precision]float64{engine.Exact: 5e-6, engine.Fast: 0.06}

// GoldenInput is what every such program is given: the model and a patch.
type GoldenInput struct {
	Model string       `json:"model"` // SHA-256 of GoldenModel
	Flips []GoldenFlip `json:"flips"`
}

// GoldenFlip is a flip of the golden patch.
type GoldenFlip struct {
	Tensor string `json:"tensor"`
	Row    uint32 `json:"row"`
	Col    uint32 `json:"col"`
	N      uint32 `json:"n"`
}

// NewGoldenInput is today's input.
func NewGoldenInput() GoldenInput {
	return GoldenInput{
		Model: fmt.Sprintf("%x", sha256.Sum256(GoldenModel)),
		Flips: []GoldenFlip{
			{"blk.0.ffn_gate.weight", 17, 0, 128},
			{"blk.0.attn_output.weight", 3, 0, 128},
			{"blk.1.ffn_down.weight", 9, 128, 128},
			{"blk.1.attn_v.weight", 40, 0, 128},
			{"output.weight", 77, 0, 128},
		},
	}
}

// Overlay is the golden patch on a model.
func (g GoldenInput) Overlay(t testing.TB, m *engine.Model) *engine.Overlay {
	t.Helper()
	var flips []bankai.Flip
	for _, f := range g.Flips {
		flips = append(flips, bankai.Flip{Tensor: f.Tensor, Row: f.Row, Col: f.Col, N: f.N})
	}
	return Overlay(t, m, bankai.New(bankai.Digest{}, bankai.Meta{}, flips...))
}

// ReadGolden reads testdata/golden.json, of the package under test, into golden.
func ReadGolden(t testing.TB, golden any) {
	t.Helper()
	data, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, golden); err != nil {
		t.Fatal(err)
	}
}

// WriteGolden writes the model, and the input of a program that computes golden figures
// anew, into the folder that BANKAI_WRITE_GOLDEN names; nothing if it names none.
func WriteGolden(t testing.TB, input any) {
	t.Helper()
	dir := os.Getenv("BANKAI_WRITE_GOLDEN")
	if dir == "" {
		return
	}
	encoded, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"model.gguf": GoldenModel, "input.json": encoded} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// Far is the largest distance of two lists.
func Far(a, b []float64) (most float64) {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	for i := range a {
		most = max(most, math.Abs(a[i]-b[i]))
	}
	return most
}
