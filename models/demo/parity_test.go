package demo_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"bankai/engine"
	"bankai/internal/weights"
	"bankai/models/demo"
)

// The engine reproduces what the training framework's own forward pass said of
// the finished model: the same token ids, and in exact precision the same logits
// to 1e-3. The recipe wrote testdata/parity.json.
func TestParityWithTraining(t *testing.T) {
	raw, err := os.ReadFile("testdata/parity.json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		Tokens []struct {
			Text string
			IDs  []int32
		}
		Logits []struct {
			Prompt string
			IDs    []int32
			Logits []float64
		}
	}
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	if len(want.Tokens) < 10 || len(want.Logits) < 3 {
		t.Fatalf("%d texts and %d prompts: too few to tell", len(want.Tokens), len(want.Logits))
	}
	f, err := weights.FromBytes("demo", demo.Model())
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.Load(f, engine.Options{Precision: engine.Exact})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, c := range want.Tokens {
		if got := m.Tokenizer().Encode(c.Text); !slices.Equal(got, c.IDs) {
			t.Errorf("%q is %v, in training it was %v", c.Text, got, c.IDs)
		}
	}
	for _, c := range want.Logits {
		if got := m.Tokenizer().Encode(c.Prompt); !slices.Equal(got, c.IDs) {
			t.Errorf("%q is %v, in training it was %v", c.Prompt, got, c.IDs)
		}
		b := m.NewBatch(0)
		got, err := b.Step(context.Background(), []engine.Input{{Seq: b.NewSeq(nil), Tokens: c.IDs, Logits: 1}})
		if err != nil {
			t.Fatal(err)
		}
		if len(got[0]) != len(c.Logits) {
			t.Fatalf("%d logits, want %d", len(got[0]), len(c.Logits))
		}
		for id, l := range c.Logits {
			if d := math.Abs(float64(got[0][id]) - l); d > 1e-3 {
				t.Errorf("%q: logit %d is %v, in training it was %v", c.Prompt, id, got[0][id], l)
			}
		}
	}
}
