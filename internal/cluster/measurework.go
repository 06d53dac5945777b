package cluster

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"bankai"
	"bankai/internal/cluster/division"
	"bankai/score"

	"github.com/nats-io/nats.go"
)

// Bounds of what a worker keeps for a session.
const (
	keptTasks  = 2        // evaluators, the latest used
	mostAsked  = 64       // requests whose messages have not all come
	mostAskLen = 64 << 20 // bytes of a request
)

// measuring is how a worker answers what it is asked to measure: one request after the
// other.
type measuring struct {
	j   *joined
	sub *nats.Subscription
	ctx context.Context

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
	next  uint32 // number of the message that comes
	ctx   context.Context
	end   context.CancelFunc
	taken chan uint32 // numbers of messages that were taken, the latest
}

// beginMeasuring answers requests to measure until the session ends.
func beginMeasuring(j *joined) (end func(), err error) {
	return (&measuring{j: j, more: make(chan struct{}, 1)}).begin()
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
	}, nil
}

// message takes what the coordinator sends.
func (w *measuring) message(m *nats.Msg) {
	w.mu.Lock()
	defer w.mu.Unlock()
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
			w.coming = slices.DeleteFunc(w.coming, func(a *asked) bool { return a.inbox == at.ID })
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

// take takes a message of a request. One whose messages do not follow one another is
// forgotten: whoever sent it notices that nothing comes.
func (w *measuring) take(m *nats.Msg) {
	f, err := decodeFrame(m.Data)
	if err != nil || m.Reply == "" {
		return
	}
	i := slices.IndexFunc(w.coming, func(a *asked) bool { return a.inbox == m.Reply })
	if i < 0 {
		if f.seq != 0 {
			return
		}
		if len(w.coming) == mostAsked {
			w.coming = w.coming[1:]
		}
		w.coming = append(w.coming, &asked{inbox: m.Reply, taken: make(chan uint32, 1)})
		i = len(w.coming) - 1
	}
	a := w.coming[i]
	if f.seq != a.next || len(a.data)+len(f.data) > mostAskLen {
		w.coming = slices.Delete(w.coming, i, i+1)
		return
	}
	a.next++
	a.data = append(a.data, f.data...)
	if f.kind != askLast {
		return
	}
	w.coming = slices.Delete(w.coming, i, i+1)
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
		a.end()
		w.mu.Lock()
		w.current = slices.DeleteFunc(w.current, func(o *asked) bool { return o == a })
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

// measure does what was asked.
func (w *measuring) measure(a *asked, out *answering) (busy time.Duration, err error) {
	task, q, parts, err := decodeAsk(a.data)
	if err != nil {
		return 0, err
	}
	a.data = nil
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
	text, err := w.j.objects.Bytes(ctx, task, mostTask)
	if err != nil {
		return nil, &lackError{err.Error()}
	}
	t, err := decode[score.Task]("what is to be measured", text)
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
