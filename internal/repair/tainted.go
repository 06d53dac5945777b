package repair

import (
	"context"
	"errors"
	"fmt"

	"bankai"
	"bankai/score"
	"bankai/search"
)

// tainted is the error of a search of which another machine measured something wrongly
// that the search has gone by already. Who did was dropped, and is named in it.
type tainted interface {
	error
	// TaintedSince is the first call of the measurer that was wrong, from 1.
	TaintedSince() int
}

// restsOnWrong is the error of what rests on answers that another machine gave wrongly.
type restsOnWrong interface {
	error
	RestsOnWrong()
}

// marked is a measurer that remembers how far the journal was before each of its calls.
type marked struct {
	score.Measurer
	journal *search.Journal
	marks   []int64 // by call
}

// Values is that of the measurer.
func (m *marked) Values(ctx context.Context, cur *bankai.Patch, moves []search.Move, parts []score.Part) ([][][]float64, error) {
	m.marks = append(m.marks, m.journal.Mark())
	return m.Measurer.Values(ctx, cur, moves, parts)
}

// Effects is that of the measurer.
func (m *marked) Effects(ctx context.Context, cur *bankai.Patch, w search.Want, flips map[score.Subject]int, parts []score.Part, got func(k int, e score.Effects) error) error {
	m.marks = append(m.marks, m.journal.Mark())
	return m.Measurer.Effects(ctx, cur, w, flips, parts, got)
}

// divide lets other machines share the search, if there are any. A search that goes back
// keeps what measured for it: that knows who answered what before, should another machine
// turn out to be wrong as well. Of a vote every draw has its own.
func (r *run) divide() error {
	r.setup.Searcher = r.Searcher
	if r.Divide == nil {
		return nil
	}
	return r.setup.Divide(func(e *score.Evaluator) (score.Measurer, error) {
		if r.calls != nil {
			return r.calls, nil
		}
		m, err := r.Divide(e)
		if m == nil || err != nil {
			return nil, err
		}
		r.measurers = append(r.measurers, m)
		if r.isVote() {
			return m, nil
		}
		r.calls = &marked{Measurer: m, journal: r.journal}
		return r.calls, nil
	})
}

// dismiss lets go of what measured, as far as it can be told to.
func (r *run) dismiss() {
	for _, m := range r.measurers {
		if m, ok := m.(interface{ Close() }); ok {
			m.Close()
		}
	}
	r.measurers, r.calls = nil, nil
}

func (r *run) isVote() bool { return r.Plan.Method == score.MethodVote }

// seek searches. A search that went by wrong measurements goes back to before them, and
// from there it ends as if there had been none. It comes to an end, since every time a
// machine fewer takes part.
func (r *run) seek(ctx context.Context) (*search.Result, error) {
	for {
		found, err := Search(ctx, r.To, r.setup, r.Watch(), r.journal)
		wrong := tainted(nil)
		if !errors.As(err, &wrong) {
			return found, err
		}
		r.To.Warn("%v: the search goes back to before that", wrong)
		if err := r.back(ctx, wrong.TaintedSince()); err != nil {
			return nil, err
		}
	}
}

// back sets the search up anew, since it goes once and its evaluator remembers what it was
// told, with a journal that holds only what comes before a call. A vote, whose draws have
// journals of their own, begins anew.
func (r *run) back(ctx context.Context, call int) error {
	if r.isVote() {
		return r.anew(ctx)
	}
	if call < 1 || r.calls == nil || call > len(r.calls.marks) {
		return fmt.Errorf("%s: nobody knows what of it is right, after wrong measurements: begin without --resume", r.journalPath())
	}
	if err := errors.Join(r.journal.CutBack(r.calls.marks[call-1]), r.prepare(ctx)); err != nil {
		return err
	}
	return r.divide()
}

// anew begins a vote anew.
func (r *run) anew(ctx context.Context) error {
	r.dismiss()
	r.Resume = false
	err := r.journal.Close()
	r.journal = nil
	if err != nil {
		return err
	}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if err := r.open(ctx); err != nil {
		return err
	}
	return r.divide()
}
