package bankai

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// onlyFile checks that the folder holds the named file and nothing else.
func onlyFile(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("the folder holds %q, want %q", got, names)
	}
}

func TestWriteFileByExtension(t *testing.T) {
	dir := t.TempDir()
	p := New(Digest{1}, Meta{Name: "n"}, row(gate2, 1))
	for _, name := range []string{"p.bankai", "p.json", "q.BANKAI"} {
		path := filepath.Join(dir, name)
		for range 2 { // the second time over the first file
			if err := p.WriteFile(path); err != nil {
				t.Fatal(err)
			}
		}
		q, err := ReadFile(path)
		if err != nil || !bytes.Equal(encoded(t, q), encoded(t, p)) {
			t.Errorf("%s: %v, %v", name, q, err)
		}
	}
	onlyFile(t, dir, "p.bankai", "p.json", "q.BANKAI")
}

// The size of the content is that of the file without provenance, whatever is
// recorded.
func TestContentSize(t *testing.T) {
	bare := New(Digest{1}, Meta{}, row(gate2, 1), bit(up10, 3, 7))
	want := int64(len(encoded(t, bare)))
	for _, m := range []Meta{{}, {Name: "n", Command: strings.Repeat("bankai ", 99)}, {Claims: []Claim{{Name: "c"}}}} {
		if n, err := bare.WithMeta(m).ContentSize(); err != nil || n != want {
			t.Errorf("%d bytes, %v; want %d", n, err, want)
		}
	}
}

func TestWriteFileRefuses(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "old.json")
	if err := New(Digest{}, Meta{Name: "old"}).WriteFile(old); err != nil {
		t.Fatal(err)
	}
	bits := New(Digest{}, Meta{}, bit(gate2, 0, 1))
	for _, name := range []string{"p", "p.txt", "p.gguf", "json"} {
		if err := bits.WriteFile(filepath.Join(dir, name)); err == nil || !strings.Contains(err.Error(), "ends in .bankai (compact) or .json") {
			t.Errorf("%s: %v", name, err)
		}
	}
	err := bits.WriteFile(old)
	if err == nil || !strings.HasPrefix(err.Error(), old+": cannot write the file: the JSON form cannot hold") {
		t.Errorf("bits to JSON: %v", err)
	}
	if p, err := ReadFile(old); err != nil || p.Meta().Name != "old" {
		t.Errorf("the old file is lost: %v, %v", p, err)
	}
	lost := filepath.Join(dir, "no", "folder.bankai")
	if err := bits.WriteFile(lost); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), lost+": cannot write the file: ") {
		t.Errorf("a folder that is not there: %v", err)
	}
	onlyFile(t, dir, "old.json")
}

// A write that fails at the very end leaves nothing behind either.
func TestWriteFileOntoFolder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "p.bankai")
	if err := os.Mkdir(path, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := New(Digest{}, Meta{}).WriteFile(path); err == nil {
		t.Error("a folder is replaced by a patch")
	}
	onlyFile(t, dir, "p.bankai")
}

func TestReadFileSaysWhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "probes.json")
	data, err := json.Marshal([]string{"not", "a", "patch"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path); err == nil || err.Error() != path+": want an object, found a list" {
		t.Errorf("got %v", err)
	}
	if _, err := ReadFile(path + ".no"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
