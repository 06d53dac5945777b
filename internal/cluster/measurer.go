package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"bankai"
	"bankai/internal/cluster/division"
	"bankai/score"

	"github.com/nats-io/nats.go"
)

// mostTask bounds what a worker reads to make an evaluator, in bytes.
const mostTask = 256 << 20

// taskPatience bounds how long the server may take to store what a search measures: a
// search can begin without.
const taskPatience = 20 * time.Second

// mostFailures is how many requests in a row a worker may fail before it is dropped.
const mostFailures = 3

// longestPause is after how many beats a worker that failed is asked again, at most: one
// after its first failure, twice as many after every other.
const longestPause = 256

// Measurer measures on the machines of a session.
type Measurer struct {
	*division.Divided
	peers *assembly
	stop  context.CancelFunc
}

// Close ends that workers join, and that their answers are proved if they turn out to compute
// wrong bits. It is not needed where the session is closed.
func (m *Measurer) Close() {
	m.stop()
	work := &m.peers.session.work
	work.mu.Lock()
	defer work.mu.Unlock()
	delete(work.assemblies, m.peers)
}

// Measurer divides what an evaluator measures between the session's workers and this
// machine, see [division.Divided]; workers that come later take part, too. It does so until it is
// closed, or the session.
//
// A worker that computes wrong bits is dropped from the session, as is one that fails
// [mostFailures] times in a row: that says so, answers what it was not asked, or nothing.
// One that only takes longer than others, or cannot read what is measured, is asked again
// after a while, which grows; what is measured is put anew, as the server may have lost it.
func (s *Session) Measurer(e *score.Evaluator) (*Measurer, error) {
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	a := &assembly{
		session: s, evaluator: e, peers: map[*member]*remotePeer{}, failures: map[string]*failures{},
		all: map[string][]division.Peer{},
	}
	if err := a.put(s.ctx); err != nil {
		return nil, err
	}
	d := division.New(own{division.Here{Evaluator: e}, s}, s.check(), division.Memory, a.lost)
	a.divided = d
	s.work.mu.Lock()
	if s.work.assemblies == nil {
		s.work.assemblies = map[*assembly]bool{}
	}
	s.work.assemblies[a] = true
	s.work.mu.Unlock()
	ctx, cancel := context.WithCancel(s.ctx)
	changed := a.update()
	s.running.Go(func() { a.watch(ctx, changed) })
	return &Measurer{d, a, cancel}, nil
}

// assembly keeps the peers of a Measurer those of a session.
type assembly struct {
	session   *Session
	evaluator *score.Evaluator
	task      bankai.Digest // of what is measured
	divided   *division.Divided

	mu       sync.Mutex
	peers    map[*member]*remotePeer
	failures map[string]*failures // by worker's id
	again    []again
	lacking  bool // a worker could not read what is measured

	past sync.Mutex
	all  map[string][]division.Peer // that ever were, by worker's id
}

// failures are those of a worker.
type failures struct {
	row int // since it last answered
	all int // with what only takes a pause
}

// again is who failed, and is to join anew.
type again struct {
	*member
	after time.Time
	lacks bool // what is measured: that is to be put before
}

// put puts what is measured, if the server does not have it.
func (a *assembly) put(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, taskPatience)
	defer cancel()
	a.task, err = a.session.objects.PutBytes(ctx, "what a search measures", encode(a.evaluator.Task()))
	return err
}

// watch follows who comes and goes.
func (a *assembly) watch(ctx context.Context, changed <-chan struct{}) {
	tick := time.NewTicker(a.session.conn.timing.Beat)
	defer tick.Stop()
	for {
		select {
		case <-changed:
			changed = a.update()
		case <-tick.C:
			a.retry(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// update lets who has come join, and who has gone leave.
func (a *assembly) update() (changed <-chan struct{}) {
	members, changed := a.session.peers()
	a.mu.Lock()
	defer a.mu.Unlock()
	here := map[*member]bool{}
	for _, m := range members {
		here[m] = true
		if a.peers[m] == nil {
			a.join(m)
		}
	}
	for m, p := range a.peers {
		if !here[m] {
			a.divided.Leave(p)
			delete(a.peers, m)
		}
	}
	return changed
}

// retry lets those join anew who failed and are still there, after their pause.
func (a *assembly) retry(ctx context.Context) {
	a.mu.Lock()
	lacking := a.lacking
	a.mu.Unlock()
	if lacking {
		if err := a.put(ctx); err != nil {
			a.session.log("what is measured cannot be given to workers that lack it: %v", err)
		} else {
			lacking = false
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lacking = lacking
	now := time.Now()
	a.again = slices.DeleteFunc(a.again, func(o again) bool {
		if now.Before(o.after) || o.lacks && lacking {
			return false
		}
		if a.peers[o.member] != nil {
			a.join(o.member)
		}
		return true
	})
}

// join is called with the lock.
func (a *assembly) join(m *member) {
	p := &remotePeer{session: a.session, member: m, task: a.task, answered: func() { a.answered(m) }}
	a.peers[m] = p
	a.divided.Join(p)
	a.past.Lock()
	defer a.past.Unlock()
	a.all[m.id] = append(a.all[m.id], p)
}

// accuse has what a worker has answered proved: it was found to compute wrong bits.
func (a *assembly) accuse(id string) {
	a.past.Lock()
	defer a.past.Unlock()
	for _, p := range a.all[id] {
		a.divided.Accuse(p)
	}
}

// answered notes that a worker has done what it was asked.
func (a *assembly) answered(m *member) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f := a.failures[m.id]; f != nil {
		f.row = 0
	}
}

// lost drops a peer that was wrong from the session, or that failed too often; others may
// try again.
func (a *assembly) lost(p division.Peer, err error) {
	r := p.(*remotePeer)
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-r.member.gone:
		return
	default:
	}
	if wrong := (*division.WrongBits)(nil); errors.As(err, &wrong) {
		a.session.distrust(r.member.id, err.Error())
		return
	}
	f := a.failures[r.member.id]
	if f == nil {
		f = &failures{}
		a.failures[r.member.id] = f
	}
	f.all++
	lacks := errors.As(err, new(*lackError))
	if !lacks && !errors.Is(err, division.ErrFruitless) && a.session.conn.nc.IsConnected() {
		f.row++
	}
	switch {
	case f.row >= mostFailures:
		a.session.drop(r.member.id, fmt.Sprintf("it failed %d times in a row to measure: %v", f.row, err))
	case a.peers[r.member] == r:
		pause := a.session.conn.timing.Beat * time.Duration(min(longestPause, 1<<min(f.all-1, 30)))
		switch {
		case !errors.Is(err, nats.ErrNoResponders):
			a.session.log("%s: %v: its share is measured elsewhere, and it is asked again in %v", r.Name(), err, pause)
		case a.session.missing(r.member):
			a.session.log("%s does not answer: its share is measured elsewhere", r.Name())
		}
		a.lacking = a.lacking || lacks
		a.again = append(a.again, again{r.member, time.Now().Add(pause), lacks})
	}
}
