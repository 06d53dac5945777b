package hub

import (
	"fmt"
	"strings"
	"testing"
)

// What is taken of a repository where no file is named.
func TestChoose(t *testing.T) {
	for _, c := range []struct {
		what, files, want string // want: the files that are taken, or an error that begins with !
	}{
		{"as published", "Bonsai-8B-Q1_0.gguf Bonsai-8B-F16.gguf README.md", "Bonsai-8B-Q1_0.gguf"},
		{"as published at first", "Bonsai-8B.gguf", "Bonsai-8B.gguf"},
		{"both names", "Bonsai-8B.gguf Bonsai-8B-Q1_0.gguf", "Bonsai-8B-Q1_0.gguf"},
		{"with vision and a drafter", "Bonsai-27B-Q1_0.gguf Bonsai-27B-mmproj-Q8_0.gguf mmproj-F16.gguf Bonsai-27B-dspark-Q4_1.gguf Bonsai-27B-mmproj-Q1_0.gguf", "Bonsai-27B-Q1_0.gguf"},
		{"in a folder", "q1/model-q1_0.gguf", "q1/model-q1_0.gguf"},
		{"in parts", "a-Q1_0-00002-of-00002.gguf a-Q1_0-00001-of-00002.gguf", "a-Q1_0-00001-of-00002.gguf a-Q1_0-00002-of-00002.gguf"},
		{"a part too few", "a-Q1_0-00001-of-00003.gguf a-Q1_0-00002-of-00003.gguf", "!has 2 of the 3 parts"},
		{"two that fit", "a-Q1_0.gguf b-Q1_0.gguf", "!several files fit: name one of a-Q1_0.gguf (1.00 KB) and b-Q1_0.gguf (1.00 KB)"},
		{"floats alone", "Bonsai-8B-F16.gguf", "!has no 1-bit file (Q1_0) but Bonsai-8B-F16.gguf (1.00 KB): name a file"},
		{"other types", "a-Q4_K_M.gguf a-Q8_0.gguf a-IQ1_S.gguf a-TQ1_0.gguf a-PQ2_0.gguf a-PTQ1_0.gguf a-BF16.gguf", "!has no 1-bit file"},
		{"MLX", "config.json model.safetensors tokenizer.json tokenizer_config.json chat_template.jinja README.md .gitattributes x.py sub/other.safetensors", "config.json model.safetensors tokenizer.json tokenizer_config.json chat_template.jinja"},
		{"MLX in parts", "config.json model-00001-of-00002.safetensors model-00002-of-00002.safetensors model.safetensors.index.json", "config.json model-00001-of-00002.safetensors model-00002-of-00002.safetensors model.safetensors.index.json"},
		{"safetensors without a config", "model.safetensors", "!holds no model and no patch that bankai reads"},
		{"a patch", "fix.bankai README.md", "fix.bankai"},
		{"patches", "fix.bankai other.bankai", "!several files fit: name one of fix.bankai"},
		{"a patch beside its model", "fix.bankai a.gguf", "a.gguf"},
		{"names that lead out", "../a-Q1_0.gguf /b-Q1_0.gguf c\\d-Q1_0.gguf nul.gguf", "!holds no model"},
		{"nothing", "README.md", "!holds no model"},
	} {
		var files []File
		for name := range strings.FieldsSeq(c.files) {
			files = append(files, File{name, 1000})
		}
		got, err := choose(files, nil)
		var names []string
		for _, f := range got.files {
			names = append(names, f.Name)
		}
		want, wrong := strings.CutPrefix(c.want, "!")
		if wrong && (err == nil || !strings.HasPrefix(err.Error(), want)) || !wrong && (err != nil || strings.Join(names, " ") != want) {
			t.Errorf("%s: %q, %v, want %q", c.what, names, err, c.want)
		}
	}
}

// A list of files in whatever form is refused or has only names that stay in a folder.
func FuzzListing(f *testing.F) {
	f.Add([]byte(`{"sha": "` + commit + `", "siblings": [{"rfilename": "a-Q1_0.gguf", "size": 3}, {"rfilename": "../x"}]}`))
	f.Add([]byte(`{"sha": 1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		sha, files, err := parseListing(data)
		if err != nil {
			return
		}
		if !commitText.MatchString(sha) {
			t.Errorf("a commit %q", sha)
		}
		for _, f := range files {
			if err := checkPath(f.Name); err != nil || f.Bytes < -1 {
				t.Errorf("%+v: %v", f, err)
			}
		}
		choose(files, nil)
	})
}

// A message names a few of many files.
func TestManyFiles(t *testing.T) {
	var files []File
	for i := range 600_000 {
		files = append(files, File{fmt.Sprintf("m%06d-Q1_0.gguf", i), 1})
	}
	if _, err := choose(files, nil); err == nil || len(err.Error()) > 300 || !strings.HasSuffix(err.Error(), "m000007-Q1_0.gguf (1 B) and 599,992 more") {
		t.Errorf("%.400v", err)
	}
}
