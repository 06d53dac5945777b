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
	for name, want := range map[string]int64{"1.7b": 1_719_904_256, "8b": 8_188_239_872} {
		s := models[name].shape
		weights := int64(s.Vocab) * int64(s.Hidden)
		if !s.Tied {
			weights *= 2
		}
		weights += int64(s.Layers) * int64(2*s.Hidden*(s.Heads+s.KVHeads)*s.HeadDim+3*s.Hidden*s.FFN)
		if weights != want {
			t.Errorf("%s has %d weights, want %d", name, weights, want)
		}
	}
}
