package weights

import (
	"os"
	"path/filepath"
	"testing"

	"bankai/internal/testmodel"
)

// Checking, digesting and baking a file tell how many bytes are done, up to all of
// them, and never fewer than before.
func TestProgress(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.gguf")
	if err := os.WriteFile(path, testmodel.New(testmodel.Tiny, 1).Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	done, totals, calls := map[string]int64{}, map[string]int64{}, map[string]int{}
	f, err := OpenWatched(path, func(what string, d, total int64) {
		if d < done[what] {
			t.Errorf("%s: %d bytes after %d", what, d, done[what])
		}
		done[what], totals[what] = d, total
		calls[what]++
	})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.Digest()
	if err := f.Bake(filepath.Join(dir, "copy.gguf")); err != nil {
		t.Fatal(err)
	}
	pieces := map[string]int{"check": len(f.Tensors()), "digest": len(f.Tensors()), "copy": 1}
	for what, least := range pieces {
		if done[what] == 0 || done[what] != totals[what] || calls[what] < least {
			t.Errorf("%s: %d calls, %d of %d bytes", what, calls[what], done[what], totals[what])
		}
	}
}
