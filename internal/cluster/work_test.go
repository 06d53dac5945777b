package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"bankai/engine"
	"bankai/internal/cluster/desk"
	"bankai/internal/enginetest"

	"github.com/nats-io/nats.go/jetstream"
)

// workers begins workers of the tiny model, each on a connection of its own, which is
// returned with what ends the worker.
func workers(t *testing.T, b *Broker, n int) (conns []*Conn, stops []func() error) {
	t.Helper()
	path := tinyFile(t)
	for i := range n {
		c := dial(t, remote(b))
		conns = append(conns, c)
		stops = append(stops, runWorker(t, Worker{Conn: c, Name: fmt.Sprint("worker", i), Cache: t.TempDir(), Open: opener(path)}))
	}
	return conns, stops
}

// elsewhereOf is a session's model with its units elsewhere.
func elsewhereOf(t *testing.T, s *Session) *engine.Model {
	t.Helper()
	e, err := s.Elsewhere(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.model.Through(e)
}

// units is how many units workers of a session have done, as they say.
func units(s *Session) (n int64) {
	for _, m := range s.Workers() {
		n += m.Units
	}
	return n
}

// Questions and requests come back from workers with the bits of one machine: with none,
// with three, with one that is cut off in the middle, one that leaves, and none again. The
// server keeps nothing of a session that has ended.
func TestElsewhere(t *testing.T) {
	b := startBroker(t, BrokerOptions{})
	conn := dial(t, b.Access())
	m := golden(t, engine.Options{Threads: 2})
	a := enginetest.NewAsks(t, m, 80)
	var log lines
	s := openSession(t, conn, m, Options{Name: "units", Check: 3, Log: log.log})
	through := elsewhereOf(t, s)
	if through.Width() != 1 {
		t.Errorf("%d times as much at once, without a worker", through.Width())
	}
	a.Check(t, "alone", through)

	conns, stops := workers(t, b, 3)
	if err := s.Wait(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if through.Width() != 4*3 {
		t.Errorf("%d times as much at once, with 3 workers", through.Width())
	}
	for i := 0; units(s) < 20; i++ {
		a.Check(t, fmt.Sprint("three workers, round ", i), through)
	}

	var cut sync.WaitGroup
	cut.Go(func() { conns[0].nc.Close() })
	a.Check(t, "one is cut off", through)
	cut.Wait()
	cut.Go(func() {
		if err := stops[1](); err != nil {
			t.Error(err)
		}
	})
	a.Check(t, "one leaves", through)
	cut.Wait()
	if err := stops[2](); err != nil {
		t.Error(err)
	}
	a.Check(t, "all have left", through)

	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{workStream, "KV_" + resultsBucket} {
		kept, err := conn.js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if n := kept.CachedInfo().State.Msgs; n != 0 {
			t.Errorf("%s has %d messages of a session that has ended", name, n)
		}
	}
	if log.String() != "" {
		t.Errorf("people are told:\n%s", &log)
	}
}

// A session goes on alone while there is no server, and with its workers when there is one
// again.
func TestElsewhereWithoutServer(t *testing.T) {
	dir := t.TempDir()
	b := startBroker(t, BrokerOptions{Dir: dir})
	access := remote(b)
	listen := b.server.Addr().String()
	conn := dial(t, access)
	m := golden(t, engine.Options{Threads: 2})
	a := enginetest.NewAsks(t, m, 40)
	s := openSession(t, conn, m, Options{Check: 3})
	through := elsewhereOf(t, s)
	workers(t, b, 2)
	if err := s.Wait(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	a.Check(t, "with workers", through)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	a.Check(t, "the server is gone", through)
	startBroker(t, BrokerOptions{Dir: dir, Listen: listen, Token: access.Token})
	if err := s.Wait(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	before := units(s)
	for i := 0; units(s) < before+5; i++ {
		a.Check(t, fmt.Sprint("the server is back, round ", i), through)
	}
}

// What a worker computes wrong is found out, and the worker is dropped by name.
func TestElsewhereLiar(t *testing.T) {
	for i, h := range handlers {
		if h.name == unitsWord {
			handlers[i].begin = serveLies
			t.Cleanup(func() { handlers[i].begin = serveUnits })
		}
	}
	b := startBroker(t, BrokerOptions{})
	conn := dial(t, b.Access())
	m := golden(t, engine.Options{Threads: 2})
	a := enginetest.NewAsks(t, m, 80)
	left := make(chan string, 10)
	s := openSession(t, conn, m, Options{Check: 1, Left: func(w Member, why string) { left <- w.Name + ": " + why }})
	through := elsewhereOf(t, s)
	workers(t, b, 2)
	if err := s.Wait(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	for i := 0; len(left) == 0; i++ {
		a.Check(t, fmt.Sprint("round ", i), through)
	}
	if got := <-left; !strings.HasPrefix(got, "worker0: ") || !strings.Contains(got, "wrong bits") {
		t.Errorf("left: %s", got)
	}
}

// serveLies is serveUnits, with a wrong bit in what worker0 answers.
func serveLies(j *joined) (end func(), err error) {
	results, err := j.conn.resultsBucket(j.ctx)
	if err != nil {
		return nil, err
	}
	w := &unitWorker{joined: j, results: results, overlays: desk.NewOverlays(j.model)}
	return worksAt(j, unitsWord, 1, func(ctx context.Context, m jetstream.Msg) bool {
		u, err := desk.Decode(m.Data(), w.overlays.Of)
		if err != nil {
			return false
		}
		a, err := w.compute(ctx, u)
		if err != nil {
			return false
		}
		if j.runner.name == "worker0" && len(a.Scores) > 0 {
			a.Scores[0][0][1] ^= 1
		}
		number, err := numberOf(m)
		return err == nil && w.put(ctx, resultKey(j.record.ID, number), encode(record{Answer: a}))
	})
}

// What a coordinator left in the queue that has died is bounded by its age, and the
// queue's reader goes away when nobody asks.
func TestQueueForgets(t *testing.T) {
	b := startBroker(t, BrokerOptions{})
	conn := dial(t, b.Access())
	stream, err := conn.workStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	queue, err := conn.workQueue(t.Context(), stream, "someone", unitsWord)
	if err != nil {
		t.Fatal(err)
	}
	if c := queue.CachedInfo().Config; c.InactiveThreshold != idleQueue || c.Durable != "" || c.AckWait != quick.Lease || c.MaxDeliver != mostTries {
		t.Errorf("the queue's reader is %+v", c)
	}
	results, err := conn.resultsBucket(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	status, err := results.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if age := stream.CachedInfo().Config.MaxAge; age <= 0 || age > 48*time.Hour || status.TTL() <= 0 {
		t.Errorf("work is kept for %v, answers for %v", age, status.TTL())
	}
	if _, err := results.Create(context.Background(), "a.1", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := results.Create(context.Background(), "a.1", []byte("y")); !errors.Is(err, jetstream.ErrKeyExists) {
		t.Errorf("an answer is taken twice: %v", err)
	}
}
