package engine

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"
)

// Event is what a request has to tell: one generated token with the text that may be
// shown since the event before, or, as the last one, only text.
type Event struct {
	ID int32 // NoToken if there is only text that had been held back
	// Text has whole characters, and nothing that a stop text may begin with. It may
	// be empty, and more than the token's own.
	Text string
	// LogProb is the natural logarithm of the token's probability, and Top those of
	// the likeliest tokens, if the request asks for them. They are the model's own,
	// whatever the sampling makes of them.
	LogProb float64
	Top     []LogProb
	// Prompt tells of the prompt's tokens but the first, which nothing predicts, if the
	// request asks for them. The first event then has them and nothing else.
	Prompt []TokenLogProb
}

// TokenLogProb is the natural logarithm of the probability of a token that was given,
// and those of the likeliest in its place, if the request asks for them.
type TokenLogProb struct {
	LogProb float64
	Top     []LogProb
}

// NoToken is the ID of an event that has text, but no token.
const NoToken = -1

// LogProb is the natural logarithm of a token's probability.
type LogProb struct {
	ID      int32
	LogProb float64
}

// PanicError says that a function of a request, or its sampling, panicked.
type PanicError struct {
	Value any
	Stack []byte // where, in many lines
}

// Error says it in a line.
func (e *PanicError) Error() string {
	return fmt.Sprintf("a function of the request panicked: %v", e.Value)
}

// Stream is a request in a Loop: its events as they come, and how it ends. Nobody
// has to read it: the loop does not wait for a reader.
type Stream struct {
	ctx     context.Context
	req     Request
	bytes   int64       // of context that it may need, beside those of its lane's share
	unwatch func() bool // ends the watch over ctx

	// The loop's, once it runs.
	last    [1]int32 // the token to be processed next, once there is one
	sampler *Sampler
	text    *safeText
	chosen  Event
	over    bool  // it runs no more
	failed  error // why
	result  Result

	mu     sync.Mutex
	events []Event // that Next has not returned
	times  [2]time.Time
	news   chan struct{}
	done   chan struct{} // closed when result is whole
}

func newStream(ctx context.Context, q Request) *Stream {
	return &Stream{
		ctx: ctx, req: q, unwatch: func() bool { return true },
		news: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// Next waits for the next event. After the last one it returns io.EOF; Result then
// tells how the request ended. An error of ctx ends the waiting alone, not the
// request: a server may wait for so long, tell its client that it is alive, and go
// on waiting.
func (s *Stream) Next(ctx context.Context) (Event, error) {
	for {
		if e, ok := s.take(); ok {
			return e, nil
		}
		select {
		case <-s.news:
		case <-s.done:
			if e, ok := s.take(); ok {
				return e, nil
			}
			return Event{}, io.EOF
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}

// take returns the oldest event, if there is one.
func (s *Stream) take() (Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.events) == 0 {
		return Event{}, false
	}
	e := s.events[0]
	s.events = s.events[1:]
	return e, true
}

// Result waits for the end of the request.
func (s *Stream) Result() Result {
	<-s.done
	return s.result
}

// Times are when the first and the latest token were made, whenever somebody reads them;
// zero as long as there is none.
func (s *Stream) Times() (first, latest time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.times[0], s.times[1]
}

// made notes that a token is made.
func (s *Stream) made() {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.times[1] = now; s.times[0].IsZero() {
		s.times[0] = now
	}
}

// begin makes what the request needs to run. cached tokens of its prompt need not be
// processed.
func (s *Stream) begin(m *Model, cached int) {
	s.sampler, s.text = s.req.Sampling.Sampler(), newSafeText(m.tok, s.req.StopTexts)
	s.sampler.Prompt(s.req.Prompt)
	s.result.Prompted, s.result.Cached = cached, cached
}

// choose makes the next token of logits.
func (s *Stream) choose(m *Model, logits []float32) {
	s.safely(func() {
		s.chosen = Event{ID: s.sampler.Next(logits)}
		if s.req.LogProbs || s.req.TopLogProbs > 0 {
			s.chosen.logProbs(s.sampler, m.LogSumExp(logits), logits, s.req.TopLogProbs)
		}
	})
}

// logProbs fills in the log-probabilities of the token and of the n likeliest, whose
// order the sampler has at hand. lse is ln Σ e^logit.
func (e *Event) logProbs(s *Sampler, lse float64, logits []float32, n int) {
	e.LogProb = float64(logits[e.ID]) - lse
	if n > 0 {
		e.Top = s.order(logits).top(n, lse)
	}
}

// tokenLogProb is what logits say of a token and of the n likeliest.
func (m *Model) tokenLogProb(id int32, logits []float32, n int) TokenLogProb {
	lse := m.LogSumExp(logits)
	p := TokenLogProb{LogProb: float64(logits[id]) - lse}
	if n > 0 {
		order := ranking{kernel: m.kernel}
		order.reset(logits)
		p.Top = order.top(n, lse)
	}
	return p
}

// accept adds the chosen token to the result and finds out whether it is the last.
// processed tokens are in the sequence.
func (s *Stream) accept(m *Model, processed int) {
	if s.over {
		return
	}
	r := &s.result
	if s.req.Max <= 0 {
		s.finish("length")
		return
	}
	r.Generated++
	s.made()
	if m.tok.IsEnd(s.chosen.ID) {
		s.finish("stop")
		return
	}
	r.IDs = append(r.IDs, s.chosen.ID)
	s.chosen.Text = s.text.push(s.chosen.ID)
	s.emit(s.chosen)
	switch {
	case s.failed != nil: // by a panic
	case s.text.stop != "":
		r.StopText = s.text.stop
		s.finish("stop")
	case s.req.Until.Reached(m.tok, r.IDs), s.stops():
		s.finish("stop")
	case m.config.Context > 0 && processed >= m.config.Context, len(r.IDs) >= s.req.Max:
		s.finish("length")
	default:
		s.last[0] = s.chosen.ID
	}
}

// stops asks the request's Stop.
func (s *Stream) stops() (stop bool) {
	if s.req.Stop != nil {
		s.safely(func() { stop = s.req.Stop(s.result.IDs) })
	}
	return stop
}

func (s *Stream) finish(why string) { s.result.Finish, s.over = why, true }

// fail ends the request with an error, unless it has ended.
func (s *Stream) fail(err error) {
	if !s.over {
		s.failed, s.over = err, true
	}
}

// safely lets a panic of f end the request, and nothing else.
func (s *Stream) safely(f func()) {
	returned := false
	defer func() {
		if v := recover(); v != nil {
			s.over, s.failed = true, &PanicError{v, debug.Stack()}
		} else if !returned { // by runtime.Goexit, which ends the loop
			s.over, s.failed = true, &PanicError{"it ended the loop's goroutine", debug.Stack()}
		}
	}()
	f()
	returned = true
}

// emit tells an event, to whom the request says.
func (s *Stream) emit(e Event) {
	if s.req.Emit != nil {
		s.safely(func() { s.req.Emit(e) })
		return
	}
	s.mu.Lock()
	s.events = append(s.events, e)
	s.mu.Unlock()
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// end makes the result whole.
func (s *Stream) end() {
	defer func() { // also if Emit does not return
		if s.failed != nil {
			s.result.Finish, s.result.Err = "", s.failed
		}
		close(s.done)
	}()
	s.unwatch()
	if s.text == nil { // it never ran
		return
	}
	tail := s.text.flush()
	s.result.Text = s.text.shown.String()
	if _, panicked := s.failed.(*PanicError); tail != "" && !panicked {
		s.emit(Event{ID: NoToken, Text: tail})
	}
}
