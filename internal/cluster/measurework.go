package cluster

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"bankai"
	"bankai/internal/cluster/division"
	"bankai/internal/text"
	"bankai/score"

	"github.com/nats-io/nats.go"
)

// Bounds of what a worker keeps for a session. See [intake] for bytes.
const (
	keptTasks  = 2       // evaluators, the latest used
	mostAsked  = 64      // requests whose messages have not all come
	mostQueued = 256     // that have, and are not answered yet
	mostParts  = 1 << 16 // of a request
	mostValues = 1 << 24 // of a part of it
)

// measuring is how a worker answers what it is asked to measure: one request after the
// other.
type measuring struct {
	j   *joined
	sub *nats.Subscription
	ctx context.Context

	intake *intake

	mu      sync.Mutex
	coming  []*asked // of which messages are missing
	queue   []*asked // in order
	current []*asked // in the queue, or worked on
	more    chan struct{}

	kept []keptTask // the latest last
}

// keptTask is an evaluator of the session.
type keptTask struct {
	task bankai.Digest
	division.Evaluator
	release func()
}

// asked is a request.
type asked struct {
	inbox string
	data  []byte
	held  int    // bytes that count
	next  uint32 // number of the message that comes
	ctx   context.Context
	end   context.CancelFunc
	taken chan uint32 // numbers of messages that were taken, the latest
}

// beginMeasuring answers requests to measure until the session ends.
func beginMeasuring(j *joined) (end func(), err error) {
	return (&measuring{j: j, intake: &intake{most: mostAsking, of: j.runner.intake}, more: make(chan struct{}, 1)}).begin()
}

func (w *measuring) begin() (end func(), err error) {
	j := w.j
	var cancel context.CancelFunc
	w.ctx, cancel = context.WithCancel(j.ctx)
	w.sub, err = j.conn.nc.Subscribe(blockSubject(j.record.ID, j.id, "*"), w.message)
	if err != nil {
		cancel()
		return nil, err
	}
	var running sync.WaitGroup
	running.Go(w.run)
	return func() {
		w.sub.Unsubscribe()
		cancel()
		running.Wait()
		for _, k := range w.kept {
			k.release()
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, a := range append(w.coming, w.queue...) {
			w.forget(a)
		}
		w.coming, w.queue = nil, nil
	}, nil
}

// message takes what the coordinator sends.
func (w *measuring) message(m *nats.Msg) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() != nil {
		return
	}
	switch lastToken(m.Subject) {
	case askToken:
		w.take(m)
	case goToken, stopToken:
		at, err := decode[mark]("a mark", m.Data)
		if err != nil {
			return
		}
		stop := lastToken(m.Subject) == stopToken
		if stop {
			of := func(a *asked) bool { return a.inbox == at.ID }
			w.coming, w.queue = w.without(w.coming, of), w.without(w.queue, of)
		}
		for _, a := range w.current {
			switch {
			case a.inbox != at.ID:
			case stop:
				a.end()
			default:
				select { // the latest counts
				case <-a.taken:
				default:
				}
				a.taken <- at.Seq
			}
		}
	}
}

// without is a list without some requests, which are forgotten. The requests are locked.
func (w *measuring) without(list []*asked, some func(a *asked) bool) []*asked {
	return slices.DeleteFunc(list, func(a *asked) bool {
		if some(a) {
			w.forget(a)
			return true
		}
		return false
	})
}

// forget gives back what a request holds.
func (w *measuring) forget(a *asked) {
	w.intake.give(a.held)
	a.data, a.held = nil, 0
	w.current = slices.DeleteFunc(w.current, func(o *asked) bool { return o == a })
	if a.end != nil {
		a.end()
	}
}

// full is what a worker says to a request that it has no room for.
const full = "this worker holds as many requests to measure as it can"

// refuse forgets a request that comes, and says so to whoever sent it. The requests are
// locked.
func (w *measuring) refuse(a *asked, why string) {
	w.coming = w.without(w.coming, func(o *asked) bool { return o == a })
	w.j.conn.nc.Publish(a.inbox, frame{kind: failedFrame, data: []byte(why)}.encode())
}

// room counts n bytes more for a request that comes. Where there is none, those go that
// began before it and have not come to their end. The requests are locked.
func (w *measuring) room(a *asked, n int) bool {
	for !w.intake.take(n) {
		oldest := w.coming[0]
		if oldest == a {
			return false
		}
		w.refuse(oldest, full)
	}
	return true
}

// take takes a message of a request. One whose messages do not follow one another is
// forgotten: whoever sent it notices that nothing comes. The requests are locked.
func (w *measuring) take(m *nats.Msg) {
	f, err := decodeFrame(m.Data)
	if err != nil || m.Reply == "" {
		return
	}
	var a *asked
	if i := slices.IndexFunc(w.coming, func(a *asked) bool { return a.inbox == m.Reply }); i >= 0 {
		a = w.coming[i]
	} else {
		if f.seq != 0 {
			return
		}
		a = &asked{inbox: m.Reply, taken: make(chan uint32, 1)}
		if len(w.coming) == mostAsked {
			w.refuse(w.coming[0], full)
		}
		w.coming = append(w.coming, a)
	}
	switch n := len(f.data); {
	case f.seq != a.next:
		w.coming = w.without(w.coming, func(o *asked) bool { return o == a })
		return
	case a.held+n > mostAskLen:
		w.refuse(a, fmt.Sprintf("a request to measure takes more than %s", text.Size(mostAskLen)))
		return
	case len(w.queue) == mostQueued, !w.room(a, n):
		w.refuse(a, full)
		return
	default:
		a.held += n
	}
	a.next++
	a.data = append(a.data, f.data...)
	if f.kind != askLast {
		return
	}
	w.coming = slices.DeleteFunc(w.coming, func(o *asked) bool { return o == a })
	a.ctx, a.end = context.WithCancel(w.ctx)
	w.queue, w.current = append(w.queue, a), append(w.current, a)
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// run answers the requests.
func (w *measuring) run() {
	for {
		w.mu.Lock()
		var a *asked
		if len(w.queue) > 0 {
			a, w.queue = w.queue[0], w.queue[1:]
		}
		w.mu.Unlock()
		if a == nil {
			select {
			case <-w.more:
				continue
			case <-w.ctx.Done():
				return
			}
		}
		w.answer(a)
		w.mu.Lock()
		w.forget(a)
		w.mu.Unlock()
		if w.ctx.Err() != nil {
			return
		}
	}
}

// answer answers a request, beginning when nothing else computes on this machine.
func (w *measuring) answer(a *asked) {
	if a.ctx.Err() != nil {
		return
	}
	out := &answering{w: w, asked: a}
	quiet := make(chan struct{})
	var alive sync.WaitGroup
	alive.Go(func() { out.alive(quiet) })
	busy, err := w.measure(a, out)
	close(quiet)
	alive.Wait()
	switch {
	case a.ctx.Err() != nil: // nobody waits for it
	case err != nil:
		w.j.logf("a request to measure failed: %v", err)
		f := frame{kind: failedFrame, data: []byte(clip(err.Error()))}
		if lacks := (*lackError)(nil); errors.As(err, &lacks) {
			f = frame{kind: lackFrame, data: []byte(clip(lacks.text))}
		}
		out.send(f)
	default:
		out.send(frame{kind: doneFrame, data: encodeBusy(busy)})
	}
}

// clip keeps an error to what fits one message.
func clip(s string) string { return s[:min(len(s), 4096)] }

// tooMuch refuses what no coordinator asks.
func tooMuch(q division.Query, parts []score.Part) error {
	if len(parts) > mostParts {
		return fmt.Errorf("a request to measure has %d parts, more than %d", len(parts), mostParts)
	}
	for _, p := range parts {
		const usual = 256 // questions of a block, where they are not named
		if len(q.Moves)*max(len(p.Questions), usual) > mostValues {
			return fmt.Errorf("a request to measure asks for %d moves on %d questions of a block, more than %d values", len(q.Moves), len(p.Questions), mostValues)
		}
		if !(p.Tokens >= 0 && p.Tokens <= math.MaxInt32) {
			return fmt.Errorf("a request to measure has a part of %v tokens", p.Tokens)
		}
	}
	return nil
}

// measure does what was asked.
func (w *measuring) measure(a *asked, out *answering) (busy time.Duration, err error) {
	task, q, parts, err := decodeAsk(a.data)
	if err == nil {
		err = tooMuch(q, parts)
	}
	if err != nil {
		return 0, err
	}
	doing, tokens := "measuring moves", 0
	if q.Want != nil {
		doing = "predicting flips"
	}
	for _, p := range parts {
		tokens += int(p.Tokens)
	}
	if q.Want == nil {
		tokens *= len(q.Moves)
	}
	release, err := w.j.turn(a.ctx, doing)
	if err != nil {
		return 0, err
	}
	units := 0
	defer func() { release(units, tokens*units/max(1, len(parts))) }()
	e, err := w.evaluator(a.ctx, task)
	if err != nil {
		return 0, err
	}
	if q.Want == nil {
		return division.Values(a.ctx, e, q, parts, func(i int, values [][]float64) error {
			units++
			spoilValues(values)
			return pieces(encodeValues(values), i, valuesFrame, valuesLast, out.send)
		})
	}
	blocks := make([]score.Block, len(parts))
	for i, p := range parts {
		blocks[i] = p.Block
	}
	return division.Effects(a.ctx, e, q, blocks, func(i int, said *score.Effects) error {
		if said == nil {
			units++
			return out.send(frame{kind: partEnd, part: uint32(i)})
		}
		spoilEffects(said)
		return pieces(encodeEffects(said), i, effectsFrame, effectsLast, out.send)
	})
}

// evaluator is that of a task, which is fetched if it is new.
func (w *measuring) evaluator(ctx context.Context, task bankai.Digest) (division.Evaluator, error) {
	if i := slices.IndexFunc(w.kept, func(k keptTask) bool { return k.task == task }); i >= 0 {
		k := w.kept[i]
		w.kept = append(slices.Delete(w.kept, i, i+1), k)
		return k, nil
	}
	content, err := w.j.objects.Bytes(ctx, task, mostTask)
	if err != nil {
		return nil, &lackError{err.Error()}
	}
	t, err := decode[score.Task]("what is to be measured", content)
	if err != nil {
		return nil, err
	}
	e, err := t.Evaluator(w.j.model, 0)
	if err != nil {
		return nil, err
	}
	if len(w.kept) == keptTasks {
		w.kept[0].release()
		w.kept = slices.Delete(w.kept, 0, 1)
	}
	w.kept = append(w.kept, keptTask{task, e, e.Release})
	return e, nil
}

// answering sends the messages of an answer.
type answering struct {
	w     *measuring
	asked *asked

	mu    sync.Mutex
	next  uint32
	taken uint32 // how many messages the coordinator has taken
}

// send sends a message, once the coordinator has taken so many of those before that it
// does not drown: of effects, that is.
func (o *answering) send(f frame) error {
	if f.kind == effectsFrame || f.kind == effectsLast {
		if err := o.room(); err != nil {
			return err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.asked.ctx.Err(); err != nil {
		return err
	}
	f.seq = o.next
	o.next++
	return o.w.j.conn.nc.Publish(o.asked.inbox, f.encode())
}

// room waits until at most ahead messages have not been taken.
func (o *answering) room() error {
	for {
		o.mu.Lock()
		full := o.next >= o.taken+ahead
		o.mu.Unlock()
		if !full {
			return nil
		}
		select {
		case seq := <-o.asked.taken:
			o.mu.Lock()
			o.taken = max(o.taken, seq+1)
			o.mu.Unlock()
		case <-o.asked.ctx.Done():
			return errors.New("nobody waits for the answer")
		}
	}
}

// alive says that the request is worked on.
func (o *answering) alive(quiet <-chan struct{}) {
	tick := time.NewTicker(o.w.j.conn.timing.Beat)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			o.send(frame{kind: workingFrame})
		case <-quiet:
			return
		case <-o.asked.ctx.Done():
			return
		}
	}
}
