package server

import (
	"net/http"
	"time"
)

// modelDoc describes a model as OpenAI does, and, as vLLM does, of what it is made.
type modelDoc struct {
	ID      string  `json:"id"`
	Object  string  `json:"object"`
	Created int64   `json:"created"`
	OwnedBy string  `json:"owned_by"`
	Parent  *string `json:"parent"` // the model without the patches; null for that itself
	Root    string  `json:"root"`   // digest: of the model, or of what the patches flip in it
	signedPart
}

func (l *loaded) modelDoc(s *patchSet) modelDoc {
	doc := modelDoc{ID: s.id(l.name), Object: "model", Created: l.made(s).Unix(), OwnedBy: "bankai", Root: "sha256:" + l.model.Digest().String()}
	if len(s.patches) > 0 {
		doc.Parent, doc.Root = &l.name, "sha256:"+s.digest.String()
		doc.signedPart = signed(s.patches...)
	}
	return doc
}

// made is since when a model is there: its patches came later than the base.
func (l *loaded) made(s *patchSet) time.Time {
	at := l.since
	for _, p := range s.patches {
		if p.Added.After(at) {
			at = p.Added
		}
	}
	return at
}

// models are those that a list of them has: the base, and it under each patch. Any
// other set of patches can be asked for, too.
func (l *loaded) models() []*patchSet {
	all := []*patchSet{{}}
	for _, p := range l.patches.all() {
		all = append(all, &patchSet{patches: []*patch{p}, digest: p.Digest})
	}
	return all
}

// listModels answers GET /v1/models.
func (s *Server) listModels(x *exchange) error {
	list := struct {
		Object string     `json:"object"`
		Data   []modelDoc `json:"data"`
	}{Object: "list"}
	for _, m := range x.models() {
		list.Data = append(list.Data, x.modelDoc(m))
	}
	writeJSON(x.w, http.StatusOK, list)
	return nil
}

// showModel answers GET /v1/models/{id}.
func (s *Server) showModel(x *exchange) error {
	patches, err := x.patches.resolve(x.name, x.r.PathValue("id"))
	if err != nil {
		return err
	}
	set, err := x.patches.set(patches)
	if err != nil {
		return err
	}
	doc := x.modelDoc(set)
	doc.ID = x.r.PathValue("id")
	writeJSON(x.w, http.StatusOK, doc)
	return nil
}

// embed answers POST /v1/embeddings, which clients try.
func (s *Server) embed(*exchange) error {
	return &failure{status: http.StatusNotImplemented, kind: kindUnsupported, code: "not_supported", message: "this server makes no embeddings", never: true}
}
