package engine

import (
	"testing"

	"bankai/internal/testmodel"
)

// Loading tells how many bytes are packed, matrix by matrix, up to all of them.
func TestLoadProgress(t *testing.T) {
	var done []int64
	var total int64
	m := load(t, testmodel.New(testmodel.Tiny, 1).Bytes(), Options{Progress: func(d, all int64) {
		done, total = append(done, d), all
	}})
	if len(done) != len(m.matrices) || done[len(done)-1] != total {
		t.Fatalf("%d matrices: told %v of %d bytes", len(m.matrices), done, total)
	}
	for i := 1; i < len(done); i++ {
		if done[i] <= done[i-1] {
			t.Errorf("%d bytes after %d", done[i], done[i-1])
		}
	}
}
