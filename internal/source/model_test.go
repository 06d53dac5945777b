package source

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bankai/internal/testmodel"
	"bankai/models/demo"
)

// A model is a file, or the embedded one under its name.
func TestOpenModel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	if err := testmodel.Write(path, testmodel.Tiny, 1); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		bytes int
	}{{DemoModel, len(demo.Model())}, {path, len(testmodel.Bytes(testmodel.Tiny, 1))}} {
		f, err := OpenModel(c.name, nil)
		if err != nil {
			t.Fatal(err)
		}
		if f.Size() != int64(c.bytes) {
			t.Errorf("%s: %d bytes, want %d", c.name, f.Size(), c.bytes)
		}
		named := f.Config()
		named.Name = "a name"
		unnamed := named
		unnamed.Name = ""
		want := map[bool]string{true: DemoModel, false: "a name"}[c.name == DemoModel]
		if got := ModelName(c.name, named); got != want {
			t.Errorf("%s: called %q, want %q", c.name, got, want)
		}
		if got := ModelName(c.name, unnamed); got != filepath.Base(c.name) {
			t.Errorf("%s without a name: called %q", c.name, got)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	for name, want := range map[string]string{"": "the model's name is empty", "missing.gguf": "missing.gguf"} {
		if _, err := OpenModel(name, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// A published model is opened by its name where it lies; a file of the name comes first.
func TestPublishedModel(t *testing.T) {
	t.Chdir(t.TempDir())
	cache := t.TempDir()
	t.Setenv("HF_HUB_CACHE", cache)
	t.Setenv("OLLAMA_MODELS", t.TempDir())
	commit := strings.Repeat("c0ffee12", 5)
	repo := filepath.Join(cache, "models--prism-ml--Bonsai-8B-gguf")
	file := filepath.Join(repo, "snapshots", commit, "Bonsai-8B-Q1_0.gguf")
	for _, dir := range []string{filepath.Join(repo, "refs"), filepath.Dir(file)} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.WriteFile(filepath.Join(repo, "refs", "main"), []byte(commit), 0o666), testmodel.Write(file, testmodel.Tiny, 1)); err != nil {
		t.Fatal(err)
	}
	for name, title := range map[string]string{
		"bonsai-8b":                  "bonsai-8b",
		"hf:prism-ml/Bonsai-8B-gguf": "Bonsai-8B-Q1_0",
		"hf:prism-ml/Bonsai-8B-gguf/Bonsai-8B-Q1_0.gguf": "Bonsai-8B-Q1_0",
		"./bonsai-8b.gguf":            "bonsai-8b",
		"ollama:me/bonsai:8b":         "bonsai",
		"hf:prism-ml/Bonsai-8B-other": "Bonsai-8B-other",
	} {
		if got := ModelTitle(name); got != title {
			t.Errorf("%s: called %q, want %q", name, got, title)
		}
	}
	for _, name := range []string{"bonsai-8b", "hf:prism-ml/Bonsai-8B-gguf"} {
		if path, err := LocateModel(name); err != nil || path != file || FoundModel(name) != nil {
			t.Errorf("%s is at %s, %v", name, path, err)
		}
		f, err := OpenModel(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	for _, name := range []string{"bonsai-4b", "ollama:bonsai"} {
		if is, err := IsModel(name); !is || err != nil {
			t.Errorf("%s is not taken for a model: %v", name, err)
		}
		if err := FoundModel(name); err == nil || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile("bonsai-8b", []byte("a file"), 0o666); err != nil {
		t.Fatal(err)
	}
	if is, err := IsModel("bonsai-8b"); is || err != nil || IsPublished("bonsai-8b") {
		t.Errorf("a file of the name is taken for a published model: %v", err)
	}
}
