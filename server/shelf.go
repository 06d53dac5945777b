package server

import (
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"

	"bankai"
)

// shelf is where a registry looks for the patches of a library.
type shelf struct {
	now     func() (patches []NamedPatch, changed bool)
	refused func(p NamedPatch) error // why one is not to be taken over
	log     *slog.Logger

	again atomic.Bool // a name became free that the library may have

	mu   sync.Mutex
	last []NamedPatch // that the library had
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
	has, left := map[string]bool{}, map[string]error{}
	for _, p := range patches {
		if why := s.refused(p); why != nil {
			left[p.Name] = why
			continue
		}
		old, digest := r.get(p.Name), p.Patch.WithBase(r.model.Digest()).ContentDigest()
		if old != nil && !old.kept { // a name that was given or put, for which the library waits
			continue
		}
		has[p.Name] = true
		same := old != nil && old.Digest == digest && signerOf(old.By) == signerOf(p.Signer)
		if same || r.isDeleted(p.Name, digest) {
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
		if p.kept && !has[p.Name] {
			r.letGo(p)
			s.log.Info("a patch left the library", "name", p.Name)
		}
	}
	r.undelete(has)
	r.leave(left)
}

// isDeleted reports whether what the library has under a name was deleted here. Another
// patch of the name was not.
func (r *registry) isDeleted(name string, digest bankai.Digest) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	gone, there := r.deleted[name]
	if there && gone != digest {
		delete(r.deleted, name)
		return false
	}
	return there
}

// undelete forgets the names that were deleted here and that the library has no more.
func (r *registry) undelete(has map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.deleted, func(name string, _ bankai.Digest) bool { return !has[name] })
}

// letGo takes away what the library has no more.
func (r *registry) letGo(p *patch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.named[p.Name] == p {
		delete(r.named, p.Name)
	}
}
