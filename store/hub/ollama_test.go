package hub

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bankai/internal/hubtest"
)

// What Ollama holds is found by its name, and its file is compared with its digest.
func TestOllama(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("OLLAMA_MODELS", dir)
	digest := hubtest.ETag("a.gguf", "GGUF")
	layer := `{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:` + digest + `", "size": 4}`
	beside := `{"mediaType": "application/vnd.ollama.image.template", "digest": "sha256:` + strings.Repeat("0", 64) + `", "size": 9}`
	manifest := func(layers string) string { return `{"schemaVersion": 2, "layers": [` + layers + `]}` }
	for name, text := range map[string]string{
		"blobs/sha256-" + digest:                                    "GGUF",
		"blobs/sha256-" + strings.Repeat("1", 64):                   "GGUF",
		"manifests/registry.ollama.ai/library/bonsai/latest":        manifest(beside + "," + layer),
		"manifests/registry.ollama.ai/me/bonsai/8b":                 manifest(layer),
		"manifests/hf.co/prism-ml/Bonsai-8B-gguf/Q1_0":              manifest(layer),
		"manifests/registry.ollama.ai/library/missing/latest":       manifest(strings.ReplaceAll(layer, digest, strings.Repeat("2", 64))),
		"manifests/registry.ollama.ai/library/cut/latest":           manifest(strings.ReplaceAll(layer, "4}", "5}")),
		"manifests/registry.ollama.ai/library/changed/latest":       manifest(strings.ReplaceAll(layer, digest, strings.Repeat("1", 64))),
		"manifests/registry.ollama.ai/library/several/latest":       manifest(layer + "," + layer),
		"manifests/registry.ollama.ai/library/leads-out/latest":     manifest(strings.ReplaceAll(layer, digest, "../../x")),
		"manifests/registry.ollama.ai/library/safetensors/latest":   manifest(beside),
		"manifests/registry.ollama.ai/library/no-json/latest":       "x",
		"manifests/registry.ollama.ai/library/bonsai/deeper/latest": "x",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	c := &Client{Watcher: &quiet{}}
	for name, want := range map[string]string{
		"bonsai":                             "",
		"me/bonsai:8b":                       "",
		"hf.co/prism-ml/Bonsai-8B-gguf:Q1_0": "",
		"bonsai:7b":                          "Ollama has no such model in " + dir,
		"bonsai:deeper":                      "is no manifest",
		"missing":                            "is not there, or not whole: ollama pull missing",
		"cut":                                "is not there, or not whole",
		"changed":                            "its file is not what its name says: ollama pull changed",
		"several":                            "names a model in several files",
		"leads-out":                          "names no digest of its model",
		"safetensors":                        "names no model in one GGUF file",
		"no-json":                            "is no manifest of Ollama's",
	} {
		text := "ollama:" + name
		p, err := c.Pull(t.Context(), parsed(t, text))
		if want == "" && (err != nil || p.Path != filepath.Join(dir, "blobs", "sha256-"+digest)) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %+v, %v, want %q", text, p, err, want)
		}
		path, err := Find(text)
		if want == "" && (err != nil || path != p.Path) {
			t.Errorf("found %s at %s, %v", text, path, err)
		}
	}
}

// A manifest in whatever form is refused or names a blob.
func FuzzOllamaManifest(f *testing.F) {
	f.Add([]byte(`{"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:` + strings.Repeat("a", 64) + `", "size": 4}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if name, size, err := ollamaBlob(data); err == nil && (len(name) != len("blobs/sha256-")+64 || strings.Contains(name, "..") || size < 0) {
			t.Errorf("%q of %d bytes", name, size)
		}
	})
}
