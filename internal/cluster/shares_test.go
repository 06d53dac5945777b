package cluster

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
)

// TestShares of who is there and of who has left; of who was dropped there is none.
func TestShares(t *testing.T) {
	b := startBroker(t, BrokerOptions{})
	withHandler(t, func(j *joined) (func(), error) {
		release, err := j.turn(j.ctx, "tests")
		if err != nil {
			return nil, err
		}
		release(1, 10)
		return func() {}, nil
	})
	s := openSession(t, dial(t, b.Access()), golden(t, exact), Options{})
	stops := map[string]func() error{}
	for _, name := range []string{"a", "b", "c"} {
		stops[name] = runWorker(t, Worker{Conn: dial(t, remote(b)), Name: name, Cache: t.TempDir(), Open: opener(tinyFile(t))})
	}
	shares := func() (names []string) {
		for _, m := range s.Shares() {
			if m.Tokens == 10 && m.Units == 1 || m.Name == "" {
				names = append(names, m.Name)
			}
		}
		slices.Sort(names)
		return names
	}
	eventually(t, "all have a share", func() bool { return slices.Equal(shares(), []string{"", "a", "b", "c"}) })
	if err := stops["a"](); err != nil {
		t.Error(err)
	}
	eventually(t, "one has left", func() bool { return len(s.Workers()) == 2 })
	if got := shares(); len(got) != 4 {
		t.Errorf("after one has left: %q", got)
	}
	for _, m := range s.Workers() {
		if m.Name == "b" {
			s.drop(m.ID, "a test")
		}
	}
	if got := shares(); !slices.Equal(got, []string{"", "a", "c"}) {
		t.Errorf("after one was dropped: %q", got)
	}
}

// TestWhoDoesNotAnswer is said once, and works no more until it is heard of.
func TestWhoDoesNotAnswer(t *testing.T) {
	b, log := startBroker(t, BrokerOptions{}), &lines{}
	s := openSession(t, dial(t, b.Access()), golden(t, exact), Options{Log: log.log})
	m := &member{id: nuid.Next(), name: "k1", heard: time.Now(), gone: make(chan struct{})}
	s.mu.Lock()
	s.admitted[m.id] = m
	s.mu.Unlock()
	s.alive(saying{id: m.id, number: m.said + 1}, beat{})
	p := &remotePeer{session: s, member: m}
	a := &assembly{session: s, peers: map[*member]*remotePeer{m: p}, failures: map[string]*failures{}}
	for range 2 {
		a.lost(p, fmt.Errorf("asking: %w", nats.ErrNoResponders))
	}
	eventually(t, "it is said", func() bool { return log.count("k1 does not answer: its share is measured elsewhere") == 1 })
	if n := s.Working(); n != 1 || log.count("") != 1 || len(a.again) != 2 {
		t.Errorf("%d work; it is to be asked again %d times; said was:\n%s", n, len(a.again), log)
	}
	if s.alive(saying{id: m.id, number: m.said + 1}, beat{}); s.Working() != 2 {
		t.Errorf("%d work when it is back", s.Working())
	}
}
