package cluster

import (
	"fmt"
	"slices"
	"testing"

	"bankai"

	"github.com/nats-io/nats.go"
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

// TestWhoDoesNotAnswerIsGone at once, and comes anew if it is there after all.
func TestWhoDoesNotAnswerIsGone(t *testing.T) {
	b, events := startBroker(t, BrokerOptions{}), &told{}
	s := openSession(t, dial(t, b.Access()), golden(t, exact), events.options())
	runWorker(t, Worker{Conn: dial(t, remote(b)), Name: "k1", Cache: t.TempDir(), Open: opener(tinyFile(t))})
	if err := s.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	members, _ := s.peers()
	a := &assembly{session: s, peers: map[*member]*remotePeer{}, failures: map[string]int{}}
	p := &remotePeer{s, members[0], bankai.Digest{}}
	for range 2 { // of the second nothing is said
		a.lost(p, fmt.Errorf("asking: %w", nats.ErrNoResponders))
	}
	eventually(t, "it is said", func() bool {
		return events.has(&events.left, "k1: it does not answer, its share is measured elsewhere")
	})
	eventually(t, "it is back", func() bool { return events.count(&events.joined) == 2 })
	if n := events.count(&events.left); n != 1 {
		t.Errorf("it was gone %d times: %q", n, events.left)
	}
}
