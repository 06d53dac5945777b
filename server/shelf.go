package server

import (
	"log/slog"
	"sync"

	"bankai"
	"bankai/store/signature"
)

// shelf is where a registry looks for the patches of a library.
type shelf struct {
	now     func() (patches []NamedPatch, changed bool)
	refused func(p NamedPatch) error // why one is not to be taken over
	log     *slog.Logger

	mu    sync.Mutex
	taken map[string]shelved // by name
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
	if !changed {
		return
	}
	taken, left := map[string]shelved{}, map[string]error{}
	for _, p := range patches {
		if why := s.refused(p); why != nil {
			left[p.Name] = why
			continue
		}
		what := shelve(p)
		taken[p.Name] = what
		if old := r.get(p.Name); s.taken[p.Name] == what || old != nil && !old.kept {
			if why := r.whyNot(p.Name); why != nil { // as it was when it was tried
				left[p.Name] = why
			}
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
			r.remove(p.Name)
			s.log.Info("a patch left the library", "name", p.Name)
		}
	}
	s.taken = taken
	r.leave(left)
}
