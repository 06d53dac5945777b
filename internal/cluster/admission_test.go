package cluster

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bankai/engine"
	"bankai/internal/enginetest"

	"github.com/nats-io/nuid"
)

// TestRefusals are by name, on both sides.
func TestRefusals(t *testing.T) {
	b, file, events := startBroker(t, BrokerOptions{}), tinyFile(t), &told{}
	openSession(t, dial(t, b.Access()), golden(t, exact), events.options())
	for name, c := range map[string]struct {
		open func(context.Context, Need) (*engine.Model, error)
		want string
	}{
		"no model":      {func(context.Context, Need) (*engine.Model, error) { return nil, nil }, "offers no file"},
		"unreadable":    {func(context.Context, Need) (*engine.Model, error) { return nil, fmt.Errorf("it is broken") }, "it is broken"},
		"another model": {func(context.Context, Need) (*engine.Model, error) { return enginetest.Tiny(t, exact), nil }, "its model is "},
		"other precision": {func(context.Context, Need) (*engine.Model, error) {
			return engine.Open(file, engine.Options{Threads: 1})
		}, "precision fast, the session with exact"},
	} {
		log := &lines{}
		stop := runWorker(t, Worker{Conn: dial(t, remote(b)), Name: name, Cache: t.TempDir(), Open: c.open, Log: log.log})
		eventually(t, name+" is refused", func() bool {
			return events.has(&events.refused, name+": ") && log.count("): this worker is refused: ") == 1
		})
		if !events.has(&events.refused, c.want) || log.count(c.want) != 1 {
			t.Errorf("%s: want %q; told are %q and\n%s", name, c.want, events.refused, log)
		}
		if err := stop(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := events.count(&events.joined); n > 0 {
		t.Errorf("%d were let in", n)
	}
	if n := events.count(&events.refused); n != 4 {
		t.Errorf("%d refusals are told, want 4: %q", n, events.refused)
	}
}

// TestRefusedRequirements sends what workers of other programs would.
func TestRefusedRequirements(t *testing.T) {
	b, events := startBroker(t, BrokerOptions{}), &told{}
	c := dial(t, b.Access())
	s := openSession(t, c, golden(t, exact), events.options())
	for name, change := range map[string]func(*hello){
		"version 2 of the protocol": func(h *hello) { h.Version = 2; h.Program = "bankai 9" },
		"its model is":              func(h *hello) { h.Model[0] ^= 1 },
		"other settings":            func(h *hello) { h.Settings[0] ^= 1 },
		"precision fast":            func(h *hello) { h.Precision = "fast" },
		"its arithmetic gives":      func(h *hello) { h.Trial[0] ^= 1 },
	} {
		h := hello{requirements: s.record.requirements, machine: machine{Name: "other"}}
		change(&h)
		reply, err := greeted(t, c, s, identityOf(t), h)
		if err != nil || reply.OK || !strings.Contains(reply.Refused, name) {
			t.Errorf("%s: %+v, %v", name, reply, err)
		}
	}
	if reason := s.record.refuse(s.record.requirements); reason != "" {
		t.Errorf("the session would refuse itself: %s", reason)
	}
}

// TestWorkerRefusesOtherVersions does not open a model for a session that it does not
// understand, and says so to the coordinator.
func TestWorkerRefusesOtherVersions(t *testing.T) {
	b, log := startBroker(t, BrokerOptions{}), &lines{}
	c := dial(t, b.Access())
	record := sessionRecord{requirements: requirements{Version: 2, Program: "bankai 9"}, ID: nuid.Next(), Name: "of the future"}
	hellos, err := c.nc.SubscribeSync(helloSubject(record.ID))
	if err != nil {
		t.Fatal(err)
	}
	open := func(context.Context, Need) (*engine.Model, error) { t.Error("a model is opened"); return nil, nil }
	runWorker(t, Worker{Conn: dial(t, remote(b)), Name: "w", Cache: t.TempDir(), Open: open, Log: log.log})
	eventually(t, "the worker listens", func() bool { return log.count("waits for work") == 1 })
	if err := c.nc.Publish(announceSubject(record.ID), encode(record)); err != nil {
		t.Fatal(err)
	}
	m, err := hellos.NextMsg(time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	from, ok := unseal(helloSubject(record.ID), m.Data)
	h, err := decode[hello]("hello", from.data)
	if !ok || err != nil || !strings.Contains(h.Lacks, "version 1 of the protocol, the session version 2") {
		t.Errorf("%+v, %v", h, err)
	}
	m.Respond(encode(helloReply{OK: true})) // as a coordinator of ours would not
	eventually(t, "the worker says it", func() bool { return log.count("): this worker is refused: it speaks version 1") == 1 })
}

// TestModelIsFetched by workers that lack it: once on a machine.
func TestModelIsFetched(t *testing.T) {
	b, cache, log := startBroker(t, BrokerOptions{}), t.TempDir(), &lines{}
	o := (&told{}).options()
	o.ModelFile = tinyFile(t)
	s := openSession(t, dial(t, b.Access()), golden(t, exact), o)
	var asked atomic.Int64
	open := func(ctx context.Context, need Need) (*engine.Model, error) {
		asked.Add(1)
		return fetched(ctx, need)
	}
	for n := range 2 {
		runWorker(t, Worker{Conn: dial(t, remote(b)), Name: fmt.Sprint(n), Cache: cache, Open: open, Log: log.log})
		if err := s.Wait(t.Context(), n+1); err != nil {
			t.Fatal(err)
		}
	}
	if asked.Load() != 4 || log.count("fetches the model tiny.gguf") != 2 {
		t.Errorf("asked for a model %d times, want 4:\n%s", asked.Load(), log)
	}
}

// TestModelFileIsGone refuses the worker that needs it, and tells nobody the path.
func TestModelFileIsGone(t *testing.T) {
	b, events, local := startBroker(t, BrokerOptions{}), &told{}, &lines{}
	o := events.options()
	o.ModelFile, o.Log = tinyFile(t), local.log
	s := openSession(t, dial(t, b.Access()), golden(t, exact), o)
	s.offer.path += ".gone"
	log := &lines{}
	runWorker(t, Worker{Conn: dial(t, remote(b)), Name: "w", Cache: t.TempDir(), Open: fetched, Log: log.log})
	eventually(t, "it is refused", func() bool { return events.has(&events.refused, "cannot give it") })
	eventually(t, "the worker says so", func() bool { return log.count("is refused") == 1 })
	if local.count(s.offer.path) == 0 || log.count(s.offer.path) > 0 {
		t.Errorf("here is said:\n%s\nthere:\n%s", local, log)
	}
}
