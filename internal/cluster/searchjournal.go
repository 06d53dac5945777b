package cluster

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"bankai"
	"bankai/score"
	"bankai/search"
)

// workJournal is the journal of a search that a worker runs, in a file that nobody else
// needs.
type workJournal struct {
	*search.Journal
	folder string
	remove func()
	sent   int64 // bytes of it that the server has
}

// journal begins the journal of a search with the latest that is known of it, if that can
// be had and is of this search.
func (w *searchWorker) journal(ctx context.Context, s *score.Setup, digests ...bankai.Digest) (*workJournal, error) {
	folder, remove, err := w.runner.folder("bankai-search-")
	if err != nil {
		return nil, err
	}
	j := &workJournal{folder: folder, remove: remove}
	if j.Journal, err = search.OpenJournal(filepath.Join(folder, "journal"), s.Facts, false); err != nil {
		j.remove()
		return nil, err
	}
	for _, d := range digests {
		if d == (bankai.Digest{}) {
			continue
		}
		if err := w.absorb(ctx, j, d); err != nil {
			w.logf("a search begins without what was known of it: %v", err)
		}
	}
	return j, nil
}

// absorb takes in a journal from the object store.
func (w *searchWorker) absorb(ctx context.Context, j *workJournal, d bankai.Digest) error {
	data, err := w.objects.Bytes(ctx, d, mostJournal)
	if err != nil {
		return err
	}
	path := filepath.Join(j.folder, d.String())
	return errors.Join(os.WriteFile(path, data, 0o600), j.Absorb(path))
}

// sendAlong sends the journal as it grows, until stop is called.
func (w *searchWorker) sendAlong(ctx context.Context, j *workJournal, r *searchRecord, say func(searchRecord) error) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for wait := w.conn.timing.Journal; sleep(ctx, wait) == nil; {
			began := time.Now()
			if err := w.send(ctx, j, r, say); err != nil && ctx.Err() == nil {
				w.logf("the journal of a search is not sent: %v", err)
			}
			wait = max(w.conn.timing.Journal, journalShare*time.Since(began))
		}
	}()
	return func() { cancel(); <-ended }
}

// send puts the journal into the object store, in the place of what is there of it, if it
// has grown.
func (w *searchWorker) send(ctx context.Context, j *workJournal, r *searchRecord, say func(searchRecord) error) error {
	data, err := os.ReadFile(j.Path())
	if err != nil || int64(len(data)) <= j.sent {
		return err
	}
	d, err := w.objects.PutBytes(ctx, "the journal of a search", data)
	if err != nil {
		return err
	}
	old := r.Journal
	r.Journal = d
	if err := say(*r); err != nil {
		return err
	}
	j.sent = int64(len(data))
	if old != d && old != (bankai.Digest{}) {
		_ = w.objects.Delete(ctx, old) // it goes away with its age
	}
	return nil
}
