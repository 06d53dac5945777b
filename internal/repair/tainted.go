package repair

import (
	"context"
	"errors"

	"bankai/search"
)

// tainted is the error of a search of which another machine measured something wrongly
// that the search has gone by already: since then its journal holds what is not so.
type tainted interface {
	error
	// CutBack takes out of the journal what was recorded since then.
	CutBack(j *search.Journal) error
}

// seek searches. A search that went by a wrong measurement is cut back to before it and
// goes on from there, so that it ends as if there had been none. Who measured wrongly was
// dropped before, so that this comes to an end.
func (r *run) seek(ctx context.Context) (*search.Result, error) {
	for {
		found, err := Search(ctx, r.To, r.setup, r.Watch(), r.journal)
		wrong := tainted(nil)
		if !errors.As(err, &wrong) {
			return found, err
		}
		r.To.Warn("%s: the search goes back to before that", wrong)
		if err := wrong.CutBack(r.journal); err != nil {
			return nil, err
		}
		if err := r.again(ctx); err != nil {
			return nil, err
		}
	}
}

// again sets the search up anew, since it goes once, with what its journal still holds.
func (r *run) again(ctx context.Context) error {
	if err := r.journal.Close(); err != nil {
		return err
	}
	r.journal, r.Resume = nil, true
	for _, step := range []func(context.Context) error{r.prepare, r.open} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return r.divide()
}
