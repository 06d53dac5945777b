package experiment

import (
	"context"
	"fmt"

	"bankai/engine"
	"bankai/score"
)

// Run is what all experiments run with.
type Run struct {
	Model    *engine.Model
	Seed     uint64
	Journal  *Journal                                         // answers what it holds, and gets what is done; may be nil
	Progress func(p Progress)                                 // called as the work goes, at least before and after every piece; may be nil
	Divide   func(e *score.Evaluator) (score.Measurer, error) // makes what measures where other machines share that; nil: this one does it alone

	state Progress
}

// tell passes on what the work is at.
func (r *Run) tell(remark string) {
	if r.state.Remark = remark; r.Progress != nil {
		r.Progress(r.state)
	}
}

// Progress says how far an experiment is.
type Progress struct {
	Done, Total int
	Resumed     int    // of those done, the pieces that the journal held
	Remark      string // what it is at
}

// Each does pieces of work one after another, those aside that the run's journal
// holds, and returns their results in order. The keys tell the pieces of an
// experiment apart, so they must differ; all else that decides a result belongs
// into the journal's facts. T goes through JSON. An error names the piece and
// keeps what is done.
func Each[T any](ctx context.Context, r *Run, keys []string, do func(ctx context.Context, i int) (T, error)) ([]T, error) {
	results := make([]T, len(keys))
	r.state = Progress{Total: len(keys)}
	for i, key := range keys {
		held, err := r.Journal.find(key, &results[i])
		if err != nil {
			return nil, err
		}
		if !held {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			r.tell(key)
			if results[i], err = do(ctx, i); err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			if err := r.Journal.add(key, results[i]); err != nil {
				return nil, err
			}
		} else {
			r.state.Resumed++
		}
		r.state.Done = i + 1
		r.tell(key)
	}
	return results, nil
}

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
