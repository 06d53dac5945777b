package store

import (
	"bytes"
	"crypto/sha256"
	"maps"
	"os"
	"slices"
	"time"

	"bankai"
)

// Watch looks at a library again and again, for whoever has its patches in memory.
type Watch struct {
	library *Library
	folders [3]time.Time             // when those of watched changed last, as of the last look
	settled bool                     // that was long enough ago for another change to show
	seen    map[string]bankai.Digest // what there was: see state
	began   bool
}

// Watch watches the library from now on.
func (l *Library) Watch() *Watch { return &Watch{library: l} }

// coarse is how far apart two changes of a folder may be and still have the same time, on
// any file system that is in use.
const coarse = 2 * time.Second

// watched are the folders in which a change shows: of what there is, and of who signed it
// and is trusted.
var watched = [3]string{nameFolder, signatureFolder, keyFolder}

// Look says what there is, if it, or who signed it and is trusted, may be something else
// than at the last look, and at the first. Where nothing has changed it reads nothing.
func (w *Watch) Look() (all []Entry, changed bool, err error) {
	var at [3]time.Time
	settled := true
	for i, folder := range watched {
		if info, err := os.Lstat(w.library.at(folder)); err == nil {
			at[i] = info.ModTime()
			settled = settled && time.Since(at[i]) > coarse
		}
	}
	if w.began && w.settled && slices.EqualFunc(at[:], w.folders[:], time.Time.Equal) {
		return nil, false, nil
	}
	w.folders, w.settled = at, settled
	all, err = w.library.List()
	seen := w.library.state(all)
	changed = !w.began || !maps.Equal(seen, w.seen)
	w.began, w.seen = true, seen
	return all, changed, err
}

// state is what a library holds of some entries: their patches, the digests of their
// signatures, and of the keys that are trusted. What cannot be read is not there.
func (l *Library) state(all []Entry) map[string]bankai.Digest {
	state := map[string]bankai.Digest{}
	for _, e := range all {
		ref := e.Name + ":" + e.Tag
		state[ref] = e.Patch
		if sigs, _ := l.Signatures(e.Patch); len(sigs) > 0 {
			state[signatureFolder+"/"+ref] = sha256.Sum256(bytes.Join(sigs, nil))
		}
	}
	keys, _ := l.entries(keyFolder)
	for _, k := range keys {
		if data, err := l.read(maxKeyFile, keyFolder, k.Name()); err == nil {
			state[keyFolder+"/"+k.Name()] = sha256.Sum256(data)
		}
	}
	return state
}
