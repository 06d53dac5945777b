package store

import (
	"maps"
	"os"
	"time"

	"bankai"
)

// Watch looks at a library again and again, for whoever has its patches in memory.
type Watch struct {
	library *Library
	folder  time.Time                // when the folder of the names changed last, as of the last look
	settled bool                     // that was long enough ago for another change to show
	seen    map[string]bankai.Digest // the patches by NAME:TAG
	began   bool
}

// Watch watches the library from now on.
func (l *Library) Watch() *Watch { return &Watch{library: l} }

// coarse is how far apart two changes of a folder may be and still have the same time, on
// any file system that is in use.
const coarse = 2 * time.Second

// Look says what there is, if it may be something else than at the last look, and at the
// first. Where nothing has changed it reads nothing.
func (w *Watch) Look() (all []Entry, changed bool, err error) {
	var at time.Time
	if info, err := os.Lstat(w.library.at(nameFolder)); err == nil {
		at = info.ModTime()
	}
	if w.began && w.settled && at.Equal(w.folder) {
		return nil, false, nil
	}
	w.folder, w.settled = at, time.Since(at) > coarse
	all, err = w.library.List()
	seen := map[string]bankai.Digest{}
	for _, e := range all {
		seen[e.Name+":"+e.Tag] = e.Patch
	}
	changed = !w.began || !maps.Equal(seen, w.seen)
	w.began, w.seen = true, seen
	return all, changed, err
}
