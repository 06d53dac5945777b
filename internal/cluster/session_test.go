package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bankai/engine"
	"bankai/internal/enginetest"
)

// told is what a session's functions were told.
type told struct {
	mu                    sync.Mutex
	joined, left, refused []string
}

func (o *told) options() Options {
	add := func(list *[]string, line string) {
		o.mu.Lock()
		*list = append(*list, line)
		o.mu.Unlock()
	}
	return Options{
		Name:    "a test",
		Joined:  func(m Member) { add(&o.joined, m.Name) },
		Left:    func(m Member, why string) { add(&o.left, m.Name+": "+why) },
		Refused: func(name, why string) { add(&o.refused, name+": "+why) },
	}
}

func (o *told) has(list *[]string, part string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.ContainsFunc(*list, func(line string) bool { return strings.Contains(line, part) })
}

func (o *told) count(list *[]string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(*list)
}

var exact = engine.Options{Threads: 1, Precision: engine.Exact}

func TestWorkersJoinAndLeave(t *testing.T) {
	b, file, events, log := startBroker(t, BrokerOptions{}), tinyFile(t), &told{}, &lines{}
	early := runWorker(t, Worker{Conn: dial(t, remote(b)), Name: "early", Cache: t.TempDir(), Open: opener(file), Log: log.log})
	s := openSession(t, dial(t, b.Access()), golden(t, exact), events.options())
	if err := s.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	runWorker(t, Worker{Conn: dial(t, remote(b)), Name: "late\x1b[2J", Cache: t.TempDir(), Open: opener(file)})
	if err := s.Wait(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	ws := s.Workers()
	if ws[0].Name != "early" || ws[1].Name != "late·[2J" || ws[0].Cores != 1 || ws[0].Kernel != s.model.Kernel() || ws[0].ID == ws[1].ID {
		t.Errorf("workers: %+v", ws)
	}
	peers, changed := s.peers()
	if err := early(); err != nil {
		t.Errorf("a worker that leaves: %v", err)
	}
	<-changed
	<-peers[0].gone
	eventually(t, "people are told", func() bool { return events.has(&events.left, "early: it left") && events.count(&events.joined) == 2 })
	if ws := s.Workers(); len(ws) != 1 || ws[0].Name != "late·[2J" {
		t.Errorf("workers: %+v", ws)
	}
	for _, want := range []string{"early waits for work at nats://", "): takes part", "): this worker has left", "early has left"} {
		if log.count(want) != 1 {
			t.Errorf("the worker does not say %q once:\n%s", want, log)
		}
	}
}

// TestWorkerIsKilled is noticed by its silence.
func TestWorkerIsKilled(t *testing.T) {
	b, events := startBroker(t, BrokerOptions{}), &told{}
	timing := quick
	timing.Lost = 300 * time.Millisecond
	s := openSession(t, dialTiming(t, b.Access(), timing), golden(t, exact), events.options())
	c := dial(t, remote(b))
	stop := runWorker(t, Worker{Conn: c, Name: "w", Cache: t.TempDir(), Open: opener(tinyFile(t))})
	var peers []*member
	eventually(t, "it takes part", func() bool { peers, _ = s.peers(); return len(peers) == 1 })
	c.nc.Close() // as a kill does: no goodbye
	<-peers[0].gone
	eventually(t, "people are told", func() bool { return events.has(&events.left, "w: it gave no sign of life") })
	wantError(t, stop(), "closed")
}

// TestWorkerComesBack that was taken for dead.
func TestWorkerComesBack(t *testing.T) {
	b, events := startBroker(t, BrokerOptions{}), &told{}
	often, seldom := quick, quick
	often.Lost, seldom.Beat = 50*time.Millisecond, 150*time.Millisecond
	s := openSession(t, dialTiming(t, b.Access(), often), golden(t, exact), events.options())
	log := &lines{}
	var opened atomic.Int64
	open := opener(tinyFile(t))
	runWorker(t, Worker{Conn: dialTiming(t, remote(b), seldom), Name: "w", Cache: t.TempDir(), Log: log.log, Open: func(ctx context.Context, need Need) (*engine.Model, error) {
		opened.Add(1)
		return open(ctx, need)
	}})
	eventually(t, "it is taken in twice", func() bool { return events.count(&events.joined) >= 2 && events.count(&events.left) >= 1 })
	if opened.Load() != 1 || log.count("takes part") != 1 {
		t.Errorf("the model was opened %d times, want once:\n%s", opened.Load(), log)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestCoordinatorIsGone is noticed by its silence, and what was held for it is let go.
func TestCoordinatorIsGone(t *testing.T) {
	b, log := startBroker(t, BrokerOptions{}), &lines{}
	timing := quick
	timing.Gone = 300 * time.Millisecond
	c := dial(t, b.Access())
	s := openSession(t, c, golden(t, exact), Options{Name: "a test"})
	conn := dialTiming(t, remote(b), timing)
	objects, err := conn.Objects(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w := Worker{Conn: conn, Name: "w", Open: opener(tinyFile(t)), Log: log.log}
	r, err := w.runner(ctx, objects)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- r.run() }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	if err := s.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the model is open", func() bool { return r.models.count() == 1 })
	c.nc.Close() // as a kill does
	eventually(t, "the worker notices", func() bool { return log.count("): its coordinator is not heard of any more") > 0 })
	eventually(t, "the model is closed", func() bool { return r.models.count() == 0 })
	again := openSession(t, dial(t, b.Access()), golden(t, exact), Options{})
	if err := again.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
}

// TestSessionEnds lets a worker go that came for one session.
func TestSessionEnds(t *testing.T) {
	b, log := startBroker(t, BrokerOptions{}), &lines{}
	c := dial(t, b.Access())
	done := make(chan error, 1)
	w := Worker{Conn: dial(t, remote(b)), Name: "w", Cache: t.TempDir(), Sessions: 1, Open: opener(tinyFile(t)), Log: log.log}
	go func() { done <- w.Run(t.Context()) }()
	s := openSession(t, c, golden(t, exact), Options{Name: "a test"})
	if err := s.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	peers, _ := s.peers()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	<-peers[0].gone
	if err := <-done; err != nil {
		t.Error(err)
	}
	if log.count("): it has ended") != 1 {
		t.Errorf("the worker says:\n%s", log)
	}
	if err := s.Wait(t.Context(), 1); err == nil {
		t.Error("Wait waits for workers of a closed session")
	}
}

// TestEndedSession is not begun again by an announcement that comes late.
func TestEndedSession(t *testing.T) {
	b, log := startBroker(t, BrokerOptions{}), &lines{}
	c := dial(t, b.Access())
	runWorker(t, Worker{Conn: dial(t, remote(b)), Name: "w", Cache: t.TempDir(), Open: opener(tinyFile(t)), Log: log.log})
	s := openSession(t, c, golden(t, exact), Options{Name: "a test"})
	if err := s.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the worker says that it has ended", func() bool { return log.count("it has ended") == 1 })
	hellos, err := c.nc.SubscribeSync(helloSubject(s.ID()))
	if err != nil {
		t.Fatal(err)
	}
	c.nc.Publish(announceSubject(s.ID()), encode(s.record))
	next := openSession(t, c, s.model, Options{}) // announced behind it
	if err := next.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if n, _, err := hellos.Pending(); err != nil || n > 0 {
		t.Errorf("the worker asks to be let in %d times, %v", n, err)
	}
}

// TestDroppedWorker does not come back.
func TestDroppedWorker(t *testing.T) {
	b, events, log := startBroker(t, BrokerOptions{}), &told{}, &lines{}
	s := openSession(t, dial(t, b.Access()), golden(t, exact), events.options())
	runWorker(t, Worker{Conn: dial(t, remote(b)), Name: "w", Cache: t.TempDir(), Open: opener(tinyFile(t)), Log: log.log})
	if err := s.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	id := s.Workers()[0].ID
	s.drop(id, "it computed wrong bits")
	if n := len(s.Workers()); n != 0 {
		t.Errorf("%d workers", n)
	}
	eventually(t, "both sides say so", func() bool {
		return events.has(&events.left, "w: it computed wrong bits") && log.count("has dropped this worker: it computed wrong bits") == 1
	})
	again := identityOf(t)
	s.drop(again.id, "it computed wrong bits")
	h := hello{requirements: s.record.requirements, machine: machine{Name: "w"}}
	if reply, err := greeted(t, s.conn, s, again, h); err != nil || reply.OK || reply.Refused != "it computed wrong bits" {
		t.Errorf("%+v, %v", reply, err)
	}
}

// TestBrokerRestarts in the middle of a session, which goes on.
func TestBrokerRestarts(t *testing.T) {
	dir, events := t.TempDir(), &told{}
	b, err := StartBroker(BrokerOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	timing := quick
	timing.Lost, timing.Gone = time.Hour, time.Hour
	s := openSession(t, dialTiming(t, remote(b), timing), golden(t, exact), events.options())
	worker := dialTiming(t, remote(b), timing)
	runWorker(t, Worker{Conn: worker, Name: "w", Cache: t.TempDir(), Open: opener(tinyFile(t))})
	if err := s.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	listen := b.server.Addr().String()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = startBroker(t, BrokerOptions{Dir: dir, Listen: listen})
	runWorker(t, Worker{Conn: dial(t, remote(b)), Name: "new", Cache: t.TempDir(), Open: opener(tinyFile(t))})
	if err := s.Wait(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	heard := func() time.Time {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.members[0].heard
	}
	before := heard()
	eventually(t, "the first worker is heard of again", func() bool { return heard().After(before) })
	if n := events.count(&events.left); n != 0 {
		t.Errorf("somebody has left: %q", events.left)
	}
}

// TestOneComputesAtATime on a worker, whatever the number of its sessions.
func TestOneComputesAtATime(t *testing.T) {
	b := startBroker(t, BrokerOptions{})
	var now, most, turns atomic.Int64
	withHandler(t, func(j *joined) (func(), error) {
		var running sync.WaitGroup
		running.Go(func() {
			for range 20 {
				release, err := j.turn(j.ctx, "tests")
				if err != nil {
					return
				}
				most.Store(max(most.Load(), now.Add(1)))
				time.Sleep(time.Millisecond)
				now.Add(-1)
				release(1, 10)
				turns.Add(1)
			}
		})
		return running.Wait, nil
	})
	for range 2 {
		openSession(t, dial(t, b.Access()), golden(t, exact), Options{})
	}
	conn := dial(t, remote(b))
	runWorker(t, Worker{Conn: conn, Name: "w", Cache: t.TempDir(), Open: opener(tinyFile(t))})
	eventually(t, "all is done", func() bool { return turns.Load() == 40 })
	if most.Load() != 1 {
		t.Errorf("%d computed at once", most.Load())
	}
	var info WorkerInfo
	eventually(t, "it is counted", func() bool {
		list, err := Workers(t.Context(), conn)
		if err != nil || len(list) != 1 {
			t.Fatalf("%v, %v", list, err)
		}
		info = list[0]
		return info.Units == 40 && info.Tokens == 400
	})
	if info.Speed <= 0 || info.Name != "w" || info.Kernel == "" || info.Session == "" || info.Started.IsZero() || info.Doing != "" {
		t.Errorf("%+v", info)
	}
}

// TestWorkersOfNobody is an empty list, soon.
func TestWorkersOfNobody(t *testing.T) {
	list, err := Workers(t.Context(), dial(t, startBroker(t, BrokerOptions{}).Access()))
	if err != nil || len(list) != 0 {
		t.Errorf("%v, %v", list, err)
	}
}

// TestHandlerFails ends the session for the worker, and nothing else.
func TestHandlerFails(t *testing.T) {
	b, log, events := startBroker(t, BrokerOptions{}), &lines{}, &told{}
	withHandler(t, func(j *joined) (func(), error) { return nil, fmt.Errorf("no room") })
	s := openSession(t, dial(t, b.Access()), golden(t, exact), events.options())
	stop := runWorker(t, Worker{Conn: dial(t, remote(b)), Name: "w", Cache: t.TempDir(), Open: opener(tinyFile(t)), Log: log.log})
	eventually(t, "both sides say so", func() bool {
		return log.count("): test: no room") == 1 && events.has(&events.refused, "w: test: no room")
	})
	if err := stop(); err != nil {
		t.Error(err)
	}
	if n := len(s.Workers()); n != 0 {
		t.Errorf("%d workers", n)
	}
}

// TestTrial tells arithmetics apart, and nothing else.
func TestTrial(t *testing.T) {
	trial := func(m *engine.Model) string {
		t.Helper()
		d, err := Trial(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		return d.String()
	}
	want := trial(golden(t, exact))
	for _, o := range []engine.Options{{Threads: 3, Precision: engine.Exact}, {Threads: 1, Precision: engine.Exact, Kernel: "portable"}} {
		if got := trial(golden(t, o)); got != want {
			t.Errorf("%+v: %s, want %s", o, got, want)
		}
	}
	if trial(golden(t, engine.Options{Threads: 1})) == want || trial(enginetest.Tiny(t, exact)) == want {
		t.Error("another precision or model has the same trial")
	}
}

// withHandler lets workers of this test do something in their sessions.
func withHandler(t testing.TB, begin func(j *joined) (end func(), err error)) {
	t.Helper()
	old := handlers
	handlers = slices.Clone(handlers)
	handlers = append(handlers, handler{"test", begin})
	t.Cleanup(func() { handlers = old })
}

// TestPauses are noticed, and a usual tick is none.
func TestPauses(t *testing.T) {
	var p pauses
	at := time.Now()
	for i, c := range []struct {
		after time.Duration
		want  bool
	}{{0, false}, {time.Second, false}, {5 * time.Second, false}, {6 * time.Second, true}, {time.Second, false}} {
		at = at.Add(c.after)
		if got := p.since(at, 10*time.Second); got != c.want {
			t.Errorf("%d: %v after the last call", i, c.after)
		}
	}
}

// TestPartition cuts a worker's line for a while: both sides go on without the other, and
// find each other again.
func TestPartition(t *testing.T) {
	b, events, log := startBroker(t, BrokerOptions{}), &told{}, &lines{}
	timing := quick
	timing.Lost, timing.Gone = 300*time.Millisecond, 300*time.Millisecond
	s := openSession(t, dialTiming(t, b.Access(), timing), golden(t, exact), events.options())
	line, access := newLink(t, b)
	runWorker(t, Worker{Conn: dialTiming(t, access, timing), Name: "w", Cache: t.TempDir(), Open: opener(tinyFile(t)), Log: log.log})
	if err := s.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	line.set(true)
	eventually(t, "both sides notice", func() bool {
		return events.has(&events.left, "w: it gave no sign of life") && log.count("its coordinator is not heard of any more") > 0
	})
	if n := len(s.Workers()); n != 0 {
		t.Errorf("%d workers", n)
	}
	before := events.count(&events.joined)
	line.set(false)
	eventually(t, "the worker is back", func() bool { return events.count(&events.joined) > before })
	if err := s.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
}
