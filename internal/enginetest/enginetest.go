// Package enginetest loads models and probe sets for the tests of packages that use an
// engine.
package enginetest

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/testmodel"
	"bankai/internal/weights"
	"bankai/models/demo"
	"bankai/probe"
)

// Load is a model from the bytes of its GGUF file. It is closed when the test ends. It
// computes with one thread if o does not say otherwise: the tests of as many packages run
// side by side as there are cores, and threads that wait for each other's parts keep those
// busy. That no result depends on threads is shown by tests that say how many.
func Load(t testing.TB, file []byte, o engine.Options) *engine.Model {
	t.Helper()
	o.Threads = cmp.Or(o.Threads, 1)
	f, err := weights.FromBytes("test", file)
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.Load(f, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// Tiny is the smallest model, whose weights are random.
func Tiny(t testing.TB, o engine.Options) *engine.Model {
	t.Helper()
	return Load(t, testmodel.Bytes(testmodel.Tiny, 1), o)
}

// Demo is the built-in model, which answers questions as a real one does.
func Demo(t testing.TB, o engine.Options) *engine.Model {
	t.Helper()
	return Load(t, demo.Model(), o)
}

// DemoSet is an embedded probe set, in its order.
func DemoSet(t testing.TB, name string) probe.Set {
	t.Helper()
	data, err := demo.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	set, err := probe.Read(bytes.NewReader(data), probe.JSON)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Patched is the model with a patch in the weights of a workbench.
func Patched(t testing.TB, m *engine.Model, p *bankai.Patch) *engine.Model {
	t.Helper()
	w := m.Workbench()
	if err := w.Apply(p); err != nil {
		t.Fatal(err)
	}
	return w.Model
}

// Overlay is a view of the model with a patch.
func Overlay(t testing.TB, m *engine.Model, p *bankai.Patch) *engine.Overlay {
	t.Helper()
	o, err := m.Overlay(p)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// LogProbs is ln p of every token behind each of ids, from the logits of one
// pass, in float64 loops.
func LogProbs(t testing.TB, m *engine.Model, ids []int32) [][]float64 {
	t.Helper()
	b := m.NewBatch(0)
	seq := b.NewSeq(nil)
	defer seq.Release()
	out, err := b.Step(t.Context(), []engine.Input{{Seq: seq, Tokens: ids, Logits: len(ids)}})
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]float64
	for logits := range slices.Chunk(out[0], m.Config().Vocab) {
		top, sum := float64(slices.Max(logits)), 0.0
		for _, l := range logits {
			sum += math.Exp(float64(l) - top)
		}
		row := make([]float64, len(logits))
		for i, l := range logits {
			row[i] = float64(l) - top - math.Log(sum)
		}
		rows = append(rows, row)
	}
	return rows
}
