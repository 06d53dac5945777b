package server

import (
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"

	"bankai"
	"bankai/store/signature"
)

// shelf is where a registry looks for the patches of a library.
type shelf struct {
	now     func() (patches []NamedPatch, changed bool)
	refused func(p NamedPatch) error // why one is not to be taken over
	log     *slog.Logger

	again atomic.Bool // a name became free that the library may have

	mu    sync.Mutex
	taken map[string]shelved // by name
	last  []NamedPatch       // that the library had
}

// shelved is what was taken over under a name.
type shelved struct {
	content bankai.Digest
	by      signature.KeyID // 0 if nobody who is trusted signed it
}

// shelve is what there is to take over of a patch.
func shelve(p NamedPatch) shelved {
	s := shelved{content: p.Patch.ContentDigest()}
	if p.Signer != nil {
		s.by = p.Signer.Key.ID()
	}
	return s
}

// refresh takes over what the library has, and lets go of what it has no more. A name
// that was given to a patch in another way is that patch's, and one that was deleted here
// comes back when it is another patch.
func (r *registry) refresh() {
	s := r.library
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	patches, changed := s.now()
	switch {
	case changed:
		s.last = patches
	case s.again.Load():
		patches = s.last
	default:
		return
	}
	s.again.Store(false)
	taken, left := map[string]shelved{}, map[string]error{}
	for _, p := range patches {
		if why := s.refused(p); why != nil {
			left[p.Name] = why
			continue
		}
		what, old := shelve(p), r.get(p.Name)
		if old != nil && !old.kept { // a name that was given or put, for which the library waits
			continue
		}
		taken[p.Name] = what
		if old != nil && s.taken[p.Name] == what || r.isDeleted(p) {
			continue
		}
		added, replaced, err := r.place(p, true)
		if err != nil {
			left[p.Name] = err
			s.log.Warn("a patch of the library cannot be used", "name", p.Name, "why", err.Error())
			continue
		}
		s.log.Info("a patch of the library", "name", p.Name, "digest", added.Digest.String(), "replaced", replaced, "signed_by", signerOf(p.Signer))
	}
	for _, p := range r.all() {
		if _, there := taken[p.Name]; p.kept && !there {
			r.letGo(p)
			s.log.Info("a patch left the library", "name", p.Name)
		}
	}
	r.undelete(taken)
	s.taken = taken
	r.leave(left)
}

// isDeleted reports whether a patch of the library was deleted here. Another one of its
// name was not.
func (r *registry) isDeleted(p NamedPatch) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	gone, there := r.deleted[p.Name]
	if there && gone != p.Patch.WithBase(r.model.Digest()).ContentDigest() {
		delete(r.deleted, p.Name)
		return false
	}
	return there
}

// undelete forgets the names that were deleted here and that the library has no more.
func (r *registry) undelete(has map[string]shelved) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.deleted, func(name string, _ bankai.Digest) bool {
		_, there := has[name]
		return !there
	})
}

// letGo takes away what the library has no more.
func (r *registry) letGo(p *patch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.named[p.Name] == p {
		delete(r.named, p.Name)
	}
}
