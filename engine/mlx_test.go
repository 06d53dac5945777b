package engine

import (
	"path/filepath"
	"testing"

	"bankai/internal/testmodel"
)

// An MLX folder gives the logits of the GGUF file of the same model, to the bit.
func TestMLXGivesTheSameLogits(t *testing.T) {
	for name, s := range allShapes() {
		if s.Hybrid != nil && s.Hybrid.State%128 != 0 {
			continue // a folder's order of heads would tear groups of weights apart
		}
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "mlx")
			if err := testmodel.WriteMLX(dir, s, 1); err != nil {
				t.Fatal(err)
			}
			for _, precision := range []Precision{Fast, Exact} {
				folder, err := Open(dir, Options{Precision: precision})
				if err != nil {
					t.Fatal(err)
				}
				defer folder.Close()
				file := testModel(t, s, Options{Precision: precision})
				ids := []int32{1, 5, 9, 300, 2}
				sameBits(t, precision.String(), logitsOf(t, folder, nil, ids), logitsOf(t, file, nil, ids))
			}
		})
	}
}
