package web

import (
	"log/slog"
	"sync"

	"bankai/server"
)

// Options say what the page can start, beside asking the server.
type Options struct {
	Model     string // the path or name of the server's model, as --model takes it
	Precision string // of activations: "fast" or "exact"
	Home      string // the folder of the user's data, as store.Home tells; "" for none
	Threads   int    // that what is started has at most; 0 for half of the processors
	Log       *slog.Logger
	Program   string // what is started: bankai; "" for the program that runs
}

// Web is the work that the page starts, which goes on when nobody looks: each part of it
// adds its routes, and what ends it.
type Web struct {
	o      Options
	routes []server.Route

	searches *searches

	mu     sync.Mutex
	closed bool
	ends   []func() // of the parts, the newest last
}

// New makes it ready. It has to be closed.
func New(o Options) *Web {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	w := &Web{o: o}
	w.addEvaluations()
	w.addSearches()
	return w
}

// Routes are the ways to it, for [server.Options].
func (w *Web) Routes() []server.Route { return w.routes }

// add adds the routes of a part, and what ends its work, unless that is nil.
func (w *Web) add(end func(), routes ...server.Route) {
	w.routes = append(w.routes, routes...)
	if end != nil {
		w.ends = append(w.ends, end)
	}
}

// Close ends what is under way, and waits until it has ended. It may be called twice.
func (w *Web) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.closed = true
	for i := len(w.ends) - 1; i >= 0; i-- {
		w.ends[i]()
	}
}
