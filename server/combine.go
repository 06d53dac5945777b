package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"bankai"
	"bankai/internal/anatomy"
	"bankai/internal/program"
	"bankai/internal/text"
	"bankai/store"
)

// combinedDoc is what comes of patches together.
type combinedDoc struct {
	Model   string         `json:"model"` // the id that a request uses for them
	Patches []combinedPart `json:"patches"`
	*anatomy.Combination
	Conflicts []conflictDoc `json:"conflicts"`
	Refused   string        `json:"refused"` // why no request can have them together; "" where one can
}

// combinedPart is one of several patches.
type combinedPart struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	Flips  int    `json:"flips"`
	Bits   uint64 `json:"bits"`
	Bytes  int64  `json:"bytes"`
}

// conflictDoc is what one of two patches says against both together.
type conflictDoc struct {
	A   int    `json:"a"` // which of the patches, from 0
	B   int    `json:"b"`
	Why string `json:"why"` // "" if it does not say
}

// combinePatches answers POST /api/patches/combine with what comes of the patches that it
// lists, and with the query form=bankai or form=json with that as a patch file.
func (s *Server) combinePatches(x *exchange) error {
	f, err := x.read()
	if err != nil {
		return err
	}
	var refs []json.RawMessage
	f.take("patches", &refs, "a list of names and digests")
	if err := f.end(); err != nil {
		return err
	}
	if len(refs) == 0 {
		return invalid("patches", "patches names none: list the names or digests of those to combine")
	}
	patches, err := x.listed(refs, s.o)
	if err != nil {
		return err
	}
	x.taken.release()
	if form := x.r.URL.Query().Get("form"); form != "" {
		return x.combinedFile(patches, form)
	}
	doc, err := x.combined(patches)
	if err != nil {
		return patchFailure(err)
	}
	writeJSON(x.w, http.StatusOK, doc)
	return nil
}

// combined is what comes of patches.
func (x *exchange) combined(patches []*patch) (*combinedDoc, error) {
	c, err := anatomy.Combine(x.r.Context(), contentsOf(patches))
	if err != nil {
		return nil, err
	}
	doc := &combinedDoc{Model: (&patchSet{patches: patches}).id(x.name), Combination: c, Conflicts: []conflictDoc{}}
	for i, p := range patches {
		brief := p.brief()
		doc.Patches = append(doc.Patches, combinedPart{p.Name, brief.Digest, brief.Flips, brief.Bits, brief.Bytes})
		for j, before := range patches[:i] {
			if c, declared := bankai.ConflictOf(before.Content, p.Content); declared {
				doc.Conflicts = append(doc.Conflicts, conflictDoc{j, i, text.Printable(c.Why)})
			}
		}
	}
	if err := together(patches); err != nil {
		doc.Refused = err.Error()
	}
	return doc, nil
}

func contentsOf(patches []*patch) (all []*bankai.Patch) {
	for _, p := range patches {
		all = append(all, p.Content)
	}
	return all
}

// combinedFile answers with the XOR of patches as a file, of the flips that bankai patch
// compose writes. What that refuses is refused.
func (x *exchange) combinedFile(patches []*patch, form string) error {
	if err := together(patches); err != nil {
		return err
	}
	parts := contentsOf(patches)
	sum, err := anatomy.Combine(x.r.Context(), parts)
	if err != nil {
		return patchFailure(err)
	}
	meta := store.MetaOfSum(parts)
	meta.Name, meta.Tool, meta.Arithmetic = (&patchSet{patches: patches}).label(), program.Tool(), x.model.Weights().Arithmetic()
	return x.file(meta.Name, form, sum.Sum.WithBase(x.model.Digest()).WithMeta(meta))
}

// file answers with a patch as a file, in the form that its name's ending stands for.
func (x *exchange) file(name, form string, p *bankai.Patch) error {
	var data bytes.Buffer
	var err error
	kind := "application/octet-stream"
	switch form {
	case "bankai":
		_, err = p.WriteTo(&data)
	case "json":
		kind, err = "application/json", p.WriteJSON(&data)
	default:
		return invalid("form", "form is %q: want bankai or json", form)
	}
	if err != nil {
		return &failure{status: http.StatusConflict, kind: kindInvalid, param: "form", code: "patch_not_written", message: fmt.Sprintf("the patch cannot be written in this form: %v", err), never: true}
	}
	safe := strings.Map(func(r rune) rune {
		if r == '+' || r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' {
			return r
		}
		return '-'
	}, text.Clip(name, 100))
	h := x.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": safe + "." + form}))
	x.w.Write(data.Bytes()) // an error is the client's, who is gone
	return nil
}
