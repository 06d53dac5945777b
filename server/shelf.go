package server

import (
	"log/slog"
	"sync"

	"bankai"
)

// shelf is where a registry looks for the patches of a library.
type shelf struct {
	now func() (patches []NamedPatch, changed bool)
	log *slog.Logger

	mu    sync.Mutex
	taken map[string]bankai.Digest // by name: the content of what was taken over
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
	taken := map[string]bankai.Digest{}
	for _, p := range patches {
		digest := p.Patch.ContentDigest()
		taken[p.Name] = digest
		if old := r.get(p.Name); s.taken[p.Name] == digest || old != nil && !old.kept {
			continue
		}
		added, replaced, err := r.place(p.Name, p.Patch, true)
		if err != nil {
			s.log.Warn("a patch of the library cannot be used", "name", p.Name, "why", err.Error())
			continue
		}
		s.log.Info("a patch of the library", "name", p.Name, "digest", added.Digest.String(), "replaced", replaced)
	}
	for _, p := range r.all() {
		if _, there := taken[p.Name]; p.kept && !there {
			r.remove(p.Name)
			s.log.Info("a patch left the library", "name", p.Name)
		}
	}
	s.taken = taken
}
