package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"bankai"
	"bankai/engine"
)

// Route is a way to what somebody else answers about the model of a server and its patches,
// beside the APIs: as they are, it is reached by those who may ask, and told of failures in
// the words of OpenAI's API.
type Route struct {
	Pattern string // as http.ServeMux has it: "POST /api/evaluations"
	Change  bool   // it takes what changing patches takes
	Answer  func(x *Exchange) error
}

// Exchange is one request to a [Route], and its answer.
type Exchange struct{ x *exchange }

// Request is what was asked. Its context ends when the client goes.
func (x *Exchange) Request() *http.Request { return x.x.r }

// Writer is for answers that are no documents.
func (x *Exchange) Writer() http.ResponseWriter { return x.x.w }

// Model is what the server answers with, and Name what requests call it.
func (x *Exchange) Model() *engine.Model { return x.x.model }

// Name is the model's name in requests.
func (x *Exchange) Name() string { return x.x.name }

// Tenant tells apart those who may not learn what others asked: by their keys, or, where
// there are none and others can reach the server, by their addresses.
func (x *Exchange) Tenant() string { return x.x.s.access.tenant(x.x.r) }

// Body is all that the client sends, at most 16 MiB.
func (x *Exchange) Body() ([]byte, error) { return x.x.body() }

// Read reads the request's body, a JSON object, into to. Members that to has no place for,
// and those that are there twice, are refused.
func (x *Exchange) Read(to any) error {
	data, err := x.x.body()
	if err != nil {
		return err
	}
	if _, err := readFields(data); err != nil {
		return err
	}
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(to); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return invalid(wrong.Field, "%s cannot be a JSON %s", wrong.Field, wrong.Value)
		}
		return invalid("", "%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// Document answers with a JSON document.
func (x *Exchange) Document(status int, doc any) error {
	writeJSON(x.x.w, status, doc)
	return nil
}

// Under is what patches make of a model.
type Under struct {
	ID      string          // as requests write it: "demo:math+units"
	Overlay *engine.Overlay // nil for the model as it is
	Of      []UsedPatch     // in the order of the request
}

// UsedPatch is one of the patches of a request.
type UsedPatch struct {
	Name    string        // "" if it has none here
	Digest  bankai.Digest // of what it flips in this model
	Library bool          // it is of the library of the server's owner
}

// Under combines patches, each a name or a digest as in the field "patches" of requests.
func (x *Exchange) Under(refs []string) (Under, error) {
	raw := make([]json.RawMessage, len(refs))
	for i, ref := range refs {
		raw[i], _ = json.Marshal(ref)
	}
	patches, err := x.x.listed(raw, x.x.s.o)
	if err != nil {
		return Under{}, err
	}
	set, err := x.x.patches.set(patches)
	if err != nil {
		return Under{}, err
	}
	u := Under{ID: set.id(x.x.name), Overlay: set.overlay}
	for _, p := range patches {
		u.Of = append(u.Of, UsedPatch{p.Name, p.Digest, p.kept})
	}
	return u, nil
}

// Put gives a patch a name in this server, as PUT /api/patches/{name} does, for a patch
// that nobody signed.
func (x *Exchange) Put(name string, p *bankai.Patch) error {
	named := NamedPatch{Name: name, Patch: p}
	if why := x.x.s.refused(named); why != nil {
		return why
	}
	_, _, err := x.x.patches.put(named)
	if err != nil {
		return patchFailure(err)
	}
	return nil
}

// Events begins an answer of server-sent events, which may take as long as it likes.
func (x *Exchange) Events() *Events {
	if x.x.r.ContentLength == 0 { // reading only notices that the client goes
		http.NewResponseController(x.x.w).SetReadDeadline(time.Time{})
	}
	return &Events{x.x.stream(events)}
}

// Events sends what happens, as it happens.
type Events struct{ s *stream }

// Send sends a document as an event. With an id, which is no empty text, the client can ask
// for what follows it, by the header Last-Event-ID.
func (e *Events) Send(id string, doc any) error {
	if id != "" {
		if err := e.s.write([]byte("id: " + id + "\n")); err != nil {
			return err
		}
	}
	return e.s.send(doc)
}

// Ping sends what clients pass over, to tell that the answer goes on.
func (e *Events) Ping() error { return e.s.write([]byte(events.ping)) }

// Fail ends the answer with an error that comes in its middle.
func (e *Events) Fail(err error) error { return e.s.fail(err) }

// Refuse is the error of a request that cannot be answered: it has a status, the member of
// the request that is at fault, "" for none, a code for programs, and a message for people.
func Refuse(status int, member, code, format string, args ...any) error {
	kind := kindInvalid
	switch {
	case status == http.StatusServiceUnavailable:
		kind = kindUnavailable
	case status >= http.StatusInternalServerError:
		kind = kindServer
	}
	return &failure{status: status, kind: kind, param: member, code: code, message: fmt.Sprintf(format, args...)}
}

// routed makes a handler of a route.
func (s *Server) routed(r Route) http.HandlerFunc {
	do := func(x *exchange) error { return r.Answer(&Exchange{x}) }
	if r.Change {
		return s.change("page", do)
	}
	return s.answer("page", openAI, do)
}

// home answers GET /. Browsers get the page, if there is one, and other programs what
// Ollama's clients look for.
func (s *Server) home(w http.ResponseWriter, r *http.Request) {
	w.Header().Add("Vary", "Accept")
	if s.o.Page != nil && strings.Contains(r.Header.Get("Accept"), "text/html") {
		s.o.Page.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, "Ollama is running")
}

// PagePath is where the files of the page are, but for / itself.
const PagePath = "/page/"

// file answers GET for the files of the page, which everybody may have: what it shows it
// asks for as others do.
func (s *Server) file(w http.ResponseWriter, r *http.Request) {
	if s.o.Page == nil {
		failureOf(&failure{status: http.StatusNotFound, kind: kindInvalid, code: "unknown_route", message: "this server has no page"}).write(w, openAI)
		return
	}
	s.o.Page.ServeHTTP(w, r)
}
