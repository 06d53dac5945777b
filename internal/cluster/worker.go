package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"bankai"
	"bankai/engine"

	"github.com/nats-io/nats.go"
)

// Need says which model a session computes with.
type Need struct {
	Model     bankai.Digest // of the tensors
	Settings  bankai.Digest // fingerprint of its arithmetic
	Precision engine.Precision
	// File is the model's file, whose content was checked by its digest; "" if it has not
	// been fetched, or is not offered.
	File string
}

// Worker takes part in the sessions that it finds on a server.
type Worker struct {
	Conn  *Conn
	Name  string // for people; "": the machine's
	Cores int    // on which it computes, for people; 0: all
	Cache string // folder for files that are fetched, see [Conn.Objects]
	// Sessions is after how many sessions Run returns; 0: never.
	Sessions int

	// Open returns the model that a session needs, or nil if it has none; then the model's
	// file is fetched, if the session offers it, and Open is asked again. The model is
	// closed when no session needs it. An error is a reason not to take part.
	Open func(ctx context.Context, need Need) (*engine.Model, error)

	Log func(format string, args ...any) // short lines about what it does; may be nil
}

// Run takes part in sessions until ctx ends, which is no error, or until as many as
// [Worker.Sessions] that it took part in have ended. It fails if the server lets it in no
// more. What computes when ctx ends has [Leaving] to notice it; then it is left to itself,
// for a process that ends, and its temporary files are removed.
func (w *Worker) Run(ctx context.Context) error {
	w.Conn.reported.Store(true)
	objects, err := w.Conn.Objects(ctx, w.Cache)
	for isSilence(ctx, err) { // there is time
		objects, err = w.Conn.Objects(ctx, w.Cache)
	}
	if err != nil {
		return err
	}
	r, err := w.runner(ctx, objects)
	if err != nil {
		return err
	}
	return r.run()
}

// runner is the worker before it does anything.
func (w *Worker) runner(ctx context.Context, objects *Objects) (*runner, error) {
	self, err := newIdentity()
	if err != nil {
		return nil, err
	}
	r := &runner{
		cores: cmp.Or(w.Cores, runtime.GOMAXPROCS(0)),
		conn:  w.Conn, objects: objects, identity: self, name: forPeople(cmp.Or(w.Name, hostName())), log: w.Log, most: w.Sessions,
		turns: make(chan struct{}, 1), intake: &intake{most: mostAskings}, sessions: map[string]*attendance{}, folders: map[string]bool{}, started: time.Now(), enough: make(chan struct{}),
	}
	if r.log == nil {
		r.log = func(string, ...any) {}
	}
	r.ctx, r.cancel = context.WithCancel(ctx)
	r.models = &models{open: w.Open, runner: r, opened: map[modelKey]*openModel{}}
	return r, nil
}

// run is Worker.Run.
func (r *runner) run() error {
	defer r.leave()
	if err := r.register(); err != nil {
		return err
	}
	if err := r.listen(); err != nil {
		return err
	}
	r.conn.nc.FlushTimeout(r.conn.timing.Reply) // if the server is away, it is told when it is back
	r.log("%s waits for work at %s", r.name, r.conn.url)
	tick := time.NewTicker(r.conn.timing.Beat)
	defer tick.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return nil
		case <-r.enough:
			return nil
		case <-r.conn.closed:
			return r.conn.Err()
		case <-tick.C:
			r.dropSilent()
		}
	}
}

// runner is a worker that runs.
type runner struct {
	ctx     context.Context // ends when it leaves
	cancel  context.CancelFunc
	conn    *Conn
	objects *Objects
	*identity
	name    string
	cores   int
	log     func(format string, args ...any)
	most    int // sessions; 0: any number
	models  *models
	started time.Time
	turns   chan struct{} // holds a value while something computes
	intake  *intake
	ends    []func() // of subscriptions and the registry
	running sync.WaitGroup
	enough  chan struct{} // closed when most sessions have ended

	mu       sync.Mutex
	left     bool
	crowded  sync.Once
	folders  map[string]bool // temporary ones that are in use
	slept    pauses
	sessions map[string]*attendance // by id, of all that are announced
	ended    int                    // sessions that it took part in
	now      activity
	fetching string // shown while nothing computes
	kernel   string // name of the last model's kernel set
}

// fetches says what is fetched, for people; "" if nothing is.
func (r *runner) fetches(what string) {
	r.mu.Lock()
	r.fetching = what
	r.mu.Unlock()
}

// attendance is what a worker knows of a session, be it refused there or not.
type attendance struct {
	cancel context.CancelCauseFunc
	heard  time.Time
	over   bool // nothing is done for it any more
}

// mostSessions bounds the sessions that a worker knows of, also those that have ended.
const mostSessions = 64

// Why a worker takes part in a session no more.
var (
	errEnded  = errors.New("it has ended")
	errSilent = errors.New("its coordinator is not heard of any more")
)

// listen finds sessions, now and as they come.
func (r *runner) listen() error {
	inbox := r.conn.nc.NewInbox()
	for _, s := range []struct {
		subject string
		handle  nats.MsgHandler
	}{{inbox, r.announced}, {announcements, r.announced}, {endings, func(m *nats.Msg) { r.end(lastToken(m.Subject), errEnded) }}} {
		sub, err := r.conn.nc.Subscribe(s.subject, s.handle)
		if err != nil {
			return fmt.Errorf("the NATS server at %s: %w", r.conn.url, err)
		}
		r.ends = append(r.ends, func() { sub.Unsubscribe() })
	}
	return r.conn.nc.PublishRequest(whoSubject, inbox, nil)
}

// announced begins to take part in a session, if it is new.
func (r *runner) announced(m *nats.Msg) {
	record, err := decode[sessionRecord]("a session's record", m.Data)
	if err != nil || !workerID.MatchString(record.ID) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left {
		return
	}
	if a := r.sessions[record.ID]; a != nil {
		a.heard = time.Now()
		return
	}
	if !r.room() {
		r.crowded.Do(func() {
			r.log("there are more than %d sessions: this worker takes part in others when some of them have ended", mostSessions)
		})
		return
	}
	ctx, cancel := context.WithCancelCause(r.ctx)
	a := &attendance{cancel: cancel, heard: time.Now()}
	r.sessions[record.ID] = a
	r.running.Go(func() {
		defer cancel(nil)
		if took := r.attend(ctx, record); took {
			r.count()
		}
		r.mu.Lock()
		a.over = true
		r.mu.Unlock()
	})
}

// room makes room for another session, by forgetting the one that is over and was not heard
// of for the longest time, and says whether there is some. The caller has the lock.
func (r *runner) room() bool {
	if len(r.sessions) < mostSessions {
		return true
	}
	oldest := ""
	for id, a := range r.sessions {
		if a.over && (oldest == "" || a.heard.Before(r.sessions[oldest].heard)) {
			oldest = id
		}
	}
	delete(r.sessions, oldest)
	return oldest != ""
}

// count notes that a session has ended that the worker took part in.
func (r *runner) count() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended++; r.ended == r.most {
		close(r.enough)
	}
}

// end stops taking part in a session. One that has ended is remembered for a while: an
// announcement may still be on its way. One that was silent may come back.
func (r *runner) end(id string, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.sessions[id]; a != nil {
		a.cancel(why)
		if why == errSilent {
			delete(r.sessions, id)
		}
	}
}

// dropSilent forgets the sessions that are announced no more. If this process was stopped
// itself, all have their time anew.
func (r *runner) dropSilent() {
	now := time.Now()
	late := now.Add(-r.conn.timing.Gone)
	r.mu.Lock()
	if r.slept.since(now, r.conn.timing.Gone) {
		for _, a := range r.sessions {
			a.heard = now
		}
	}
	var silent []string
	for id, a := range r.sessions {
		if a.heard.Before(late) {
			silent = append(silent, id)
		}
	}
	r.mu.Unlock()
	for _, id := range silent {
		r.end(id, errSilent)
	}
}

// leave ends everything: sessions first, which say goodbye.
func (r *runner) leave() {
	r.mu.Lock()
	r.left = true
	r.mu.Unlock()
	r.cancel()
	r.wait()
	r.removeFolders()
	for _, end := range r.ends {
		end()
	}
	if r.conn.nc.IsConnected() {
		r.conn.nc.FlushTimeout(time.Second) // who is not told notices by itself
	}
	if r.conn.Err() == nil { // or else Run says why
		r.log("%s has left %s", r.name, r.conn.url)
	}
}

// Leaving is how long [Worker.Run] waits, when it is to end, for what computes: one pass of a
// large model can take longer, and cannot be interrupted.
const Leaving = 2 * time.Second

// wait returns when nothing is done for sessions any more, or after Leaving.
func (r *runner) wait() {
	done := make(chan struct{})
	go func() {
		r.running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(Leaving):
	}
}

// folder makes a temporary folder; remove is called when it is needed no more, and if this
// worker leaves before, the folder goes with it.
func (r *runner) folder(pattern string) (path string, remove func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if path, err = os.MkdirTemp("", pattern); err != nil {
		return "", nil, err
	}
	r.folders[path] = true
	return path, func() {
		_ = os.RemoveAll(path)
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.folders, path)
	}, nil
}

func (r *runner) removeFolders() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for path := range r.folders {
		_ = os.RemoveAll(path)
	}
}

// turn waits until nothing else computes on this worker, and says what is done now.
// release ends it and says how much was done.
func (r *runner) turn(ctx context.Context, session sessionRecord, doing string) (release func(units, tokens int), err error) {
	select {
	case r.turns <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if err := ctx.Err(); err != nil { // both were ready
		<-r.turns
		return nil, context.Cause(ctx)
	}
	r.mu.Lock()
	r.now.begin(session, doing)
	r.mu.Unlock()
	return func(units, tokens int) {
		r.mu.Lock()
		r.now.end(units, tokens)
		r.mu.Unlock()
		<-r.turns
	}, nil
}

// machine is what people are told of this worker.
func (r *runner) machine(m *engine.Model) machine {
	if m == nil {
		return machine{Name: r.name, Cores: r.cores}
	}
	return machine{Name: r.name, Cores: m.Threads(), Kernel: m.Kernel()}
}
