package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"bankai/engine"
	"bankai/internal/testmodel"
)

var tiny = model{"tiny", testmodel.Tiny}

func TestModelFile(t *testing.T) {
	dir := t.TempDir()
	path, size, err := tiny.file(dir)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil || int64(len(content)) != size {
		t.Fatalf("%d bytes, %v, but %d are said", len(content), err, size)
	}
	m, err := engine.Open(path, engine.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if c := m.Config(); c.Layers != testmodel.Tiny.Layers || c.Context < longTokens+generatedTokens {
		t.Errorf("the engine reads %+v", c)
	}

	again, _, err := tiny.file(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if other, _ := os.ReadFile(again); !bytes.Equal(content, other) {
		t.Error("another file is different")
	}
}

// A file that is there is kept: writing 8B takes a while.
func TestModelFileIsKept(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "tiny-320-served.gguf"), []byte("kept"), 0o666); err != nil {
		t.Fatal(err)
	}
	if path, size, err := tiny.file(dir); err != nil || size != 4 {
		t.Errorf("%s has %d bytes now, %v", path, size, err)
	}
}

// The shapes are those of the models whose names they bear, by what they weigh.
func TestShapes(t *testing.T) {
	for name, want := range map[string]int64{
		"1.7b": 1_719_904_256, "8b": 8_188_239_872,
		"27b": 26_893_352_960, "27b/8": 26_893_352_960 / 8,
	} {
		if weights := weightsOf(models[name].shape); weights != want {
			t.Errorf("%s has %d weights, want %d", name, weights, want)
		}
	}
}

// weightsOf counts the weights of 1 bit.
func weightsOf(s testmodel.Shape) int64 {
	embedding := s.Vocab * s.Hidden
	if !s.Tied {
		embedding *= 2
	}
	queries, keys := s.Heads*s.HeadDim, s.KVHeads*s.HeadDim
	attention := 2 * s.Hidden * (queries + keys)
	delta, nets := 0, 0
	if h := s.Hybrid; h != nil {
		attention += s.Hidden * queries // its gate
		nets = s.Layers * 3 / 4
		delta = s.Hidden * (2*h.KeyHeads*h.State + 3*h.ValueHeads*h.State + 2*h.ValueHeads)
	}
	return int64(embedding + nets*delta + (s.Layers-nets)*attention + s.Layers*3*s.Hidden*s.FFN)
}

// A hybrid has a file too, with a context that is long enough to measure.
func TestHybridFile(t *testing.T) {
	path, _, err := model{"half/tiny", testmodel.TinyHybrid}.file(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.Open(path, engine.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if c := m.Config(); c.Delta == nil || c.Context < longTokens+generatedTokens {
		t.Errorf("the engine reads %+v", c)
	}
}
