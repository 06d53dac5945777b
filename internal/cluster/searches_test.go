package cluster

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/probe"
	"bankai/score"
	"bankai/search"

	"github.com/nats-io/nats.go/jetstream"
)

// theSearch is a search on the tiny model.
func theSearch(t *testing.T, m *engine.Model, method score.Method, seed uint64, steps int) *score.Setup {
	t.Helper()
	p := score.NewPlan(method)
	p.Layers, p.Seed, p.Limits.Steps = []int{1}, seed, steps
	var set probe.Set
	for i := range 6 {
		set = append(set, probe.Probe{Name: fmt.Sprint("p", i), Prompt: fmt.Sprintf("%d + 1 =", i), Correct: fmt.Sprint(" ", i+1), Wrong: fmt.Sprint(" ", i)})
	}
	targets, controls, err := score.OfProbes(m.Tokenizer(), set[:4], set[4:], p.Objective.Metric)
	if err != nil {
		t.Fatal(err)
	}
	s, err := score.NewSetup(m, targets, controls, p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// found is what a search finds, without times.
func found(t *testing.T, s *score.Setup, j *search.Journal) search.Result {
	t.Helper()
	limits := s.Plan.Limits
	limits.Journal = j
	r, err := s.Run(t.Context(), limits)
	if err != nil {
		t.Fatal(err)
	}
	c := *r
	c.Seconds, c.Trajectory = 0, slices.Clone(c.Trajectory)
	for i := range c.Trajectory {
		c.Trajectory[i].Seconds = 0
	}
	return c
}

// sameFound compares what searches found, patches by their bytes.
func sameFound(t *testing.T, what string, got, want search.Result) {
	t.Helper()
	a, errA := got.Patch.Encode()
	b, errB := want.Patch.Encode()
	got.Patch, want.Patch = nil, nil
	if err := errors.Join(errA, errB); err != nil || string(a) != string(b) || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %+v\nwant %+v (%v)", what, got, want, err)
	}
}

// searcherOf is a session's Searcher, counting what is run here.
func searcherOf(t *testing.T, s *Session) *counting {
	t.Helper()
	far, err := s.Searcher(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &counting{Searcher: far}
}

// counting counts the searches that come back, and those of them that are run here.
type counting struct {
	score.Searcher
	mu         sync.Mutex
	back, here int
}

func (c *counting) Ahead(ctx context.Context, jobs []score.Job, known []string) (score.Ahead, error) {
	a, err := c.Searcher.Ahead(ctx, jobs, known)
	return countingAhead{a, c}, err
}

type countingAhead struct {
	score.Ahead
	c *counting
}

func (a countingAhead) Next(ctx context.Context) (score.Ready, error) {
	r, err := a.Ahead.Next(ctx)
	if err == nil {
		a.c.mu.Lock()
		defer a.c.mu.Unlock()
		a.c.back++
		if r.Here {
			a.c.here++
		}
	}
	return r, err
}

// A vote's draws, and searches side by side, find on workers what they find on one
// machine, with every number of workers, and the server keeps nothing of them.
func TestSearches(t *testing.T) {
	b := startBroker(t, BrokerOptions{})
	conn := dial(t, b.Access())
	m := golden(t, engine.Options{Threads: 2})
	wantVote := found(t, theSearch(t, m, score.MethodVote, 3, 24), nil)
	wants := map[uint64]search.Result{}
	for seed := range uint64(6) {
		wants[seed] = found(t, theSearch(t, m, score.MethodGuided, seed, 12), nil)
	}
	for _, n := range []int{0, 1, 3} {
		s := openSession(t, conn, m, Options{})
		_, stops := workers(t, b, n)
		if err := s.Wait(t.Context(), n); err != nil {
			t.Fatal(err)
		}
		far := searcherOf(t, s)
		vote := theSearch(t, m, score.MethodVote, 3, 24)
		vote.Searcher = far
		path := filepath.Join(t.TempDir(), "vote")
		j, err := search.OpenJournal(path, vote.Facts, false)
		if err != nil {
			t.Fatal(err)
		}
		sameFound(t, fmt.Sprint("a vote, ", n, " workers"), found(t, vote, j), wantVote)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if far.back != 3 || n == 0 && far.here != 3 || n == 3 && far.here != 0 {
			t.Errorf("%d workers: of %d draws %d were run here", n, far.back, far.here)
		}
		var all sync.WaitGroup
		for seed := range uint64(6) {
			all.Go(func() {
				one := theSearch(t, m, score.MethodGuided, seed, 12)
				one.Searcher = far
				sameFound(t, fmt.Sprintf("seed %d, %d workers", seed, n), found(t, one, nil), wants[seed])
			})
		}
		all.Wait()
		if far.back != 9 || n > 0 && far.here == 9 {
			t.Errorf("%d workers: of %d searches %d were run here", n, far.back, far.here)
		}
		if p := s.work.post.searches; len(p.open) > 0 || len(p.groups) > 0 || p.out != 0 {
			t.Errorf("%d workers: %d searches, %d groups, %d sent are left", n, len(p.open), len(p.groups), p.out)
		}
		for _, stop := range stops {
			if err := stop(); err != nil {
				t.Error(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{workStream, "KV_" + resultsBucket} {
		kept, err := conn.js.Stream(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if n := kept.CachedInfo().State.Msgs; n != 0 {
			t.Errorf("%s has %d messages of sessions that have ended", name, n)
		}
	}
	objects, err := conn.Objects(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	left, err := objects.store.List(t.Context())
	if err == nil && len(left) > 0 {
		t.Errorf("%d contents are left, %s the first", len(left), left[0].Description)
	}
}

// A search goes on elsewhere where a worker left it, whether that said goodbye or was cut
// off, and ends as on one machine; when nobody is left, here.
func TestSearchChangesHands(t *testing.T) {
	m := golden(t, engine.Options{Threads: 2})
	const steps = 3000
	want := found(t, theSearch(t, m, score.MethodRandom, 5, steps), nil)
	for _, c := range []struct {
		name string
		end  func(conn *Conn, stop func() error)
		next bool // there is another worker
	}{
		{"leaves", func(_ *Conn, stop func() error) { stop() }, true},
		{"cut off", func(conn *Conn, _ func() error) { conn.nc.Close() }, true},
		{"cut off, nobody is left", func(conn *Conn, _ func() error) { conn.nc.Close() }, false},
	} {
		b := startBroker(t, BrokerOptions{})
		conn := dial(t, b.Access())
		s := openSession(t, conn, m, Options{})
		far := searcherOf(t, s)
		p := s.work.post.searches
		conns, stops := workers(t, b, 1)
		if err := s.Wait(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		var got search.Result
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			one := theSearch(t, m, score.MethodRandom, 5, steps)
			one.Searcher = far
			got = found(t, one, nil)
		}()
		eventually(t, c.name+": a journal comes in", func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, task := range p.open {
				if task.journal != (bankai.Digest{}) {
					return true
				}
			}
			return false
		})
		p.mu.Lock()
		unended := len(p.open)
		p.mu.Unlock()
		if unended == 0 {
			t.Fatalf("%s: the search ended before that", c.name)
		}
		heirs := heirsOf(t, s)
		if c.next {
			workers(t, b, 1)
			if err := s.Wait(t.Context(), 2); err != nil {
				t.Fatal(err)
			}
		}
		c.end(conns[0], stops[0])
		<-ended
		sameFound(t, c.name, got, want)
		if got := heirs(); (got > 0) != c.next {
			t.Errorf("%s: %d workers went on from what another had done", c.name, got)
		}
		if far.back != 1 || (far.here == 1) == c.next {
			t.Errorf("%s: %d came back, %d here", c.name, far.back, far.here)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// heirsOf counts, until it is called, the workers that begin a search with the journal of
// another.
func heirsOf(t *testing.T, s *Session) (count func() int) {
	t.Helper()
	results, err := s.conn.resultsBucket(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w, err := results.Watch(t.Context(), s.ID()+".>", jetstream.UpdatesOnly())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for e := range w.Updates() {
			if e == nil {
				continue
			}
			from, _ := unseal(e.Key(), e.Value())
			if r, err := decode[searchRecord]("a search", from.data); err == nil && r.Began && r.Journal != (bankai.Digest{}) {
				n++
			}
		}
	}()
	return func() int {
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
		<-ended
		return n
	}
}
