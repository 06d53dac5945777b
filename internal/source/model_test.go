package source

import (
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
