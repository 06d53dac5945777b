package experiment

import (
	"context"
	"fmt"

	"bankai/engine"
)

// Patching is the patch of an experiment that compares with and without.
type Patching struct {
	Overlay *engine.Overlay // nil: no patch
	Name    string          // for people
	ID      string          // tells patches apart, in the keys of pieces
}

// InParts measures n questions in pieces of a few, as the model is and then
// patched, and returns a value for each question; nil for after without a patch.
// The key holds all that decides the values of the questions from lo to hi.
func InParts[T any](ctx context.Context, r *Run, p Patching, n, size int, key func(lo, hi int) string,
	do func(ctx context.Context, o *engine.Overlay, lo, hi int) ([]T, error),
) (before, after []T, err error) {
	models := []Patching{{ID: Base}}
	if p.Overlay != nil {
		models = append(models, Patching{Overlay: p.Overlay, ID: "patch " + p.ID})
	}
	var keys []string
	for _, m := range models {
		for lo := 0; lo < n; lo += size {
			keys = append(keys, fmt.Sprintf("%s, %s", m.ID, key(lo, min(lo+size, n))))
		}
	}
	each := len(keys) / len(models)
	pieces, err := Each(ctx, r, keys, func(ctx context.Context, i int) ([]T, error) {
		lo := i % each * size
		return do(ctx, models[i/each].Overlay, lo, min(lo+size, n))
	})
	if err != nil {
		return nil, nil, err
	}
	for i, values := range pieces {
		if i < each {
			before = append(before, values...)
		} else {
			after = append(after, values...)
		}
	}
	return before, after, nil
}
