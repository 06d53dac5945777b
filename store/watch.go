package store

import (
	"bytes"
	"crypto/sha256"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"bankai"
	"bankai/store/signature"
)

// Watch looks at a library again and again, for whoever has its patches in memory.
type Watch struct {
	library *Library
	last    glance
	seen    map[string]bankai.Digest // what the library held, as Library.state says
	began   bool
}

// Watch watches the library from now on.
func (l *Library) Watch() *Watch { return &Watch{library: l} }

// Look says what there is, if it, or who signed it and is trusted, may be something else
// than at the last look, and at the first. Where nothing has changed it reads nothing.
func (w *Watch) Look() (all []Entry, changed bool, err error) {
	// A blob that was damaged is placed again without a change to its name.
	now := w.library.glance(nameFolder, signatureFolder, keyFolder, filepath.Join(blobFolder, hashFolder))
	if w.last.holds(now) {
		return nil, false, nil
	}
	moved := !slices.Equal(w.last.marks, now.marks)
	w.last = now
	all, err = w.library.List()
	seen := w.library.state(all)
	changed = !w.began || moved || !maps.Equal(seen, w.seen)
	w.began, w.seen = true, seen
	return all, changed, err
}

// TrustWatch knows whom a library's user trusts, and reads it again when it has changed.
// Several goroutines may use it at once.
type TrustWatch struct {
	library *Library
	mu      sync.Mutex
	last    glance
	trust   signature.Trust
	err     error
}

// WatchTrust watches whom the library's user trusts from now on.
func (l *Library) WatchTrust() *TrustWatch { return &TrustWatch{library: l} }

// Trust is [Library.Trust] as of now.
func (w *TrustWatch) Trust() (signature.Trust, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := w.library.glance(keyFolder); !w.last.holds(now) {
		w.last = now
		w.trust, w.err = w.library.Trust()
	}
	return w.trust, w.err
}

// glance is what can be seen of folders of a library without reading a file.
type glance struct {
	marks   []mark
	settled bool // all is old enough for another change to show
}

// mark is a file, or a folder, and when it changed last.
type mark struct {
	path     string
	at, size int64
}

// coarse is how far apart two changes may be and still have the same time, on any file
// system that is in use.
const coarse = 2 * time.Second

// glance looks at folders, and at each key that is trusted: people edit those files, which
// does not show in the folder.
func (l *Library) glance(folders ...string) glance {
	g := glance{settled: true}
	add := func(path string, info fs.FileInfo) {
		g.marks = append(g.marks, mark{path, info.ModTime().UnixNano(), info.Size()})
		g.settled = g.settled && time.Since(info.ModTime()) > coarse
	}
	for _, folder := range folders {
		if info, err := os.Lstat(l.at(folder)); err == nil {
			add(folder, info)
		}
		if folder != keyFolder {
			continue
		}
		keys, _ := l.entries(keyFolder)
		for _, k := range keys {
			if info, err := k.Info(); err == nil {
				add(folder+"/"+k.Name(), info)
			}
		}
	}
	return g
}

// holds says that what was seen is what is seen now.
func (g glance) holds(now glance) bool { return g.settled && slices.Equal(g.marks, now.marks) }

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
