package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"bankai"
	"bankai/internal/cluster/division"
	"bankai/score"
)

// mostTask bounds what a worker reads to make an evaluator, in bytes.
const mostTask = 256 << 20

// taskPatience bounds how long the server may take to store what a search measures: a
// search can begin without.
const taskPatience = 20 * time.Second

// mostFailures is how often a worker may say that it cannot measure before it is dropped.
const mostFailures = 5

// Measurer measures on the machines of a session.
type Measurer struct {
	*division.Divided
	peers *assembly
	stop  context.CancelFunc
}

// Close ends that workers join. It is not needed where the session is closed.
func (m *Measurer) Close() { m.stop() }

// Measurer divides what an evaluator measures between the session's workers and this
// machine, see [division.Divided]; workers that come later take part, too. It does so until it is
// closed, or the session.
//
// A worker that computes wrong bits is dropped from the session, as is one that fails time
// and again. One that is not reached is asked again as long as it gives signs of life.
func (s *Session) Measurer(e *score.Evaluator) (*Measurer, error) {
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(s.ctx, taskPatience)
	task, err := s.objects.PutBytes(ctx, "what a search measures", encode(e.Task()))
	cancel()
	if err != nil {
		return nil, err
	}
	a := &assembly{session: s, task: task, peers: map[*member]*remotePeer{}, failures: map[string]int{}}
	d := division.New(division.Here{Evaluator: e}, s.check(), division.Memory, a.lost)
	a.divided = d
	ctx, cancel = context.WithCancel(s.ctx)
	changed := a.update()
	s.running.Go(func() { a.watch(ctx, changed) })
	return &Measurer{d, a, cancel}, nil
}

// assembly keeps the peers of a Measurer those of a session.
type assembly struct {
	session *Session
	task    bankai.Digest
	divided *division.Divided

	mu       sync.Mutex
	peers    map[*member]*remotePeer
	failures map[string]int // by worker's id
	again    []*member      // who failed, and is to join anew
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
			a.retry()
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

// retry lets those join anew who failed and are still there.
func (a *assembly) retry() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range a.again {
		if a.peers[m] != nil {
			a.join(m)
		}
	}
	a.again = nil
}

// join is called with the lock.
func (a *assembly) join(m *member) {
	a.peers[m] = &remotePeer{a.session, m, a.task}
	a.divided.Join(a.peers[m])
}

// lost drops a peer that was wrong from the session; one that failed may try again, unless
// it has done so too often.
func (a *assembly) lost(p division.Peer, err error) {
	r := p.(*remotePeer)
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-r.member.gone:
		return
	default:
	}
	wrong, told := (*division.WrongBits)(nil), (*failure)(nil)
	if errors.As(err, &told) {
		a.failures[r.member.id]++
	}
	switch n := a.failures[r.member.id]; {
	case errors.As(err, &wrong):
		a.session.distrust(r.member.id, err.Error())
	case n >= mostFailures:
		a.session.drop(r.member.id, fmt.Sprintf("it failed %d times to measure: %v", n, err))
	case a.peers[r.member] == r:
		a.session.log("%s: %v: its share is measured elsewhere, and it is asked again", r.Name(), err)
		a.again = append(a.again, r.member)
	}
}
