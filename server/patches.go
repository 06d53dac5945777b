package server

import (
	"bytes"
	"net/http"
	"time"

	"bankai"
	"bankai/internal/anatomy"
	"bankai/internal/claims"
	"bankai/internal/guard"
	"bankai/internal/text"
	"bankai/store"
)

// patchDoc describes a patch.
type patchDoc struct {
	Name   string        `json:"name"`
	Model  string        `json:"model"`  // the id that a request uses for it
	Digest string        `json:"digest"` // of what it flips in this model
	Base   bankai.Digest `json:"base"`
	Flips  int           `json:"flips"`
	Rows   int           `json:"rows"` // flips of a whole row
	Bits   uint64        `json:"bits"` // weights whose sign it turns
	Bytes  int64         `json:"bytes"`
	Added  string        `json:"added"`   // when this server got it; "" if it did not
	Kept   bool          `json:"library"` // it is of the library of the server's owner
	signedPart
	Unsigned    string `json:"unsigned,omitempty"` // why nobody who is trusted signed it
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	License     string `json:"license,omitempty"`
	Author      string `json:"author,omitempty"`
	BaseModel   string `json:"base_model,omitempty"` // the model's name, as the patch has it
	Created     string `json:"created,omitempty"`    // as the patch says
	Tool        string `json:"tool,omitempty"`
	Metric      string `json:"metric,omitempty"`

	Claims     []claims.Figures `json:"claims"`
	MoreClaims int              `json:"more_claims,omitempty"` // that a list leaves out

	// Patches that no request can have together with it.
	Conflicts []bankai.Conflict `json:"conflicts,omitempty"`

	patchDetails // not in a list
}

// patchDetails is what a list of patches leaves out.
type patchDetails struct {
	Command    string                `json:"command,omitempty"`
	Arithmetic *bankai.Arithmetic    `json:"arithmetic,omitempty"` // of the model that it was made on
	Guard      *guard.Record         `json:"guard,omitempty"`      // that it was searched with
	Tensors    map[string]int        `json:"tensors,omitempty"`    // flips of each
	Cells      []anatomy.TensorFlips `json:"cells,omitempty"`      // the same by layer and projection
}

// Bounds of what a list says of each patch, in characters and claims: patches come from
// anybody, and there may be many.
const (
	listedText   = 600
	listedClaims = 8
)

// briefOf is the part of a patch's description that lists have, as far as the patch itself
// tells it.
func briefOf(p *bankai.Patch, size int64) patchDoc {
	doc := fullOf(p, size)
	doc.patchDetails = patchDetails{}
	for _, s := range []*string{&doc.Title, &doc.Description, &doc.License, &doc.Author, &doc.BaseModel, &doc.Tool, &doc.Metric} {
		*s = text.Clip(*s, listedText)
	}
	if n := len(doc.Claims) - listedClaims; n > 0 {
		doc.Claims, doc.MoreClaims = doc.Claims[:listedClaims:listedClaims], n
	}
	for i := range doc.Claims {
		doc.Claims[i].Name = text.Clip(doc.Claims[i].Name, listedText)
	}
	return doc
}

// fullOf is a patch's description as far as the patch itself tells it.
func fullOf(p *bankai.Patch, size int64) patchDoc {
	meta := p.Meta()
	bits, _ := p.Bits()
	doc := patchDoc{
		Digest: "sha256:" + p.ContentDigest().String(), Base: p.Base(), Flips: p.Len(), Bits: bits, Bytes: size,
		Title: meta.Name, Description: meta.Description, License: meta.License, Author: meta.Author, BaseModel: meta.BaseModel,
		Tool: meta.Tool, Metric: meta.Metric, Claims: claims.FiguresOf(meta.Claims), Conflicts: meta.Conflicts,
		patchDetails: patchDetails{Command: meta.Command, Guard: guard.RecordOf(meta), Tensors: map[string]int{}, Cells: anatomy.FlipsByTensor(p)},
	}
	if !meta.Created.IsZero() {
		doc.Created = meta.Created.Format(time.RFC3339)
	}
	if meta.Arithmetic != (bankai.Arithmetic{}) {
		doc.Arithmetic = &meta.Arithmetic
	}
	for _, c := range doc.Cells {
		doc.Tensors[c.Tensor] = c.Flips
		doc.Rows += c.Rows
	}
	return doc
}

// placed adds to a description where the patch is in this server.
func (l *loaded) placed(doc patchDoc, p *patch) patchDoc {
	doc.Name, doc.Kept, doc.signedPart = p.Name, p.kept, signed(p)
	if p.Name != "" {
		doc.Model = l.name + ":" + p.Name
	}
	if !p.Added.IsZero() {
		doc.Added = p.Added.UTC().Format(time.RFC3339)
	}
	if p.unsigned != nil {
		doc.Unsigned = text.Clip(p.unsigned.Error(), listedText)
	}
	return doc
}

// patchDoc describes a patch with its details.
func (l *loaded) patchDoc(p *patch) patchDoc { return l.placed(fullOf(p.Content, p.Size), p) }

// leftOut is a name that could be expected, and is not there.
type leftOut struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// listPatches answers GET /api/patches.
func (s *Server) listPatches(x *exchange) error {
	list := struct {
		Patches []patchDoc `json:"patches"`
		LeftOut []leftOut  `json:"left_out"`
	}{[]patchDoc{}, x.patches.leftOut()}
	for _, p := range x.patches.all() {
		list.Patches = append(list.Patches, x.placed(p.brief(), p))
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

// showPatch answers GET /api/patches/{name}, and tells where the flips are. With the query
// form=bankai or form=json it is the patch itself, as a file.
func (s *Server) showPatch(x *exchange) error {
	p, err := x.patch()
	if err != nil {
		return err
	}
	if form := x.r.URL.Query().Get("form"); form != "" {
		return x.file(p.Name, form, p.Content)
	}
	writeJSON(x.w, http.StatusOK, x.patchDoc(p))
	return nil
}

// putPatch answers PUT /api/patches/{name}, whose body is a patch file. The next request
// that names it has the new one; those that run keep what they have.
func (s *Server) putPatch(x *exchange) error {
	named, _, err := x.sent(x.r.PathValue("name"))
	if err != nil {
		return err
	}
	p, replaced, err := x.patches.put(named)
	if err != nil {
		return patchFailure(err)
	}
	s.log.Info("a patch was put", "id", x.id, "name", named.Name, "digest", p.Digest.String(), "replaced", replaced, "signed_by", signerOf(named.Signer))
	status := http.StatusCreated
	if replaced {
		status = http.StatusOK
	}
	writeJSON(x.w, status, x.patchDoc(p))
	return nil
}

// sent is the patch file that a request has as its body, of size bytes, to be put under a
// name; "" for none yet.
func (x *exchange) sent(name string) (named NamedPatch, size int, err error) {
	if name != "" {
		if err := x.nameable(name); err != nil {
			return named, 0, err
		}
	}
	data, err := x.body()
	if err != nil {
		return named, 0, err
	}
	read, err := bankai.Read(bytes.NewReader(data))
	if err != nil {
		return named, 0, patchFailure(err)
	}
	named, err = x.named(name, read)
	return named, len(data), err
}

// nameable refuses what a request cannot put a patch under: names with tags are the
// library's.
func (x *exchange) nameable(name string) error {
	if err := store.CheckName(name); err != nil {
		return invalid("name", "%v", err)
	}
	return x.patches.allows(name)
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
