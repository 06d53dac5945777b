package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// LoopOptions bound what a Loop runs at once. They do not change what a request
// gives. The zero value is for a program that knows how much it asks for.
type LoopOptions struct {
	MaxBytes     int64 // of the keys and values of all sequences; 0: no bound
	MaxSequences int   // that run together; 0: 64
	Queue        int   // requests that may wait for room; 0: no bound
	// Chunk is how many tokens of prompts a step processes, beside one token of each
	// sequence that generates: those wait no longer for the next one, however long a
	// prompt is. 0: 128.
	Chunk int
}

// Loop generates for requests that come and go (continuous batching): each step of
// its one Batch runs whoever is there. A request gives the same bits whoever runs
// beside it and however its prompt is cut. Requests run in the order of their coming:
// each as soon as all before it run and there is room for the keys and values of its
// prompt and of as many tokens as it may generate.
//
// A Loop has a goroutine, so it must be closed. Its methods may be called from
// several goroutines.
type Loop struct {
	model *Model
	o     LoopOptions
	room  int64  // bytes for keys and values between two steps; unused if MaxBytes is 0
	batch *Batch // the goroutine's alone

	mu       sync.Mutex
	queue    []*Stream // they wait for room
	admitted []*Stream // they run from the next step on
	running  []*Stream // only the goroutine changes it
	promised int64     // bytes that those admitted and running may need
	draining bool      // no more requests
	closed   bool      // and those that there are end

	step    context.Context // of the steps; a new one when it was cancelled
	abandon context.CancelCauseFunc

	wake chan struct{} // tells the goroutine that something above has changed
	done chan struct{} // closed when it has ended
}

// ErrLoopClosed is what ends a request that comes to a loop after Drain or Close, or
// that Close finds there.
var ErrLoopClosed = errors.New("the loop is closed: it takes no requests any more")

// QueueFullError refuses a request for which there is no room now: it may come again
// later.
type QueueFullError struct{ Waiting int } // requests

// Error says it in a line.
func (e *QueueFullError) Error() string {
	return fmt.Sprintf("the queue is full, %d requests wait: try again later", e.Waiting)
}

// TooLargeError refuses a request that can never run: its keys and values may need
// more bytes than the loop has.
type TooLargeError struct{ Bytes, Room int64 }

// Error says it in a line.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the keys and values of the request may need %d bytes, there is room for %d: shorten the prompt, or generate fewer tokens", e.Bytes, e.Room)
}

// Loop starts a loop, which must be closed.
func (m *Model) Loop(o LoopOptions) *Loop {
	if o.MaxSequences <= 0 {
		o.MaxSequences = 64
	}
	if o.Chunk <= 0 {
		o.Chunk = 128
	}
	l := &Loop{
		model: m, o: o, batch: m.NewBatch(0),
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	l.room = max(0, o.MaxBytes-l.batch.passBytes(o.Chunk))
	l.step, l.abandon = context.WithCancelCause(context.Background())
	go l.run()
	return l
}

// Submit lets a request run until it has come to its end or ctx ends, which it then
// does within a step. A request is refused if it is wrong, with a *TooLargeError if it
// can never run, with a *QueueFullError if too many wait, and with ErrLoopClosed.
func (l *Loop) Submit(ctx context.Context, q Request) (*Stream, error) {
	s, err := l.stream(ctx, q)
	if err != nil {
		return nil, err
	}
	if q.Max <= 0 {
		s.finish("length")
		s.end()
		return s, nil
	}
	if err := l.enqueue(s); err != nil {
		return nil, err
	}
	return s, nil
}

// stream checks a request.
func (l *Loop) stream(ctx context.Context, q Request) (*Stream, error) {
	if err := l.model.checkRequest(q); err != nil {
		return nil, err
	}
	const most = 1 << 30 // tokens, lest a sum overflow: none has so much memory
	tokens := len(q.Prompt) + min(q.Max, most)
	if limit := l.model.config.Context; limit > 0 {
		tokens = min(tokens, limit)
	}
	bytes := l.model.mostSeqBytes(tokens)
	if l.o.MaxBytes > 0 && bytes > l.room {
		return nil, &TooLargeError{bytes, l.room}
	}
	return newStream(ctx, q, bytes), nil
}

// enqueue lets requests run from one step on, as far as there is room.
func (l *Loop) enqueue(all ...*Stream) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.draining {
		return ErrLoopClosed
	}
	if n := len(l.queue); l.o.Queue > 0 && n >= l.o.Queue {
		return &QueueFullError{n}
	}
	l.queue = append(l.queue, all...)
	l.admit()
	for _, s := range all {
		s.unwatch = context.AfterFunc(s.ctx, func() { l.cancelled(s) })
	}
	l.poke()
	return nil
}

// admit lets those in the queue run, in order, as long as there is room.
func (l *Loop) admit() {
	for len(l.queue) > 0 && len(l.running)+len(l.admitted) < l.o.MaxSequences {
		s := l.queue[0]
		if l.o.MaxBytes > 0 && l.promised+s.bytes > l.room {
			return
		}
		l.queue, l.admitted = l.queue[1:], append(l.admitted, s)
		l.promised += s.bytes
	}
}

// poke wakes the goroutine.
func (l *Loop) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// cancelled is called when the ctx of a request ends. One that waits ends here, one
// that runs after the step, which is abandoned if all that run in it are cancelled.
func (l *Loop) cancelled(s *Stream) {
	l.mu.Lock()
	i := slices.Index(l.queue, s)
	if i >= 0 {
		l.queue = slices.Delete(l.queue, i, i+1)
		l.admit()
	}
	alive := func(s *Stream) bool { return s.ctx.Err() == nil }
	if len(l.running) > 0 && !slices.ContainsFunc(l.running, alive) {
		l.abandon(context.Canceled)
	}
	l.poke()
	l.mu.Unlock()
	if i >= 0 {
		s.fail(s.ctx.Err())
		s.end()
	}
}

// Drain takes no more requests and waits until all that there are have come to their
// end. If ctx ends before, it closes the loop and returns ctx's error.
func (l *Loop) Drain(ctx context.Context) error {
	l.mu.Lock()
	l.draining = true
	l.poke()
	l.mu.Unlock()
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		l.Close()
		return ctx.Err()
	}
}

// Close ends all requests, with ErrLoopClosed, and waits until the loop has ended.
func (l *Loop) Close() {
	l.mu.Lock()
	l.draining, l.closed = true, true
	l.abandon(ErrLoopClosed)
	l.poke()
	l.mu.Unlock()
	<-l.done
}

// run is the goroutine.
func (l *Loop) run() {
	defer close(l.done)
	defer l.endAll()
	for l.gather() {
		l.pass()
	}
}

// endAll ends all requests that there are.
func (l *Loop) endAll() {
	l.mu.Lock()
	all := slices.Concat(l.running, l.admitted, l.queue)
	l.running, l.admitted, l.queue, l.draining = nil, nil, nil, true
	l.mu.Unlock()
	for _, s := range slices.Backward(all) {
		s.fail(ErrLoopClosed)
		defer s.end() // even if the Emit of another does not return
	}
}

// gather waits until there is something to run. It is false when the loop is to end.
func (l *Loop) gather() bool {
	for {
		gone, end := l.exchange()
		for _, s := range gone {
			s.end()
		}
		switch {
		case end:
			return false
		case len(l.running) > 0:
			return true
		}
		<-l.wake
	}
}

// exchange takes those who are over out of the running, which it returns, and lets
// others in. end is true when the loop is to end.
func (l *Loop) exchange() (gone []*Stream, end bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for again := true; again; again = len(l.admitted) > 0 {
		l.running = slices.DeleteFunc(append(l.running, l.admitted...), func(s *Stream) bool {
			if err := cmp.Or(s.ctx.Err(), l.model.checkOverlay(s.req.Overlay)); err != nil {
				s.fail(err)
			}
			if s.over {
				gone = append(gone, s)
				l.promised -= s.bytes
			}
			return s.over
		})
		l.admitted = nil
		l.admit()
	}
	if l.step.Err() != nil && !l.closed {
		l.step, l.abandon = context.WithCancelCause(context.Background())
	}
	return gone, l.closed || l.draining && len(l.running) == 0
}

// pass runs one step: a token of each sequence that generates and a chunk of the
// prompts, in order.
func (l *Loop) pass() {
	var who []*Stream
	var spans []span
	left := l.o.Chunk
	for _, s := range l.running {
		if s.seq == nil {
			s.begin(l.batch)
		}
		n := len(s.rest)
		if s.inPrompt() {
			n = min(n, left)
			left -= n
		}
		if n == 0 {
			continue
		}
		want := n // no logits
		if n == len(s.rest) {
			want = n - 1
		}
		spans = append(spans, span{seq: s.seq, tokens: s.rest[:n], want: want, tag: len(who)})
		who = append(who, s)
	}
	err := l.batch.eachRow(l.step, job{}, spans, func(r logitRow, logits []float32) {
		who[r.tag].choose(l.model, logits)
	})
	if errors.Is(err, ErrStaleOverlay) {
		return // nothing was computed: exchange ends those whose overlay it is
	}
	if err != nil {
		l.failAll(err)
		return
	}
	for i, s := range who {
		if s.fed(len(spans[i].tokens)); len(s.rest) == 0 {
			s.accept(l.model)
		}
	}
	if m := l.batch.Memory(); l.o.MaxBytes > 0 && m.Used+m.Free > l.o.MaxBytes {
		l.batch.Trim()
	}
}

// failAll ends everybody who runs, because the step did not come to its end.
func (l *Loop) failAll(err error) {
	if l.step.Err() != nil {
		err = context.Cause(l.step)
	}
	for _, s := range l.running {
		s.fail(cmp.Or(s.ctx.Err(), err))
	}
}
