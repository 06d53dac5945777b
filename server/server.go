package server

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"bankai"
	"bankai/chat"
	"bankai/engine"
	"bankai/store/signature"
)

// Options are the choices of whoever runs a server. The zero value is one for this
// machine alone, without keys.
type Options struct {
	Keys      []string // that requests must show one of; none: nobody has to
	AdminKeys []string // that changing patches takes; none: those on this machine may
	// Loopback says that the server listens on this machine only. Then it answers only
	// requests that were made to this machine by its name or address: a page in a browser
	// must not reach it by a name of its own (DNS rebinding).
	Loopback bool
	Origins  []string // of pages in browsers that may ask, as https://example.org

	// Loop bounds what runs at once. If its MaxBytes is too little for one answer of usual
	// length, Serve fails with a [*MemoryError], or, with RaiseMemory, makes it as much as
	// will do.
	Loop        engine.LoopOptions
	RaiseMemory bool
	// InlinePatches is the size up to which a patch may come inside a request, in bytes
	// of its file; 0: none may.
	InlinePatches int64
	// Library, if it is not nil, tells which patches a library has for a model now, and
	// whether that is something else than when it was called last. Requests find them by
	// name as long as the library has them; those that were given or put under a name come
	// first. It is called by one request at a time.
	Library func(m *engine.Model) (patches []NamedPatch, changed bool)
	// Trust is whom those trust who run the server; nil: nobody. With the error, which says
	// what of it cannot be read, the rest counts. It is asked at every request, and when it
	// changes, patches that were put or given are checked again. With RequireSigned a patch
	// has to be signed by somebody who is trusted.
	Trust         func() (signature.Trust, error)
	RequireSigned bool
	LogPrompts    bool         // the log tells what was asked and answered, too
	Log           *slog.Logger // nil: nothing is logged

	// Page answers GET / to browsers, and GET for all paths below [PagePath]; nil: there is
	// none. It needs no key, and may be asked before there is a model.
	Page http.Handler
	// PathPrefix is the path below which all is, as /bankai; "": /.
	PathPrefix string
	Routes     []Route // of what the page asks for beside the APIs
}

// How a loop goes that people wait for, for [Options.Loop]: a step reads at most StepTokens
// tokens of prompts, and fewer if it takes longer than StepTime, for which streams wait
// between two of their tokens.
const (
	StepTokens = 256
	StepTime   = 250 * time.Millisecond
)

// Server is an http.Handler. Until Serve gives it a model it says that it is loading.
type Server struct {
	o       Options
	log     *slog.Logger
	routes  *http.ServeMux
	meters  *meters
	access  access
	times   times
	bodies  bodies
	traces  *traces
	current atomic.Pointer[loaded]
	// draining says that no more requests are taken.
	draining atomic.Bool
}

// loaded is the model that answers, with all that is made for it.
type loaded struct {
	model      *engine.Model
	name       string // what requests call it
	template   *chat.Template
	abilities  abilities
	parameters int64
	drawing    engine.Sampling // of requests that do not say
	loop       *engine.Loop
	patches    *registry
	since      time.Time
}

// New makes a server that has no model yet.
func New(o Options) *Server {
	s := &Server{o: o, log: o.Log, access: newAccess(o), times: usualTimes, bodies: bodies{room: allBodies}, traces: newTraces()}
	if s.log == nil {
		s.log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	s.meters = newMeters(s)
	s.routes = http.NewServeMux()
	for _, r := range s.table() {
		s.routes.HandleFunc(r.pattern, r.handle)
	}
	return s
}

// route is a way to a handler: a method and a path.
type route struct {
	pattern string
	handle  http.HandlerFunc
}

// table is all that the server answers.
func (s *Server) table() []route {
	all := append([]route{
		{"GET /{$}", s.home},
		{"GET " + PagePath, s.file},
		{"GET /health", s.health},
		{"GET /metrics", s.user(s.metrics)},
		{"GET /v1/models", s.answer("models", openAI, s.listModels)},
		{"GET /v1/models/{id...}", s.answer("models", openAI, s.showModel)},
		{"POST /v1/chat/completions", s.answer("chat", openAI, s.chat)},
		{"POST /v1/completions", s.answer("completions", openAI, s.complete)},
		{"POST /v1/responses", s.answer("responses", openAI, s.respond)},
		{"POST /v1/embeddings", s.answer("embeddings", openAI, s.embed)},
		{"POST /tokenize", s.answer("tokenize", openAI, s.tokenize)},
		{"POST /detokenize", s.answer("detokenize", openAI, s.detokenize)},
		{"POST /apply-template", s.answer("apply-template", openAI, s.applyTemplate)},
		{"GET /api/model", s.answer("model", openAI, s.showBase)},
		{"GET /api/patches", s.answer("patches", openAI, s.listPatches)},
		{"GET /api/patches/{name}", s.answer("patches", openAI, s.showPatch)},
		{"GET /api/patches/{name}/map", s.answer("patches", openAI, s.showMap)},
		{"GET /api/patches/{name}/flips", s.answer("patches", openAI, s.listFlips)},
		{"POST /api/trace", s.answer("trace", openAI, s.trace)},
		{"POST /api/patches/check", s.change("patches", s.checkPatch)},
		{"POST /api/patches/combine", s.answer("patches", openAI, s.combinePatches)},
		{"PUT /api/patches/{name}", s.change("patches", s.putPatch)},
		{"DELETE /api/patches/{name}", s.change("patches", s.deletePatch)},
	}, s.ollamaTable()...)
	for _, r := range s.o.Routes {
		all = append(all, route{r.Pattern, s.routed(r)})
	}
	return all
}

// NamedPatch is a patch with the name that requests use.
type NamedPatch struct {
	Name   string
	Patch  *bankai.Patch
	Signer *signature.Signer // who signed it, and is trusted with it; nil: nobody
	// Unsigned is why Signer is nil; nil: the patch has no signature.
	Unsigned error
	Signed   *Signed // of what is not of the library: to be checked again; nil: it is not
	// Refused says why there is no such patch, though it could be expected: requests that
	// name it are told. Where Patch and Signed are there all the same, it comes when somebody
	// is trusted who signed it.
	Refused error
}

// Signed is a patch as it was signed, which one that was fitted to a model need not be, with
// its signatures.
type Signed struct {
	Patch      *bankai.Patch
	Signatures [][]byte
}

// Serve gives the server its model, with the name that requests use, and patches. From
// then on it answers; it must be called once. The model stays the caller's, and must not
// be closed before Drain has returned. The error is that a name or a patch cannot be
// used, or that there is too little memory; then the server has no model.
func (s *Server) Serve(m *engine.Model, name string, patches []NamedPatch) error {
	if err := CheckModelName(name); err != nil {
		return err
	}
	t, err := chat.TemplateOf(m)
	if err != nil {
		return err
	}
	l := &loaded{
		model: m, name: name, template: t, abilities: abilitiesOf(t), parameters: parametersOf(m),
		drawing: chat.SamplingOf(m.Weights()), since: time.Now(), patches: newRegistry(m, name, s.meters.overlay),
	}
	for _, p := range patches {
		if why := s.refused(p); why != nil {
			l.patches.withhold(p, why)
		} else if _, replaced, err := l.patches.put(p); err != nil {
			return err
		} else if replaced {
			return invalid("name", "two patches are called %q: give one another name", p.Name)
		}
	}
	if s.o.Library != nil {
		l.patches.library = &shelf{now: func() ([]NamedPatch, bool) { return s.o.Library(m) }, refused: s.refused, log: s.log}
		l.patches.refresh()
	}
	bound, err := s.bound(m)
	if err != nil {
		return err
	}
	l.loop = m.Loop(bound)
	s.current.Store(l)
	return nil
}

// Patches are the names of the patches that requests can use now.
func (s *Server) Patches() []string {
	names := []string{}
	if l := s.current.Load(); l != nil {
		for _, p := range l.patches.all() {
			names = append(names, p.Name)
		}
	}
	return names
}

// Drain takes no more requests and waits until the engine is done with those that there
// are. When ctx ends they are cut off, and the error is ctx's. Then an http.Server can be
// shut down, which waits until the answers are sent.
func (s *Server) Drain(ctx context.Context) error {
	s.draining.Store(true)
	var err error
	if l := s.current.Load(); l != nil {
		err = l.loop.Drain(ctx)
	}
	s.traces.drain(ctx)
	return err
}

// model is what answers, or why nothing does.
func (s *Server) model() (*loaded, error) {
	if s.draining.Load() {
		return nil, unavailable("draining", "the server is going down: ask again when it is back")
	}
	l := s.current.Load()
	if l == nil {
		return nil, unavailable("loading", "the model is being loaded: ask again in a moment")
	}
	s.recheck(l.patches)
	l.patches.refresh()
	return l, nil
}
