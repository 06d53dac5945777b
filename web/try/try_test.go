package try

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"bankai"
)

// packed is a program as gzip has it.
func packed(t *testing.T, program string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(program)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const smallest = "\x00asm\x01\x00\x00\x00"

func engineOf(t *testing.T) *Engine {
	return &Engine{packed(t, smallest), []byte("// starts it"), int64(len(smallest))}
}

// An engine is two files; what is none is refused by name.
func TestReadEngine(t *testing.T) {
	whole := fstest.MapFS{wasmFile: {Data: packed(t, smallest+"more")}, startsFile: {Data: []byte("// starts it")}}
	e, err := readEngine(whole)
	if err != nil || e.Size != int64(len(smallest)+4) || string(e.Starts) != "// starts it" {
		t.Errorf("%+v, %v", e, err)
	}
	for _, c := range []struct {
		name string
		wasm []byte
		want string
	}{
		{"not compressed", []byte(smallest + "more"), "bankai.wasm.gz: gzip: invalid header"},
		{"no WebAssembly", packed(t, "#!/bin/sh\n"), "bankai.wasm.gz: is no WebAssembly"},
		{"too short", packed(t, "\x00asm"), "bankai.wasm.gz: is no WebAssembly"},
		{"cut off", whole[wasmFile].Data[:len(whole[wasmFile].Data)-6], "bankai.wasm.gz: unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := readEngine(fstest.MapFS{wasmFile: {Data: c.wasm}, startsFile: whole[startsFile]})
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// A program that was built without an engine says what to do.
func TestNotBuilt(t *testing.T) {
	if _, err := builtIn(fstest.MapFS{"README.md": {}}); !errors.Is(err, ErrNotBuilt) {
		t.Errorf("got %v", err)
	}
	dir := t.TempDir()
	if _, err := ReadEngine(dir); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "make wasm") {
		t.Errorf("got %v", err)
	}
}

func siteOf(t *testing.T) *Site {
	p := bankai.New(bankai.Digest{}, bankai.Meta{Name: "fix"}, bankai.Flip{Tensor: "blk.0.ffn_gate.weight", Row: 1, N: bankai.ToEnd})
	return &Site{
		Engine: engineOf(t), Title: "tiny", Digest: bankai.Digest{1}, Examples: []string{"d/dx"},
		Model:   func(w io.Writer) error { _, err := w.Write([]byte("GGUF")); return err },
		Patches: []Patch{{"one: <b>", p}, {"two", p}},
	}
}

// written is a site as files.
func written(t *testing.T, s *Site) (*Manifest, map[string]string, []string) {
	t.Helper()
	files := map[string]string{}
	var order []string
	m, err := s.Write(func(name string, write func(w io.Writer) error) error {
		var b strings.Builder
		err := write(&b)
		files[name] = b.String()
		order = append(order, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m, files, order
}

// The manifest tells of all files, and equal sites have equal bytes.
func TestWrite(t *testing.T) {
	m, files, order := written(t, siteOf(t))
	names, err := siteOf(t).Names()
	if err != nil || !slices.Equal(names, order) || order[len(order)-1] != ManifestFile {
		t.Errorf("written are %v, of %v, %v", order, names, err)
	}
	var read Manifest
	if err := json.Unmarshal([]byte(files[ManifestFile]), &read); err != nil {
		t.Fatal(err)
	}
	if read.Kind != Kind || read.Model != (ModelEntry{"tiny", "model.gguf", bankai.Digest{1}}) || !slices.Equal(read.Patches, []ManifestPatch{{"one: <b>", "patch-1.bankai"}, {"two", "patch-2.bankai"}}) {
		t.Errorf("the manifest says %+v", read)
	}
	for _, f := range read.Files {
		if int(f.Bytes) != len(files[f.Name]) {
			t.Errorf("%s has %d bytes, and the manifest says %d", f.Name, len(files[f.Name]), f.Bytes)
		}
	}
	if len(read.Files) != len(files)-1 || len(m.Files) != len(read.Files) {
		t.Errorf("the manifest tells of %d files of %d", len(read.Files), len(files))
	}
	if _, again, _ := written(t, siteOf(t)); !maps.Equal(files, again) {
		t.Error("written again, it differs")
	}
}

// What the page's files ask for is there: scripts, styles, pictures and modules.
func TestNothingIsMissing(t *testing.T) {
	_, files, _ := written(t, siteOf(t))
	asks := regexp.MustCompile(`(?:href|src|from|import|createScriptURL\()[= ]?"(?:\./)?([a-z_-]+\.[a-z]+)"`)
	seen := 0
	for name, text := range files {
		for _, m := range asks.FindAllStringSubmatch(text, -1) {
			if seen++; files[m[1]] == "" {
				t.Errorf("%s asks for %s, which is not there", name, m[1])
			}
		}
		if strings.HasSuffix(name, ".js") && name != startsFile && strings.Contains(text, "innerHTML") {
			t.Errorf("%s makes markup of text", name)
		}
	}
	if seen < 20 {
		t.Errorf("only %d references were found", seen)
	}
}

// A folder tells which of its files are those of an export, as it wrote them.
func TestEarlier(t *testing.T) {
	dir := t.TempDir()
	if m := Earlier(dir); m != nil {
		t.Errorf("an empty folder holds %+v", m)
	}
	_, files, _ := written(t, siteOf(t))
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"dom.js": "changed", "own.txt": "the user's"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	m := Earlier(dir)
	for name, want := range map[string]bool{"try.js": true, "dom.js": false, "own.txt": false, ManifestFile: true} {
		if _, got := m.Holds(filepath.Join(dir, name)); got != want {
			t.Errorf("%s is as exported: %v, want %v", name, got, want)
		}
	}
	fewer := siteOf(t)
	fewer.Patches = fewer.Patches[:1]
	next, _, _ := written(t, fewer)
	if got := m.Stale(dir, next); !slices.Equal(got, []string{filepath.Join(dir, "patch-2.bankai")}) {
		t.Errorf("stale are %v", got)
	}
	if err := os.WriteFile(filepath.Join(dir, ManifestFile), []byte(`{"kind": "another"}`), 0o666); err != nil {
		t.Fatal(err)
	}
	if m := Earlier(dir); m != nil {
		t.Errorf("another manifest is taken for an export's: %+v", m)
	}
	if _, own := Earlier(dir).Holds(filepath.Join(dir, "try.js")); own {
		t.Error("without a manifest, a file is an export's")
	}
}
