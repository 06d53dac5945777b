package mapped

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("some content"), 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path, "a test")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // what was let go of is read again
		if string(f.Data()) != "some content" {
			t.Errorf("the file holds %q", f.Data())
		}
		f.Evict()
	}
	for range 2 {
		if err := f.Close(); err != nil || f.Data() != nil {
			t.Errorf("Close: %v, data %v", err, f.Data())
		}
	}
	var none *File
	none.Evict()
	if err := none.Close(); err != nil {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): "none",
		dir:                        "is a folder, want a test",
		os.DevNull:                 "is not a regular file",
		empty:                      "is empty, want a test",
	} {
		if _, err := Open(path, "a test"); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
}

// A file is mapped whole or not at all: not its beginning, where its size is beyond
// an int of 32 bits.
func TestOpenTooLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse")
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	const size = 1<<32 + 1
	if err := os.Truncate(path, size); err != nil {
		t.Skip("SKIPPED: no sparse files here: ", err)
	}
	f, err := Open(path, "a test")
	if err != nil {
		if !strings.Contains(err.Error(), "has 4294967297 bytes, more than") {
			t.Error(err)
		}
		return
	}
	defer f.Close()
	if int64(len(f.Data())) != size {
		t.Errorf("%d bytes of %d are mapped", len(f.Data()), int64(size))
	}
}
