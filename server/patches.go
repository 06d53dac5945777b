package server

import (
	"bytes"
	"net/http"
	"time"

	"bankai"
	"bankai/store"
)

// patchDoc describes a patch.
type patchDoc struct {
	Name   string        `json:"name"`
	Model  string        `json:"model"`  // the id that a request uses for it
	Digest string        `json:"digest"` // of what it flips in this model
	Base   bankai.Digest `json:"base"`
	Flips  int           `json:"flips"`
	Bits   uint64        `json:"bits"` // weights whose sign it turns
	Bytes  int64         `json:"bytes"`
	Added  string        `json:"added"` // when this server got it
	signedPart
	Title       string         `json:"title,omitempty"`
	Description string         `json:"description,omitempty"`
	License     string         `json:"license,omitempty"`
	Author      string         `json:"author,omitempty"`
	Tensors     map[string]int `json:"tensors,omitempty"` // flips of each

	// Patches that no request can have together with it.
	Conflicts []bankai.Conflict `json:"conflicts,omitempty"`
}

func (l *loaded) patchDoc(p *patch) patchDoc {
	meta := p.Content.Meta()
	bits, _ := p.Content.Bits()
	return patchDoc{
		Name: p.Name, Model: l.name + ":" + p.Name, Digest: "sha256:" + p.Digest.String(), Base: l.model.Digest(),
		Flips: p.Content.Len(), Bits: bits, Bytes: p.Size, Added: p.Added.UTC().Format(time.RFC3339), signedPart: signed(p),
		Title: meta.Name, Description: meta.Description, License: meta.License, Author: meta.Author, Conflicts: meta.Conflicts,
	}
}

// listPatches answers GET /api/patches.
func (s *Server) listPatches(x *exchange) error {
	list := struct {
		Patches []patchDoc `json:"patches"`
	}{[]patchDoc{}}
	for _, p := range x.patches.all() {
		list.Patches = append(list.Patches, x.patchDoc(p))
	}
	writeJSON(x.w, http.StatusOK, list)
	return nil
}

// patch is the one that the route names.
func (x *exchange) patch() (*patch, error) {
	name := x.r.PathValue("name")
	p := x.patches.get(name)
	if p == nil {
		f := notFound("%s", x.patches.missing(name, "GET /api/patches"))
		f.param, f.code = "name", "patch_not_found"
		return nil, f
	}
	return p, nil
}

// showPatch answers GET /api/patches/{name}, and tells where the flips are.
func (s *Server) showPatch(x *exchange) error {
	p, err := x.patch()
	if err != nil {
		return err
	}
	doc := x.patchDoc(p)
	doc.Tensors = map[string]int{}
	for _, f := range p.Content.Flips() {
		doc.Tensors[f.Tensor]++
	}
	writeJSON(x.w, http.StatusOK, doc)
	return nil
}

// putPatch answers PUT /api/patches/{name}, whose body is a patch file. The next request
// that names it has the new one; those that run keep what they have.
func (s *Server) putPatch(x *exchange) error {
	name := x.r.PathValue("name")
	if err := store.CheckName(name); err != nil {
		return invalid("name", "%v", err)
	}
	data, err := x.body()
	if err != nil {
		return err
	}
	read, err := bankai.Read(bytes.NewReader(data))
	if err != nil {
		return patchFailure(err)
	}
	by, signed, err := x.signer(name, read)
	if err != nil {
		return err
	}
	p, replaced, err := x.patches.put(NamedPatch{Name: name, Patch: read, Signer: by, Signed: signed})
	if err != nil {
		return patchFailure(err)
	}
	s.log.Info("a patch was put", "id", x.id, "name", name, "digest", p.Digest.String(), "replaced", replaced, "signed_by", signerOf(by))
	status := http.StatusCreated
	if replaced {
		status = http.StatusOK
	}
	writeJSON(x.w, status, x.patchDoc(p))
	return nil
}

// deletePatch answers DELETE /api/patches/{name}.
func (s *Server) deletePatch(x *exchange) error {
	name := x.r.PathValue("name")
	_, missing := x.patch()
	if !x.patches.remove(name) && missing != nil {
		return missing
	}
	s.log.Info("a patch was deleted", "id", x.id, "name", name)
	x.w.WriteHeader(http.StatusNoContent)
	return nil
}
