package benchmark

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
	"bankai/internal/enginetest"
	"bankai/internal/experiment"
	"bankai/internal/testmodel"
)

// golden is what an independent program in NumPy computed in float64, see
// experiment/testdata/README.md, and what it was given.
type golden struct {
	Model     string         `json:"model"` // SHA-256 of the file
	Flips     []goldenFlip   `json:"flips"`
	Questions []goldenChoice `json:"questions"`
	Want      goldenFigures  `json:"want"`
}

type goldenFlip struct {
	Tensor string `json:"tensor"`
	Row    uint32 `json:"row"`
	Col    uint32 `json:"col"`
	N      uint32 `json:"n"`
}

type goldenChoice struct {
	Prompt  []int32   `json:"prompt"`
	Answers [][]int32 `json:"answers"`
}

type goldenFigures struct {
	Choices      [][]float64 `json:"choices"`
	ChoicesAfter [][]float64 `json:"choices_after"`
}

// goldenModel is the model that the figures are of.
var goldenModel = testmodel.Bytes(testmodel.Shape{Layers: 2, Hidden: 128, FFN: 256, Heads: 4, KVHeads: 2, HeadDim: 32, Vocab: 320}, 6)

// goldenQuestions are asked by text.
var goldenQuestions = []ChoiceQuestion{
	{Question: "Who sings?", Choices: []string{"a bird", "a stone", "the sea"}},
	{Question: "2 + 3 =", Choices: []string{"5", "6", "23", "-1"}},
}

// given is the input of the other program.
func given(t *testing.T, m *engine.Model) golden {
	g := golden{
		Model: fmt.Sprintf("%x", sha256.Sum256(goldenModel)),
		Flips: []goldenFlip{
			{"blk.0.ffn_gate.weight", 17, 0, 128},
			{"blk.0.attn_output.weight", 3, 0, 128},
			{"blk.1.ffn_down.weight", 9, 128, 128},
			{"blk.1.attn_v.weight", 40, 0, 128},
			{"output.weight", 77, 0, 128},
		},
	}
	for _, q := range goldenQuestions {
		asked, err := ByText.question(m.Tokenizer(), ByText.Template(), q)
		if err != nil {
			t.Fatal(err)
		}
		g.Questions = append(g.Questions, goldenChoice{asked.Prompt, asked.Answers})
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
	input, err := json.Marshal(given(t, enginetest.Load(t, goldenModel, engine.Options{})))
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
	got, want := readGolden(t), given(t, enginetest.Load(t, goldenModel, engine.Options{}))
	got.Want = goldenFigures{}
	if !reflect.DeepEqual(got, want) {
		t.Error("testdata/golden.json is of another input: make it anew, see experiment/testdata/README.md")
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

// The log-probabilities of choices, asked by text, agree too.
func TestGoldenChoices(t *testing.T) {
	g := readGolden(t)
	for precision, bound := range goldenBounds {
		m := enginetest.Load(t, goldenModel, engine.Options{Precision: precision})
		c, err := MeasureChoice(t.Context(), &experiment.Run{Model: m}, ChoiceOptions{
			File: "golden", Questions: goldenQuestions, By: ByText, Prompt: ByText.Template(), Patch: experiment.Patching{Overlay: g.overlay(t, m)},
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range c.Asked {
			for k, ids := range g.Questions[i].Answers {
				most := bound * float64(len(ids)) // of a sum over tokens
				before, after := math.Abs(a.Base[k]-g.Want.Choices[i][k]), math.Abs(a.Patched[k]-g.Want.ChoicesAfter[i][k])
				t.Logf("%v: choice %d of question %d: %.1e and %.1e nats", precision, k, i, before, after)
				if !(before <= most && after <= most) {
					t.Errorf("%v: choice %d of question %d is %.1e and, patched, %.1e nats from the golden one, may be %.0e", precision, k, i, before, after, most)
				}
			}
		}
	}
}
