package experiment

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/store"
)

// Patches are called as their files; a name of two files is told apart by their paths,
// and a file that is given twice by a number.
func TestReadPatchesNames(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{Threads: 1})
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o777); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for i, name := range []string{"a.bankai", "b.bankai", "sub/b.bankai", "a.bankai"} {
		paths = append(paths, filepath.Join(dir, name))
		p := bankai.New(m.Digest(), bankai.Meta{}, bankai.Flip{Tensor: "blk.0.ffn_gate.weight", Row: uint32(i), N: bankai.ToEnd})
		if err := p.WriteFile(paths[i]); err != nil {
			t.Fatal(err)
		}
	}
	reader := store.Reader{Model: m.Weights()}
	patches, err := ReadPatches(reader, paths)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range patches {
		names = append(names, p.Name)
	}
	if want := []string{"a", paths[1], paths[2], "a (2)"}; !slices.Equal(names, want) {
		t.Errorf("called %q, want %q", names, want)
	}
	all, err := Together(m, patches[:2])
	if err != nil || all.Name != "a ^ "+paths[1] || all.Patch.Len() != 2 {
		t.Errorf("together %q, %d flips, %v", all.Name, all.Patch.Len(), err)
	}
	if _, err := ReadPatching(m, reader, []string{paths[0], paths[0]}); err == nil {
		t.Error("a patch that takes itself off is measured as one")
	}
	if with, err := ReadPatching(m, reader, nil); err != nil || with.Overlay != nil {
		t.Errorf("without a patch: %+v, %v", with, err)
	}
}
