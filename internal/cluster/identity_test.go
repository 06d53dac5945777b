package cluster

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bankai"
	"bankai/engine"
	"bankai/internal/cluster/desk"
	"bankai/internal/enginetest"
)

func identityOf(t *testing.T) *identity {
	t.Helper()
	w, err := newIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// called is a worker under the id of another, whose key it has not.
func called(t *testing.T, id string) *identity {
	t.Helper()
	w := identityOf(t)
	w.id = id
	return w
}

// greeted is what a session answers to the hello of a worker.
func greeted(t *testing.T, c *Conn, s *Session, w *identity, h hello) (helloReply, error) {
	t.Helper()
	subject := helloSubject(s.ID())
	m, err := c.nc.Request(subject, w.seal(subject, encode(h)), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return decode[helloReply]("reply", m.Data)
}

// joins lets a worker that the test plays take part.
func joins(t *testing.T, c *Conn, s *Session, name string) *identity {
	t.Helper()
	w := identityOf(t)
	if reply, err := greeted(t, c, s, w, hello{requirements: s.record.requirements, machine: machine{Name: name}}); err != nil || !reply.OK {
		t.Fatal(reply, err)
	}
	n := len(s.Workers())
	say(t, c, w, beatSubject(s.ID(), w.id), encode(beat{}))
	if err := s.Wait(t.Context(), n+1); err != nil {
		t.Fatal(err)
	}
	return w
}

func say(t *testing.T, c *Conn, w *identity, subject string, data []byte) {
	t.Helper()
	if err := errors.Join(c.nc.Publish(subject, w.seal(subject, data)), c.nc.Flush()); err != nil {
		t.Fatal(err)
	}
}

// A message counts under its subject, whole, and as its writer's.
func TestSealed(t *testing.T) {
	w, other := identityOf(t), identityOf(t)
	if !workerID.MatchString(w.id) || w.id == other.id {
		t.Errorf("ids: %q, %q", w.id, other.id)
	}
	message := w.seal("a.b", []byte("said"))
	got, ok := unseal("a.b", message)
	if !ok || got.id != w.id || string(got.data) != "said" {
		t.Fatalf("%+v, %t", got, ok)
	}
	if next, _ := unseal("a.b", w.seal("a.b", nil)); next.number <= got.number {
		t.Errorf("number %d behind %d", next.number, got.number)
	}
	if _, ok := unseal("a.c", message); ok {
		t.Error("it counts under another subject")
	}
	for i := range message {
		changed := slices.Clone(message)
		changed[i] ^= 1
		if _, ok := unseal("a.b", changed); ok {
			t.Errorf("it counts with another byte %d", i)
		}
		if _, ok := unseal("a.b", message[:i]); ok {
			t.Errorf("its first %d bytes count", i)
		}
	}
}

// Nobody speaks for a worker: not with another key, nor with what it has said before.
func TestNobodySpeaksForAWorker(t *testing.T) {
	b, events := startBroker(t, BrokerOptions{}), &told{}
	timing := quick
	timing.Lost = time.Hour
	c := dialTiming(t, b.Access(), timing)
	s := openSession(t, c, golden(t, exact), events.options())
	w := joins(t, c, s, "w")
	old := w.seal(byeSubject(s.ID(), w.id), nil)
	oldHello := w.seal(helloSubject(s.ID()), encode(hello{requirements: s.record.requirements}))
	say(t, c, w, beatSubject(s.ID(), w.id), encode(beat{Units: 3}))
	eventually(t, "it is heard of", func() bool { return s.Workers()[0].Units == 3 })

	other := identityOf(t)
	for _, data := range [][]byte{nil, []byte("gone"), old, other.seal(byeSubject(s.ID(), w.id), nil)} {
		if err := c.nc.Publish(byeSubject(s.ID(), w.id), data); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.nc.Publish(helloSubject(s.ID()), oldHello); err != nil {
		t.Fatal(err)
	}
	if err := c.nc.Publish(beatSubject(s.ID(), w.id), other.seal(beatSubject(s.ID(), w.id), encode(beat{Units: 9}))); err != nil {
		t.Fatal(err)
	}
	joins(t, c, s, "another") // behind all that
	say(t, c, w, beatSubject(s.ID(), w.id), encode(beat{Units: 4}))
	eventually(t, "it is heard of again", func() bool { return s.Workers()[0].Units == 4 })
	if n := events.count(&events.left); n != 0 {
		t.Errorf("%d left", n)
	}
	say(t, c, w, byeSubject(s.ID(), w.id), nil)
	eventually(t, "it leaves", func() bool { return events.has(&events.left, "w: it left") })
}

// Answers count that those wrote who take part, and nothing else does; people are told once
// and briefly of what a worker could not.
func TestAnswersOfStrangers(t *testing.T) {
	b, log := startBroker(t, BrokerOptions{}), &lines{}
	timing := quick
	timing.Lost = time.Hour
	c := dialTiming(t, b.Access(), timing)
	m := golden(t, engine.Options{Threads: 1})
	s := openSession(t, c, m, Options{Check: -1, Log: log.log})
	if _, err := s.post(t.Context()); err != nil {
		t.Fatal(err)
	}
	member, dropped := joins(t, c, s, "member\x1b[31m"), joins(t, c, s, "dropped")
	s.drop(dropped.id, "it computes wrong bits")
	results, err := c.resultsBucket(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	put := func(key string, value []byte) {
		if _, err := results.Put(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	long := encode(record{Error: "e\x1b[2J\n" + strings.Repeat("A", 300_000)})
	key := resultKey(s.ID(), 1)
	put(key, []byte(`{"worker":"","error":"strange"}`))
	put(key, []byte(fmt.Sprintf(`{"worker":%q,"error":"strange"}`, member.id)))
	put(key, identityOf(t).seal(key, long))
	put(key, dropped.seal(key, long))
	put(key, member.seal("elsewhere", long))
	for range 3 {
		put(key, member.seal(key, long))
	}
	eventually(t, "the worker's failure is told", func() bool { return log.count("") > 0 })
	put(key, joins(t, c, s, "last").seal(key, encode(record{Error: "the last"})))
	eventually(t, "all has been read", func() bool { return log.count("last could not: the last") == 1 })
	if n := log.count("member·[31m could not: e·[2J"); n != 1 || log.count("") != 2 {
		t.Errorf("the worker's failures are told %d times:\n%.1000s", n, log)
	}
	if n := len(log.String()); n > 1500 {
		t.Errorf("%d bytes are told", n)
	}
}

// Of a search counts what those say who take part, the latest of each; what a worker said is
// forgotten that turns out to compute wrong bits.
func TestSearchesOfStrangers(t *testing.T) {
	b := startBroker(t, BrokerOptions{})
	timing := quick
	timing.Lost = time.Hour
	c := dialTiming(t, b.Access(), timing)
	s := openSession(t, c, golden(t, exact), Options{})
	p, err := s.post(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	task := &searchTask{number: 1, state: sent}
	of := func() (searchTask, int) {
		p.searches.mu.Lock()
		defer p.searches.mu.Unlock()
		return *task, p.searches.out
	}
	p.searches.open[1], p.searches.out = task, 1
	member := joins(t, c, s, "member")
	results, err := c.resultsBucket(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	key := searchKey(s.ID(), 1)
	put := func(value []byte) {
		if _, err := results.Put(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	put([]byte(`{"worker":"","done":true}`))
	put(identityOf(t).seal(key, encode(searchRecord{Journal: bankai.Digest{9}, Done: true})))
	old := member.seal(key, encode(searchRecord{Journal: bankai.Digest{1}}))
	put(member.seal(key, encode(searchRecord{Journal: bankai.Digest{2}})))
	// A key holds its last value only, so what follows must not overtake it.
	eventually(t, "the journal is known", func() bool { got, _ := of(); return got.journal == bankai.Digest{2} })
	put(old)
	put(member.seal(key, encode(searchRecord{Began: true})))
	eventually(t, "all has been read", func() bool { got, _ := of(); return got.begun == 1 })
	if got, _ := of(); got.state != sent || got.journal != (bankai.Digest{2}) || got.by != member.id {
		t.Errorf("the search: %+v", got)
	}
	put(member.seal(key, encode(searchRecord{Done: true})))
	eventually(t, "it is done", func() bool { got, out := of(); return got.state == done && out == 0 })
	s.distrust(member.id, "it computes wrong bits")
	if got, _ := of(); got.state != waiting || got.journal != (bankai.Digest{}) || got.by != "" {
		t.Errorf("the search of a worker that was wrong: %+v", got)
	}
}

// However many names somebody invents, people are told of some.
func TestRefusalsAreBounded(t *testing.T) {
	b, events := startBroker(t, BrokerOptions{}), &told{}
	c := dial(t, b.Access())
	s := openSession(t, c, golden(t, exact), events.options())
	w, subject := identityOf(t), helloSubject(s.ID())
	for i := range 3 * mostTold {
		h := hello{requirements: requirements{Version: wireVersion}, machine: machine{Name: fmt.Sprint("fake", i)}, Lacks: strings.Repeat("long", 1000)}
		if err := c.nc.Publish(subject, w.seal(subject, encode(h))); err != nil {
			t.Fatal(err)
		}
	}
	joins(t, c, s, "last")
	eventually(t, "the last is told", func() bool { return events.count(&events.joined) == 1 })
	if n := events.count(&events.refused); n != mostTold {
		t.Errorf("%d refusals are told", n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range mostBanned {
		s.banned[fmt.Sprint(i)] = "it computes wrong bits"
	}
	if why := s.refuses("new", hello{requirements: s.record.requirements}); !strings.Contains(why, "takes in nobody") {
		t.Errorf("after %d were dropped: %q", mostBanned, why)
	}
}

// An evaluation that used a wrong answer is done again, and ends right.
func TestAgain(t *testing.T) {
	b := startBroker(t, BrokerOptions{})
	m := golden(t, engine.Options{Threads: 1})
	s := openSession(t, dial(t, b.Access()), m, Options{Check: -1})
	through := elsewhereOf(t, s)
	wrong := fmt.Errorf("asking: %w", &desk.WrongAnswerError{Worker: "w"})
	if s.Again(errors.New("else")) || s.Again(nil) || !s.Again(wrong) {
		t.Error("what is to be done again is mistaken")
	}
	enginetest.NewAsks(t, m, 8).Check(t, "again", through)
}
