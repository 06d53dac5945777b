package cluster

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"bankai"
	"bankai/score"
	"bankai/search"
)

// mostTask bounds what a worker reads to make an evaluator, in bytes.
const mostTask = 256 << 20

// taskPatience bounds how long the server may take to store what a search measures: a
// search can begin without.
const taskPatience = 20 * time.Second

// mostFailures is how often a worker may say that it cannot measure before it is dropped.
const mostFailures = 5

// Measurer divides what an evaluator measures between the session's workers and this
// machine, see [Divided]; workers that come later take part, too. It does so until it is
// closed, or the session.
//
// A worker that computes wrong bits is dropped from the session, as is one that fails time
// and again. One that is not reached is asked again as long as it gives signs of life.
func (s *Session) Measurer(e *score.Evaluator) (*Divided, error) {
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
	d := newDivided(&herePeer{e}, s.check(), defaultMemory, a.lost)
	a.divided = d
	ctx, cancel = context.WithCancel(s.ctx)
	d.close = cancel
	changed := a.update()
	s.running.Go(func() { a.watch(ctx, changed) })
	return d, nil
}

// assembly keeps the peers of a Divided those of a session.
type assembly struct {
	session *Session
	task    bankai.Digest
	divided *Divided

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
			a.divided.leave(p)
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
	a.divided.join(a.peers[m])
}

// lost drops a peer that was wrong from the session; one that failed may try again, unless
// it has done so too often.
func (a *assembly) lost(p peer, err error) {
	r := p.(*remotePeer)
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-r.member.gone:
		return
	default:
	}
	wrong, told := (*WrongBits)(nil), (*failure)(nil)
	if errors.As(err, &told) {
		a.failures[r.member.id]++
	}
	switch n := a.failures[r.member.id]; {
	case errors.As(err, &wrong):
		a.session.drop(r.member.id, err.Error())
	case n >= mostFailures:
		a.session.drop(r.member.id, fmt.Sprintf("it failed %d times to measure: %v", n, err))
	case a.peers[r.member] == r:
		a.session.log("%s: %v: its share is measured elsewhere, and it is asked again", r.name(), err)
		a.again = append(a.again, r.member)
	}
}

// herePeer is the coordinator's own machine.
type herePeer struct{ evaluator *score.Evaluator }

func (h *herePeer) name() string { return "this machine" }

func (h *herePeer) values(ctx context.Context, cur *bankai.Patch, moves []search.Move, parts []score.Part, got func(i int, values [][]float64) error) (time.Duration, error) {
	return measureValues(ctx, h.evaluator, question{cur: cur, moves: moves}, parts, got)
}

func (h *herePeer) effects(ctx context.Context, cur *bankai.Patch, w search.Want, blocks []score.Block, got func(i int, e *score.Effects) error) (time.Duration, error) {
	return measureEffects(ctx, h.evaluator, question{cur: cur, want: &w}, blocks, got)
}

// blockMeasurer is what measures blocks on this machine: a *score.Evaluator.
type blockMeasurer interface {
	Values(ctx context.Context, cur *bankai.Patch, b score.Block, moves []search.Move, questions []int) ([][]float64, error)
	Effects(ctx context.Context, cur *bankai.Patch, b score.Block, w search.Want, emit func(score.Effects) error) error
}

// measureValues measures parts one after another. busy is without the time that got takes.
func measureValues(ctx context.Context, e blockMeasurer, q question, parts []score.Part, got func(i int, values [][]float64) error) (busy time.Duration, err error) {
	defer recovered(&err)
	for i, p := range parts {
		began := time.Now()
		values, err := e.Values(ctx, q.cur, p.Block, q.moves, p.Questions)
		busy += time.Since(began)
		if err != nil {
			return busy, err
		}
		if err := got(i, values); err != nil {
			return busy, err
		}
	}
	return busy, nil
}

// measureEffects derives blocks one after another.
func measureEffects(ctx context.Context, e blockMeasurer, q question, blocks []score.Block, got func(i int, e *score.Effects) error) (busy time.Duration, err error) {
	defer recovered(&err)
	for i, b := range blocks {
		began := time.Now()
		var elsewhere time.Duration
		err := e.Effects(ctx, q.cur, b, *q.want, func(said score.Effects) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			waits := time.Now()
			defer func() { elsewhere += time.Since(waits) }()
			return got(i, &said)
		})
		busy += time.Since(began) - elsewhere
		if err == nil {
			err = got(i, nil)
		}
		if err != nil {
			return busy, err
		}
	}
	return busy, nil
}

// recovered makes an error of a panic: what a request asks must not end the program of the
// one who answers.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("a fault in the program: %v\n%s", p, debug.Stack())
	}
}
