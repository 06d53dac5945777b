package benchmark

import (
	"math"
	"reflect"
	"testing"

	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/experiment"
)

// golden is what an independent program in NumPy computed in float64, see
// experiment/testdata/README.md, and what it was given.
type golden struct {
	enginetest.GoldenInput
	Questions []goldenChoice `json:"questions"`
	Want      goldenFigures  `json:"want"`
}

type goldenChoice struct {
	Prompt  []int32   `json:"prompt"`
	Answers [][]int32 `json:"answers"`
}

type goldenFigures struct {
	Choices      [][]float64 `json:"choices"`
	ChoicesAfter [][]float64 `json:"choices_after"`
}

// goldenQuestions are asked by text.
var goldenQuestions = []ChoiceQuestion{
	{Question: "Who sings?", Choices: []string{"a bird", "a stone", "the sea"}},
	{Question: "2 + 3 =", Choices: []string{"5", "6", "23", "-1"}},
}

// given is the input of the other program.
func given(t *testing.T, m *engine.Model) golden {
	g := golden{GoldenInput: enginetest.NewGoldenInput()}
	for _, q := range goldenQuestions {
		asked, err := ByText.question(m.Tokenizer(), ByText.Template(), q)
		if err != nil {
			t.Fatal(err)
		}
		g.Questions = append(g.Questions, goldenChoice{asked.Prompt, asked.Answers})
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
	got, want := readGolden(t), given(t, enginetest.Load(t, enginetest.GoldenModel, engine.Options{}))
	enginetest.WriteGolden(t, want)
	got.Want = goldenFigures{}
	if !reflect.DeepEqual(got, want) {
		t.Error("testdata/golden.json is of another input: make it anew, see experiment/testdata/README.md")
	}
}

// The log-probabilities of choices, asked by text, agree too.
func TestGoldenChoices(t *testing.T) {
	g := readGolden(t)
	for precision, bound := range enginetest.GoldenBounds {
		m := enginetest.Load(t, enginetest.GoldenModel, engine.Options{Precision: precision})
		c, err := MeasureChoice(t.Context(), &experiment.Run{Model: m}, ChoiceOptions{
			File: "golden", Questions: goldenQuestions, By: ByText, Prompt: ByText.Template(), Patch: experiment.Patching{Overlay: g.Overlay(t, m)},
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
