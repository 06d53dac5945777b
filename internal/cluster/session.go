package cluster

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"bankai"
	"bankai/engine"
	"bankai/internal/text"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// Options say what a [Session] is for, and who is told of it. Its functions are called
// one at a time, in the order of what happens, and must not close the session; each may
// be nil.
type Options struct {
	Name string // for people: what is done, by whom
	// ModelFile is the only file of the model, for workers that lack it; "" offers none.
	ModelFile string
	// Cache is the folder for files that were fetched, see [Conn.Objects].
	Cache string
	// Check is after how many units of a worker one is computed by another, too; 0: 20,
	// below 0: never.
	Check int

	Joined  func(w Member)             // a worker was taken in
	Left    func(w Member, why string) // left, died, or was dropped
	Refused func(name, why string)     // asked and was refused; told once for each reason
	Log     func(format string, args ...any)
}

// Member is a worker of a session.
type Member struct {
	ID     string    `json:"id"`
	Name   string    `json:"name"` // for people; need not be unique
	Cores  int       `json:"cores"`
	Kernel string    `json:"kernel"`
	Since  time.Time `json:"since"` // when it was taken in
	Doing  string    `json:"doing,omitempty"`
	Units  int64     `json:"units"`  // done in the session
	Tokens int64     `json:"tokens"` // computed in the session
	Speed  float64   `json:"speed"`  // tokens a second of late
}

// Session is the coordinator's side of work that is divided: who takes part, and
// what they need. Its methods may be called from several goroutines.
type Session struct {
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	conn    *Conn
	model   *engine.Model
	objects *Objects
	options Options
	record  sessionRecord
	offer   *offer // nil: no file
	subs    []*nats.Subscription
	events  *events
	running sync.WaitGroup

	measured atomic.Int64 // tokens, on this machine

	work struct {
		mu   sync.Mutex
		post *post // nil: nobody has asked for it
		// assemblies are those of the measurers that are open.
		assemblies map[*assembly]bool
	}

	mu       sync.Mutex
	ends     []func(ctx context.Context) // of what was divided: Close calls them
	closed   bool
	members  []*member
	admitted map[string]*member // who has been let in and was not heard of since
	banned   map[string]string  // by id: why
	names    map[string]string  // of the banned
	refused  map[string]bool    // what people were told of, see mostTold
	changed  chan struct{}      // closed when members change
	slept    pauses

	past      map[string]Member // by id: what those did who have left
	pastOrder []string          // their ids
}

// Open announces a session on a model, whose workers compute with it. It runs [Trial]
// once. The session ends with ctx or Close, which is to be called in any case.
func Open(ctx context.Context, c *Conn, m *engine.Model, o Options) (*Session, error) {
	trial, err := Trial(ctx, m)
	if err != nil {
		return nil, err
	}
	objects, err := c.Objects(ctx, o.Cache)
	if err != nil {
		return nil, err
	}
	s := &Session{
		conn: c, model: m, objects: objects, options: o, events: newEvents(),
		record:   sessionRecord{requirements: requirementsOf(m, trial), ID: nuid.Next(), Name: o.Name},
		admitted: map[string]*member{}, banned: map[string]string{}, names: map[string]string{}, refused: map[string]bool{}, past: map[string]Member{}, changed: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	if o.ModelFile != "" {
		if s.offer, err = newOffer(s.ctx, objects, o.ModelFile, s.log); err != nil {
			s.Close()
			return nil, err
		}
		s.record.File = &s.offer.file
	}
	if err := s.listen(); err != nil {
		s.Close()
		return nil, err
	}
	s.running.Go(s.announce)
	return s, nil
}

// listen subscribes to all that workers say.
func (s *Session) listen() error {
	id := s.record.ID
	for subject, handle := range map[string]nats.MsgHandler{
		whoSubject:           func(m *nats.Msg) { m.Respond(encode(s.record)) },
		helloSubject(id):     s.hello,
		beatSubject(id, "*"): s.beat,
		byeSubject(id, "*"):  s.bye,
		fileSubject(id):      func(m *nats.Msg) { m.Respond(encode(s.fileReply())) },
	} {
		sub, err := s.conn.nc.Subscribe(subject, handle)
		if err != nil {
			return fmt.Errorf("the NATS server at %s: %w", s.conn.url, err)
		}
		s.subs = append(s.subs, sub)
	}
	return nil
}

// announce tells idle workers of the session, and notices who is not heard of any more.
func (s *Session) announce() {
	tick := time.NewTicker(min(s.conn.timing.Announce, s.conn.timing.Beat))
	defer tick.Stop()
	record, last := encode(s.record), time.Time{}
	for {
		if now := time.Now(); now.Sub(last) >= s.conn.timing.Announce && s.conn.nc.IsConnected() {
			s.conn.nc.Publish(announceSubject(s.record.ID), record)
			last = now
		}
		s.dropSilent()
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// ID is the session's name in subjects and keys.
func (s *Session) ID() string { return s.record.ID }

// Workers are the members, in the order in which they were taken in.
func (s *Session) Workers() []Member {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Member, len(s.members))
	for i, m := range s.members {
		list[i] = m.view()
	}
	return list
}

// Wait returns when at least n workers take part, or else with ctx's error.
func (s *Session) Wait(ctx context.Context, n int) error {
	for {
		peers, changed := s.peers()
		if len(peers) >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
}

// Close tells the workers that the session has ended. It does not close the
// connection.
func (s *Session) Close() error {
	s.mu.Lock()
	again := s.closed
	s.closed = true
	s.mu.Unlock()
	if again {
		return nil
	}
	s.cancel()
	s.running.Wait()
	s.endWork()
	for _, sub := range s.subs {
		sub.Unsubscribe()
	}
	if s.conn.nc.IsConnected() {
		s.conn.nc.Publish(endedSubject(s.record.ID), nil)
		s.conn.nc.FlushTimeout(time.Second) // a worker that is not told notices by itself
	}
	s.mu.Lock()
	for _, m := range s.members {
		close(m.gone)
	}
	s.members = nil
	s.signal()
	s.mu.Unlock()
	if s.offer != nil {
		s.offer.end()
	}
	s.events.close()
	return nil
}

// atEnd lets Close call a function, whose context leaves time for requests to the server.
func (s *Session) atEnd(f func(ctx context.Context)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends = append(s.ends, f)
}

// closing bounds how long Close waits for what the server is to forget. What remains there
// goes away with its age.
const closing = 3 * time.Second

// endWork ends all that was divided.
func (s *Session) endWork() {
	s.mu.Lock()
	ends := s.ends
	s.ends = nil
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closing)
	defer cancel()
	if !s.conn.nc.IsConnected() {
		cancel()
	}
	for _, end := range ends {
		end(ctx)
	}
}

// signal wakes those who wait for a change of the members. The caller has the lock.
func (s *Session) signal() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// fileReply says how far the offered file is, and begins to put it.
func (s *Session) fileReply() fileReply {
	if s.offer == nil {
		return fileReply{Error: "this session offers no model file"}
	}
	return s.offer.state()
}

// log tells people something.
func (s *Session) log(format string, args ...any) {
	if s.options.Log != nil {
		s.events.post(func() { s.options.Log(format, args...) })
	}
}

// check is after how many units one is computed twice; 0: never.
func (s *Session) check() int { return max(cmp.Or(s.options.Check, 20), 0) }

// requirementsOf are those of a model.
func requirementsOf(m *engine.Model, trial bankai.Digest) requirements {
	return requirements{
		Version: wireVersion, Program: programName(), Model: m.Digest(),
		Settings: m.Weights().Arithmetic().Fingerprint(), Precision: m.Precision().String(), Trial: trial,
	}
}

// forPeople is a name from elsewhere, such that it can be printed.
func forPeople(name string) string { return text.Clip(text.Printable(name), 80) }

// reasonForPeople is a reason from elsewhere, such that it can be printed: in full, with
// what to do.
func reasonForPeople(why string) string { return text.Clip(text.Printable(why), 500) }

// events calls functions one after the other, in the order in which they were posted,
// without those who post waiting for them.
type events struct {
	mu    sync.Mutex
	queue []func()
	more  *sync.Cond
	ended bool
	done  chan struct{}
}

func newEvents() *events {
	e := &events{done: make(chan struct{})}
	e.more = sync.NewCond(&e.mu)
	go e.run()
	return e
}

func (e *events) post(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queue = append(e.queue, f)
	e.more.Signal()
}

func (e *events) run() {
	defer close(e.done)
	for {
		e.mu.Lock()
		for len(e.queue) == 0 && !e.ended {
			e.more.Wait()
		}
		if len(e.queue) == 0 {
			e.mu.Unlock()
			return
		}
		next := e.queue[0]
		e.queue = e.queue[1:]
		e.mu.Unlock()
		next()
	}
}

// close returns when all that was posted has been called.
func (e *events) close() {
	e.mu.Lock()
	e.ended = true
	e.more.Signal()
	e.mu.Unlock()
	<-e.done
}
