package hub

import (
	"strings"
	"testing"
)

// References and what they mean; those that are not right are refused with a word that
// helps.
func TestParse(t *testing.T) {
	for _, c := range []struct {
		text, repo, revision, file, full string // full: String()
	}{
		{"hf:prism-ml/Bonsai-8B-gguf", "prism-ml/Bonsai-8B-gguf", "main", "", "hf:prism-ml/Bonsai-8B-gguf"},
		{"hf:a/b@main/c.gguf", "a/b", "main", "c.gguf", "hf:a/b/c.gguf"},
		{"hf:a/b@v1.0/sub/c.bankai", "a/b", "v1.0", "sub/c.bankai", "hf:a/b@v1.0/sub/c.bankai"},
		{"hf:a/b@refs%2Fpr%2F1", "a/b", "refs/pr/1", "", "hf:a/b@refs%2Fpr%2F1"},
		{"hf:a/b/c@d.gguf", "a/b", "main", "c@d.gguf", "hf:a/b/c@d.gguf"},
		{"hf:prism-ml/Ternary-Bonsai-8B-gguf/fix.bankai", "prism-ml/Ternary-Bonsai-8B-gguf", "main", "fix.bankai", "hf:prism-ml/Ternary-Bonsai-8B-gguf/fix.bankai"},
		{"bonsai-8b", "prism-ml/Bonsai-8B-gguf", "main", "", "hf:prism-ml/Bonsai-8B-gguf"},
		{"Bonsai-27B-MLX", "prism-ml/Bonsai-27B-mlx-1bit", "main", "", "hf:prism-ml/Bonsai-27B-mlx-1bit"},
		{"bonsai-1.7b-unpacked", "prism-ml/Bonsai-1.7B-unpacked", "main", "", "hf:prism-ml/Bonsai-1.7B-unpacked"},
		{"ollama:llama3", "", "", "", "ollama:registry.ollama.ai/library/llama3/latest"},
		{"ollama:me/bonsai:8b", "", "", "", "ollama:registry.ollama.ai/me/bonsai/8b"},
		{"ollama:hf.co/prism-ml/Bonsai-8B-gguf:Q1_0", "", "", "", "ollama:hf.co/prism-ml/Bonsai-8B-gguf/Q1_0"},
		{"ollama:localhost:5000/me/bonsai", "", "", "", "ollama:localhost:5000/me/bonsai/latest"},
	} {
		r, err := Parse(c.text)
		if err != nil || r.Repo != c.repo || r.Revision != c.revision || r.File != c.file || r.String() != c.full || r.Text != c.text {
			t.Errorf("%s: %+v %s, %v", c.text, r, r, err)
		}
		if !Is(c.text) {
			t.Errorf("%s is not seen to be a reference", c.text)
		}
	}
	for text, want := range map[string]string{
		"bonsai-9b":                "is no reference: write hf:OWNER/REPO[@REVISION][/FILE], ollama:NAME, or a name that bankai pull lists",
		"ternary-bonsai-8b":        "is a ternary model",
		"bonsai-2-27b":             "is a ternary model",
		"hf:prism-ml/Bonsai-2-27B": "is a ternary model",
		"hf:prism-ml/Ternary-Bonsai-1.7B-gguf/a.gguf": "is a ternary model",
		"hf:gpt2":                     `"gpt2/" is no repository`,
		"hf:../x":                     "is no repository",
		"hf:a/..":                     "is no repository",
		"hf:a/b--c":                   "is no repository",
		"hf:a/b@":                     "is no revision",
		"hf:a/b@..%2Fx":               "is no revision",
		"hf:a/b@%zz":                  "is no revision",
		"hf:a/b/":                     "leads out of its folder",
		"hf:a/b/../c":                 "leads out of its folder",
		"hf:a/b//c":                   "leads out of its folder",
		`hf:a/b/c\d`:                  "has characters that no file may have",
		"hf:a/b/C:x":                  "has characters that no file may have",
		"hf:a/b/nul.gguf":             "cannot be one on every system",
		"hf:a/b/com1":                 "cannot be one on every system",
		"hf:a/b/c.":                   "cannot be one on every system",
		"ollama:":                     "is no name of Ollama's",
		"ollama:a/b/c/d":              "is no name of Ollama's",
		"ollama:../x":                 "is no name of Ollama's",
		"ollama:a:b:c":                "is no name of Ollama's",
		"ollama:registry/x/..:latest": "is no name of Ollama's",
	} {
		if r, err := Parse(text); err == nil || !strings.HasPrefix(err.Error(), text+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v, want %q", text, r, err, want)
		}
	}
	for _, text := range []string{"demo", "model.gguf", "./bonsai-8b", "bonsai", "registry.example/x:y"} {
		if Is(text) {
			t.Errorf("%s is taken for a reference", text)
		}
	}
}

// Whatever is parsed stays in its folder, and means the same when it is written in full.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"hf:a/b@c/d/e", "ollama:a/b/c:d", "bonsai-8b", "hf:a/b/../c", "hf:a/b@refs%2Fpr%2F1/x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text)
		if err != nil {
			return
		}
		for part := range strings.SplitSeq(r.Repo+"/"+r.Revision+"/"+r.File+"/"+r.Ollama, "/") {
			if part == ".." || strings.Contains(part, `\`) {
				t.Errorf("%q leads out: %+v", text, r)
			}
		}
		if r.Ollama != "" {
			return
		}
		again, err := Parse(r.String())
		if err != nil || again.Repo != r.Repo || again.Revision != r.Revision || again.File != r.File {
			t.Errorf("%q is %+v, and %s is %+v (%v)", text, r, r, again, err)
		}
	})
}

// Every published model has a name of its own that means it, and says what it is.
func TestModels(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range Models() {
		r, err := Parse(m.Name)
		if err != nil || r.Model.Name != m.Name || r.Repo != m.Repo || seen[m.Name] {
			t.Errorf("%s: %+v, %v", m.Name, r, err)
		}
		seen[m.Name] = true
		if _, err := Parse(hubScheme + m.Repo); err != nil {
			t.Error(err)
		}
		if m.Form == "" || m.Architecture == "" || m.License == "" || m.Known == "" || len(m.Files) > 0 && m.About {
			t.Errorf("%s lacks something: %+v", m.Name, m)
		}
		for _, file := range m.Files {
			if c, err := choose([]File{{file, 1}, {"Bonsai-F16.gguf", 2}}, nil); err != nil || c.files[0].Name != file {
				t.Errorf("%s is not what is chosen without the table: %+v, %v", file, c, err)
			}
		}
	}
	if len(seen) != 12 {
		t.Errorf("%d models", len(seen))
	}
}
