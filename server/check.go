package server

import (
	"net/http"
	"time"

	"bankai"
)

// checkedDoc describes a patch that was looked at, and not added.
type checkedDoc struct {
	patchDoc
	File  int64 `json:"file_bytes"`
	Bound bool  `json:"bound"` // it names its model; else its shape alone says that it fits
	// What adding it would do.
	Same     []string  `json:"same"`     // names of patches that flip the same
	Replaces *patchDoc `json:"replaces"` // what has the name now; null for nothing
}

// checkPatch answers POST /api/patches/check, whose body is a patch file, and with
// ?name=NAME says what adding it under a name would do. It changes nothing, and refuses what
// PUT refuses.
func (s *Server) checkPatch(x *exchange) error {
	name := x.r.URL.Query().Get("name")
	named, size, err := x.sent(name)
	if err != nil {
		return err
	}
	p, err := x.patches.fit(name, named.Patch)
	if err != nil {
		return patchFailure(err)
	}
	p.By, p.unsigned, p.Added = named.Signer, named.Unsigned, time.Time{}
	doc := checkedDoc{patchDoc: x.patchDoc(p), File: int64(size), Bound: !named.Patch.Base().IsZero(), Same: x.patches.same(p.Digest)}
	if old := x.patches.get(name); name != "" && old != nil {
		brief := x.placed(old.brief(), old)
		doc.Replaces = &brief
	}
	writeJSON(x.w, http.StatusOK, doc)
	return nil
}

// same are the names of the patches that flip the same, in order.
func (r *registry) same(d bankai.Digest) []string {
	names := []string{}
	for _, p := range r.all() {
		if p.Digest == d {
			names = append(names, p.Name)
		}
	}
	return names
}
