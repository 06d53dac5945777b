package experiment

import (
	"context"
	"fmt"
	"sync"

	"bankai/engine"
	"bankai/score"
)

// Run is what all experiments run with.
type Run struct {
	Model    *engine.Model
	Seed     uint64
	Journal  *Journal         // answers what it holds, and gets what is done; may be nil
	Progress func(p Progress) // called as the work goes, at least before and after every piece, one call at a time; may be nil

	// AtOnce is how many pieces may be in work at a time, where they can be; 0: 1. It
	// changes no figure. More gain where the model, or a Searcher, has other machines.
	AtOnce int
	// Searcher, if set, may let the searches of an experiment go ahead elsewhere.
	Searcher score.Searcher

	mu    sync.Mutex
	state Progress
}

// tell passes on what the work is at.
func (r *Run) tell(remark string) { r.update(remark, func(*Progress) {}) }

// update changes how far the work is, and passes it on.
func (r *Run) update(remark string, change func(p *Progress)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.state)
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

// Each does pieces of work, those aside that the run's journal holds, and returns their
// results in order: as many at once as [Run.AtOnce] says, so that do is called by several
// goroutines. The keys tell the pieces of an experiment apart, so they must differ; all
// else that decides a result belongs into the journal's facts. T goes through JSON. The
// journal takes pieces as they end. An error names the piece, ends the others and keeps
// what is done.
func Each[T any](ctx context.Context, r *Run, keys []string, do func(ctx context.Context, i int) (T, error)) ([]T, error) {
	return each(ctx, r, r.AtOnce, keys, do)
}

// EachInTurn is Each, with one piece at a time whatever the run says: for pieces that
// change something together, take much memory, or are timed.
func EachInTurn[T any](ctx context.Context, r *Run, keys []string, do func(ctx context.Context, i int) (T, error)) ([]T, error) {
	return each(ctx, r, 1, keys, do)
}

func each[T any](ctx context.Context, r *Run, atOnce int, keys []string, do func(ctx context.Context, i int) (T, error)) ([]T, error) {
	results := make([]T, len(keys))
	r.state = Progress{Total: len(keys)}
	p := newPieces(ctx, atOnce)
	for i, key := range keys {
		held, err := r.Journal.find(key, &results[i])
		switch {
		case err != nil:
			p.fail(err)
		case held:
			r.update(key, func(s *Progress) { s.Resumed++; s.Done++ })
		default:
			p.begin(func(ctx context.Context) error {
				r.tell(key)
				var err error
				if results[i], err = do(ctx, i); err != nil {
					return fmt.Errorf("%s: %w", key, err)
				}
				if err := r.Journal.add(key, results[i]); err != nil {
					return err
				}
				r.update(key, func(s *Progress) { s.Done++ })
				return nil
			})
		}
		if p.failed() {
			break
		}
	}
	if err := p.wait(); err != nil {
		return nil, err
	}
	return results, nil
}

// pieces are pieces of work in progress.
type pieces struct {
	ctx     context.Context // ends with the first error
	cancel  context.CancelFunc
	slots   chan struct{}
	running sync.WaitGroup

	mu  sync.Mutex
	err error // the first
}

func newPieces(ctx context.Context, atOnce int) *pieces {
	p := &pieces{slots: make(chan struct{}, max(1, atOnce))}
	p.ctx, p.cancel = context.WithCancel(ctx)
	return p
}

func (p *pieces) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	p.cancel()
}

func (p *pieces) failed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err != nil
}

// begin waits until a piece may begin. One that is alone is done when it returns.
func (p *pieces) begin(do func(ctx context.Context) error) {
	select {
	case p.slots <- struct{}{}:
	case <-p.ctx.Done():
	}
	if err := p.ctx.Err(); err != nil {
		p.fail(err)
		return
	}
	run := func() {
		if err := do(p.ctx); err != nil {
			p.fail(err)
		}
		<-p.slots
	}
	if cap(p.slots) == 1 {
		run()
		return
	}
	p.running.Go(run)
}

// wait returns when no piece is in work, with the first error.
func (p *pieces) wait() error {
	p.running.Wait()
	p.cancel()
	return p.err
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
