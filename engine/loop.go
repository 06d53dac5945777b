package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// LoopOptions bound what a Loop runs at once. They do not change what a request
// gives. The zero value is for a program that knows how much it asks for.
type LoopOptions struct {
	// MaxBytes bounds the context of all sequences, which is their keys and values and the
	// states of their delta-nets, and among them of those that are kept for requests to
	// come. 0: no bound.
	MaxBytes int64
	// Keep is how many sequences are kept at most for requests to come. 0: as many as
	// MaxBytes has room for beside those that run, none if it is no bound.
	Keep         int
	MaxSequences int // that run together; 0: 64
	// Queue is how many requests may wait for room, and QueueTokens how many tokens their
	// prompts may have together; 0: no bound. A call that finds nobody waiting may bring
	// more.
	Queue, QueueTokens int
	// Chunk is how many tokens of prompts a step processes at most, beside one token of
	// each sequence that generates: those wait no longer for the next one, however long a
	// prompt is. 0: 128.
	Chunk int
	// Pace is how long a step may take: it processes as many tokens of prompts as the steps
	// before it show to fit in, but some. 0: the Chunk, however long it takes.
	Pace time.Duration
}

// Loop generates for requests that come and go (continuous batching): each step of
// its one Batch runs whoever is there. A request gives the same bits whoever runs
// beside it, however its prompt is cut, and whatever was kept of requests before it.
// Clients take turns, the requests of one begin in the order of their coming: each as
// soon as there is room for the context of its prompt and of as many tokens as
// it may generate.
//
// A Loop has a goroutine, so it must be closed. Its methods may be called from
// several goroutines.
type Loop struct {
	model    *Model
	o        LoopOptions
	room     int64    // bytes of context between two steps; unused if MaxBytes is 0
	batch    *Batch   // the goroutine's alone, as are those below it
	prefixes prefixes // kept for requests to come
	chunk    int      // tokens of prompts for the next step

	mu       sync.Mutex
	queue    queue   // they wait for room
	admitted []*lane // they run from the next step on
	running  []*lane // only the goroutine changes it
	promised int64   // bytes that those admitted and running may need
	stats    LoopStats
	draining bool // no more requests
	closed   bool // and those that there are end

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
type QueueFullError struct {
	Waiting int           // requests
	Tokens  int           // of their prompts
	Wait    time.Duration // until these are read, as fast as the last ones were; 0: unknown
}

// Error says it in a line.
func (e *QueueFullError) Error() string {
	wait := fmt.Sprintf("%d requests wait", e.Waiting)
	if e.Waiting == 1 {
		wait = "1 request waits"
	}
	return fmt.Sprintf("the queue is full, %s: try again later", wait)
}

// TooLargeError refuses a request that can never run: its context may need
// more bytes than the loop has.
type TooLargeError struct{ Bytes, Room int64 }

// Error says it in a line.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the context of the request may need %d bytes, there is room for %d: shorten the prompt, or generate fewer tokens", e.Bytes, e.Room)
}

// Loop starts a loop, which must be closed.
func (m *Model) Loop(o LoopOptions) *Loop {
	l := m.newLoop(o)
	go l.run()
	return l
}

// newLoop makes a loop without its goroutine.
func (m *Model) newLoop(o LoopOptions) *Loop {
	if o.MaxSequences <= 0 {
		o.MaxSequences = 64
	}
	if o.Chunk <= 0 {
		o.Chunk = 128
	}
	l := &Loop{
		model: m, o: o, batch: m.NewBatch(0), chunk: o.Chunk,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if l.prefixes.most = o.Keep; o.Keep <= 0 && o.MaxBytes > 0 {
		l.prefixes.most = maxPrefixes
	}
	for o.MaxBytes > 0 && l.chunk > leastChunk && l.batch.passBytes(l.chunk) > o.MaxBytes/2 {
		l.chunk = max(min(l.chunk, l.batch.max)/2, leastChunk) // sequences need room, too
	}
	l.o.Chunk = l.chunk
	l.room = max(0, o.MaxBytes-l.batch.passBytes(l.chunk))
	l.batch.cache.limit, l.batch.cache.evict = o.MaxBytes, l.prefixes.evict
	l.step, l.abandon = context.WithCancelCause(context.Background())
	return l
}

// Submit lets a request run until it has come to its end or ctx ends, which it then
// does within a step. A request is refused if it is wrong, with a *TooLargeError if it
// can never run, with a *QueueFullError if too many wait, and with ErrLoopClosed.
func (l *Loop) Submit(ctx context.Context, q Request) (*Stream, error) {
	all, err := l.SubmitAll(ctx, []Request{q})
	var of *RequestError
	if errors.As(err, &of) {
		return nil, of.Err
	}
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// SubmitAll is Submit of several requests, all or none. One that is refused for itself is
// told of by a *RequestError. The prompt of requests that follow each other and have the
// same one, under the same overlay, is read once for all of them.
func (l *Loop) SubmitAll(ctx context.Context, qs []Request) ([]*Stream, error) {
	all := make([]*Stream, len(qs))
	var some []*Stream // that have something to do
	for i, q := range qs {
		if err := l.check(q); err != nil {
			return nil, &RequestError{i, err}
		}
		if all[i] = newStream(ctx, q); q.runs() {
			some = append(some, all[i])
		}
	}
	if err := l.enqueue(l.lanes(some)); err != nil {
		return nil, err
	}
	for _, s := range all {
		if !s.req.runs() {
			s.finish("length")
			s.end()
		}
	}
	return all, nil
}

// check reports why a request cannot run, if it cannot.
func (l *Loop) check(q Request) error {
	if err := l.model.checkRequest(q); err != nil {
		return err
	}
	a := newLane(newStream(context.Background(), q))
	if a.price(l.model); !l.fits(a) {
		return &TooLargeError{a.bytes(), l.room}
	}
	return nil
}

// fits says whether a lane fits in when nothing else runs.
func (l *Loop) fits(a *lane) bool {
	return len(a.streams) <= l.o.MaxSequences && (l.o.MaxBytes <= 0 || a.bytes() <= l.room)
}

// lanes puts requests into lanes: those that follow each other and have the same prompt
// into one, as many as fit in.
func (l *Loop) lanes(all []*Stream) (lanes []*lane) {
	for _, s := range all {
		if n := len(lanes) - 1; n >= 0 && lanes[n].alike(s.req) {
			a := lanes[n]
			a.streams = append(a.streams, s)
			if a.price(l.model); l.fits(a) {
				continue
			}
			a.streams = a.streams[:len(a.streams)-1]
			a.price(l.model)
		}
		a := newLane(s)
		a.price(l.model)
		lanes = append(lanes, a)
	}
	return lanes
}

// enqueue lets lanes run from one step on, as far as there is room.
func (l *Loop) enqueue(lanes []*lane) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.draining {
		return ErrLoopClosed
	}
	streams, tokens := l.queue.streams, l.queue.tokens
	for _, a := range lanes {
		streams += len(a.streams)
		tokens += len(a.Prompt)
	}
	if l.queue.streams > 0 && (l.o.Queue > 0 && streams > l.o.Queue || l.o.QueueTokens > 0 && tokens > l.o.QueueTokens) {
		return &QueueFullError{l.queue.streams, l.queue.tokens, l.stats.timeFor(l.queue.tokens)}
	}
	for _, a := range lanes {
		l.queue.push(a)
	}
	l.admit()
	for _, a := range lanes {
		for _, s := range a.streams {
			s.unwatch = context.AfterFunc(s.ctx, func() { l.cancelled(s) })
		}
	}
	l.poke()
	return nil
}

// admit lets those in the queue run, in order, as long as there is room.
func (l *Loop) admit() {
	streams := 0
	for _, a := range slices.Concat(l.running, l.admitted) {
		streams += len(a.streams)
	}
	for a := l.queue.first(); a != nil; a = l.queue.first() {
		if streams += len(a.streams); streams > l.o.MaxSequences || l.o.MaxBytes > 0 && l.promised+a.bytes() > l.room {
			return
		}
		l.queue.pop()
		l.admitted = append(l.admitted, a)
		l.promised += a.bytes()
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
	waited := l.queue.remove(s)
	if waited {
		l.admit()
	}
	alive := func(a *lane) bool {
		return slices.ContainsFunc(a.streams, func(s *Stream) bool { return s.ctx.Err() == nil })
	}
	if len(l.running) > 0 && !slices.ContainsFunc(l.running, alive) {
		l.abandon(context.Canceled)
	}
	l.poke()
	l.mu.Unlock()
	if waited {
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
	all := slices.Concat(l.running, l.admitted, l.queue.all())
	l.running, l.admitted, l.queue, l.draining = nil, nil, queue{}, true
	l.mu.Unlock()
	for _, a := range slices.Backward(all) {
		for _, s := range slices.Backward(a.streams) {
			s.fail(ErrLoopClosed)
			defer s.end() // even if the Emit of another does not return
		}
		if a.seq != nil {
			a.seq.Release()
		}
	}
	for l.prefixes.evict() {
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
		var running []*lane
		for _, a := range slices.Concat(l.running, l.admitted) {
			over := l.over(a)
			gone = append(gone, over...)
			switch {
			case len(a.streams) > 0:
				running = append(running, a.split()...)
			case a.seq != nil:
				l.leave(a, over[len(over)-1])
			}
		}
		l.running, l.admitted = running, nil
		l.admit()
	}
	l.stats.Running, l.stats.Kept, l.stats.Memory = 0, len(l.prefixes.kept), l.batch.Memory()
	for _, a := range l.running {
		l.stats.Running += len(a.streams)
	}
	if l.step.Err() != nil && !l.closed {
		l.step, l.abandon = context.WithCancelCause(context.Background())
	}
	return gone, l.closed || l.draining && len(l.running) == 0
}

// over takes the streams that are over out of a lane.
func (l *Loop) over(a *lane) (gone []*Stream) {
	a.streams = slices.DeleteFunc(a.streams, func(s *Stream) bool {
		if err := cmp.Or(s.ctx.Err(), l.model.checkOverlay(s.req.Overlay)); err != nil {
			s.fail(err)
		}
		if s.over {
			gone = append(gone, s)
			l.promised -= s.bytes
			if a.share.streams--; a.share.streams == 0 {
				l.promised -= a.share.bytes
			}
		}
		return s.over
	})
	return gone
}

// leave ends a lane whose last stream has ended. Its sequence is kept if the request
// allows it.
func (l *Loop) leave(a *lane, last *Stream) {
	if last.failed == nil && l.caches(a) {
		l.keep(a, a.seq, a.processed(last))
		return
	}
	a.seq.Release()
}

// caches says whether what a lane computes is kept.
func (l *Loop) caches(a *lane) bool { return l.prefixes.most > 0 && a.Cache != nil }

func (l *Loop) keep(a *lane, s *Seq, tokens []int32) {
	l.prefixes.keep(&prefix{a.key(), tokens, s, slices.Clone(a.parted)})
}

// begin lets a lane begin, behind what was kept of its prompt if it may be used and
// there is room for what it needs then: chunks of the cache that others share with it
// may be partly filled.
func (l *Loop) begin(a *lane) {
	a.edits = l.model.edition()
	l.prefixes.forget(a.edits)
	var from *prefix
	if !l.caches(a) {
		a.cuts = nil
	}
	if l.caches(a) && !a.PromptLogProbs {
		from = l.prefixes.take(a.key(), a.Prompt)
	}
	if from == nil {
		a.begin(l.batch, nil)
		return
	}
	switch {
	case !l.affords(a, from):
		a.begin(l.batch, nil)
		l.prefixes.keep(from)
	case l.keeps(1):
		mine := *from
		mine.seq = from.seq.Fork()
		a.begin(l.batch, &mine)
		l.prefixes.keep(from) // only now, lest the fork's memory is made of it
	default:
		a.begin(l.batch, from) // which is then not kept any more
	}
	l.mu.Lock()
	l.stats.Cached += a.seq.n
	l.mu.Unlock()
}

// affords says whether there is room for what a lane needs behind a prefix, and promises
// it.
func (l *Loop) affords(a *lane, from *prefix) bool {
	need, each := a.need(l.model, from)
	for _, bytes := range each {
		need += bytes
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	more := max(0, need-a.bytes())
	if l.o.MaxBytes > 0 && l.promised+more > l.room {
		return false
	}
	l.promised += more
	a.share.bytes += more
	return true
}

// keeps says whether there is room, beside what is promised, to keep a number of sequences
// more: they share keys and values with those that run, for which there is room, but each
// has states of the delta-nets, which may be larger than all keys and values.
func (l *Loop) keeps(sequences int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.o.MaxBytes <= 0 || l.promised+sequences*l.batch.cache.deltaBytes <= l.room
}

// pass runs one step: a token of each sequence that generates and tokens of prompts, in
// order.
func (l *Loop) pass() {
	for _, a := range l.running {
		if a.seq == nil {
			l.begin(a)
		}
	}
	var who []*lane
	var spans []span
	read := 0
	forks := int64(0)
	room := func() bool { forks++; return l.keeps(forks) }
	for i, n := range portions(l.running, l.chunk) {
		if n == 0 {
			continue
		}
		a := l.running[i]
		if a.reading() {
			read += n
		}
		spans = append(spans, a.span(n, len(who), room))
		who = append(who, a)
	}
	began := time.Now()
	err := l.batch.eachRow(l.step, job{}, spans, func(r logitRow, logits []float32) {
		who[r.tag].row(l.model, r.index, logits)
	})
	for _, a := range who {
		for _, f := range a.forks {
			if err == nil {
				l.keep(a, f, a.Prompt[:f.n])
			} else {
				f.Release()
			}
		}
		a.forks = nil
	}
	if errors.Is(err, ErrStaleOverlay) {
		return // nothing was computed: exchange ends those whose overlay it is
	}
	if err != nil {
		l.failAll(err)
		return
	}
	l.pace(read, time.Since(began))
	for i, a := range who {
		a.fed(l.model, len(spans[i].tokens))
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
	for _, a := range l.running {
		for _, s := range a.streams {
			s.fail(cmp.Or(s.ctx.Err(), err))
		}
	}
}
