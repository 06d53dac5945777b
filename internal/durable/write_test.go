package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	put := func(text string, then error) error {
		return Write(t.Context(), path, func(f File) error {
			if _, err := f.Write([]byte(text)); err != nil {
				return err
			}
			return then
		})
	}
	if err := put("first", nil); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the source ran dry")
	if err := put("half of the sec", broken); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), path+": ") {
		t.Errorf("a failed write returned %v", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "first" {
		t.Errorf("after a failed write the file holds %q", got)
	}
	if err := put("second", nil); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); string(got) != "second" {
		t.Errorf("the file holds %q", got)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestNoFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "out")
	err := Write(t.Context(), path, func(File) error { return nil })
	if !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), ".tmp") {
		t.Errorf("a folder that does not exist gives %v", err)
	}
}

// Only names that this program gives are removed: other files stay, whatever they are
// called.
func TestSweepLeavesOtherFiles(t *testing.T) {
	dir := t.TempDir()
	names := map[string]bool{ // and whether they stay
		"bankai-0123abcd.tmp": false, "bankai-settings.tmp": true, "bankai-0123ABCD.tmp": true,
		"bankai-日本語日本語日本.tmp": true, "bankai-0123abcd.tmp.bak": true, "bankai-0123abc.tmp": true,
	}
	for name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if err := Write(t.Context(), filepath.Join(dir, "x"), func(File) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for name, stays := range names {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != stays {
			t.Errorf("%s: %v, want that it stays: %v", name, err, stays)
		}
	}
}

// Processes that update a file at once all have their way.
func TestUpdateAtOnce(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("folders cannot be locked there")
	}
	path := filepath.Join(t.TempDir(), "list")
	const n = 20
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			err := Update(path, func(old []byte) ([]byte, error) { return append(old, byte('a'+i)), nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got, err := os.ReadFile(path)
	slices.Sort(got)
	if string(got) != "abcdefghijklmnopqrst" {
		t.Errorf("%q, %v: something was lost", got, err)
	}
}

// A private file is its owner's alone from the first byte on, also where an older one was
// everybody's; what is kept of that stays as it was.
func TestPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes of files are not kept")
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	o := &Output{Path: path, Private: true, Keep: true, Force: true}
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	err := o.Write(t.Context(), func(f File) error {
		if info, err := f.(guarded).f.Stat(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("while it is written its mode is %v, %v", info.Mode(), err)
		}
		_, err := f.Write([]byte("new"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{path: 0o600, path + ".1": 0o644} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}
