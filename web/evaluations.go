package web

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"bankai/engine"
	"bankai/internal/evaluation"
	"bankai/internal/report"
	"bankai/internal/source"
	"bankai/measure"
	"bankai/server"
)

// Bounds of what is kept, so that nobody fills the memory.
const (
	keptEach    = 16       // evaluations of those who share a tenant
	keptAll     = 256      // of all
	keptBytes   = 64 << 20 // of their results
	waitingEach = 4        // that wait
	waitingAll  = 8
)

// evaluations are what a server was asked to measure. One is under way at a time, beside
// the answers to requests; others wait. They are in memory alone: all are gone when the
// server is.
type evaluations struct {
	w    *Web
	ctx  context.Context // until the end
	stop context.CancelFunc
	done sync.WaitGroup

	mu     sync.Mutex
	closed bool
	busy   bool         // one is under way, or was cancelled and has not stopped yet
	list   []*measuring // oldest first
}

// state is how far an evaluation is.
type state string

const (
	waiting   state = "waiting"
	running   state = "running"
	done      state = "done"
	failed    state = "failed"
	cancelled state = "cancelled" // and forgotten
	ended     state = "ended"     // with the server, and forgotten
)

// over says that nothing more will happen.
func (s state) over() bool { return s != waiting && s != running }

// measuring is an evaluation, whatever its state. What is not said to stay is held by the
// mutex of all.
type measuring struct {
	id      string // stays
	tenant  string // stays
	model   *engine.Model
	overlay *engine.Overlay // nil for none
	set     source.Set
	doc     evaluation.Doc // but for what is measured, stays
	of      int            // probes that the set has; stays
	files   []patchFile    // that its command line takes; stays
	asked   time.Time      // stays
	cancel  context.CancelFunc

	state    state
	progress *progressDoc
	err      string
	result   []byte // the document, as it was written
	said     *report.Said
	counts   *measure.Counts

	version int           // counts what happened
	changed chan struct{} // closed when more does
}

// addEvaluations adds the part of the page that measures.
func (w *Web) addEvaluations() {
	e := &evaluations{w: w}
	e.ctx, e.stop = context.WithCancel(context.Background())
	w.add(e.end,
		server.Route{Pattern: "GET /api/probes", Answer: e.probes},
		server.Route{Pattern: "GET /api/evaluations", Answer: e.all},
		server.Route{Pattern: "POST /api/evaluations", Answer: e.begin},
		server.Route{Pattern: "POST /api/evaluations/check", Answer: e.check},
		server.Route{Pattern: "GET /api/evaluations/{id}", Answer: e.one},
		server.Route{Pattern: "GET /api/evaluations/{id}/result", Answer: e.document},
		server.Route{Pattern: "GET /api/evaluations/{id}/events", Answer: e.follow},
		server.Route{Pattern: "DELETE /api/evaluations/{id}", Answer: e.remove},
	)
}

// end stops what is under way and waits until the model is not used any more.
func (e *evaluations) end() {
	e.mu.Lock()
	e.closed = true
	for _, m := range e.list {
		if !m.state.over() {
			e.drop(m, ended)
		}
	}
	e.mu.Unlock()
	e.stop()
	e.done.Wait()
}

// add takes an evaluation, or says why there is no room for it.
func (e *evaluations) add(m *measuring) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return server.Refuse(http.StatusServiceUnavailable, "", "draining", "the server is going down: ask again when it is back")
	}
	all, own := 0, 0
	for _, other := range e.list {
		if other.state == waiting {
			all++
			if other.tenant == m.tenant {
				own++
			}
		}
	}
	if own >= waitingEach || all >= waitingAll {
		return server.Refuse(http.StatusTooManyRequests, "", "queue_full", "%d evaluations wait already: wait for one to end, or cancel one", all)
	}
	m.state, m.changed = waiting, make(chan struct{})
	e.list = append(e.list, m)
	e.forget(m.tenant)
	e.next()
	return nil
}

// next begins what has waited longest, if nothing is under way. The mutex is held.
func (e *evaluations) next() {
	at := slices.IndexFunc(e.list, func(m *measuring) bool { return m.state == waiting })
	if at < 0 || e.busy || e.closed {
		return
	}
	m := e.list[at]
	ctx, cancel := context.WithCancel(e.ctx)
	m.state, m.cancel, e.busy = running, cancel, true
	m.happened()
	e.moved()
	e.done.Go(func() {
		defer cancel()
		doc, err := e.measure(ctx, m)
		e.finish(m, doc, err)
	})
}

// moved tells those who wait of their new places. The mutex is held.
func (e *evaluations) moved() {
	for _, m := range e.list {
		if m.state == waiting {
			m.happened()
		}
	}
}

// measure does the work. A fault in it must not end the server.
func (e *evaluations) measure(ctx context.Context, m *measuring) (doc *evaluation.Doc, err error) {
	defer func() {
		if v := recover(); v != nil {
			e.w.o.Log.Error("an evaluation panicked", "id", m.id, "panic", v, "stack", string(debug.Stack()))
			err = errors.New("it came upon a fault in the server, whose log tells more")
		}
	}()
	measured := m.doc
	meters := newMeters(m.doc.Patched(), func(p progressDoc) {
		e.mu.Lock()
		defer e.mu.Unlock()
		m.progress = &p
		m.happened()
	})
	err = measured.Measure(ctx, meters, m.model, m.overlay, m.set)
	return &measured, err
}

// finish keeps what an evaluation found, and begins the next one.
func (e *evaluations) finish(m *measuring, doc *evaluation.Doc, err error) {
	var result []byte
	if err == nil {
		result, err = doc.Sealed().MarshalJSON()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.busy = false
	m.overlay, m.set.Set, m.model = nil, nil, nil // which may be large
	if m.state == running {
		m.state = failed
		if err != nil {
			m.err = err.Error()
		} else {
			said, counts := report.SaidOf(doc.Result, doc.Patched()), doc.Counts()
			m.state, m.result, m.said, m.counts = done, result, &said, &counts
		}
		m.happened()
	}
	e.forget(m.tenant)
	e.next()
}

// happened tells those who follow. The mutex is held.
func (m *measuring) happened() {
	m.version++
	close(m.changed)
	m.changed = make(chan struct{})
}

// drop takes an evaluation out of the list. One that is not over is stopped, and is then
// said to be cancelled or ended. The mutex is held.
func (e *evaluations) drop(m *measuring, as state) {
	e.list = slices.DeleteFunc(slices.Clone(e.list), func(o *measuring) bool { return o == m })
	if !m.state.over() {
		m.state = as
		if m.cancel != nil {
			m.cancel()
		}
	}
	m.happened()
	e.moved()
}

// forget drops the oldest results that there is no room for. The mutex is held.
func (e *evaluations) forget(tenant string) {
	own, all, size := 0, 0, 0
	for i := len(e.list) - 1; i >= 0; i-- { // the newest first
		m := e.list[i]
		size += len(m.result)
		if all++; m.tenant == tenant {
			own++
		}
		tooMany := all > keptAll || m.tenant == tenant && own > keptEach || size > keptBytes
		if newest := i == len(e.list)-1; tooMany && m.state.over() && !newest {
			size -= len(m.result)
			e.drop(m, cancelled)
		}
	}
}

// find is an evaluation that whoever asks may see.
func (e *evaluations) find(x *server.Exchange) (*measuring, error) {
	id := x.Request().PathValue("id")
	for _, m := range e.list {
		if m.id == id && m.tenant == x.Tenant() {
			return m, nil
		}
	}
	return nil, server.Refuse(http.StatusNotFound, "", "unknown_evaluation", "there is no evaluation %q: it was deleted, or the server ended since, and with it its evaluations", id)
}
