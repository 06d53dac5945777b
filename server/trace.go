package server

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"bankai/engine"
	"bankai/internal/anatomy"
	"bankai/internal/source"
	"bankai/internal/text"
)

// Bounds of traces, which run beside the answers of the loop and take as much of the
// processor as a prompt of twice their tokens.
const (
	maxTraced       = 2048 // tokens of a prompt
	maxWaitingTrace = 8    // requests that wait for their turn
)

// trace answers POST /api/trace: on which tokens and layers patches act, in the document of
// `bankai trace`.
func (s *Server) trace(x *exchange) error {
	f, err := x.read()
	if err != nil {
		return err
	}
	lens := f.bool("lens")
	ids, set, err := x.traced(f)
	if err != nil {
		return err
	}
	if len(ids) > maxTraced {
		f := invalid("prompt", "the prompt has %d tokens: at most %d are traced at once", len(ids), maxTraced)
		f.code = "context_length_exceeded"
		return f
	}
	ctx, end, err := s.traces.begin(x.r.Context())
	if err != nil {
		return err
	}
	defer end()
	m := x.loaded.model
	trace, err := m.Trace(ctx, ids, set.overlay, engine.TraceOptions{Lens: lens})
	if err != nil {
		return err
	}
	x.used = spent{{prompt: len(ids)}}
	if patches := headerOf(x.sets); patches != "" {
		x.w.Header().Set(patchHeader, patches)
	}
	var names []string
	for _, p := range set.patches {
		names = append(names, p.shown())
	}
	ref := source.ModelRef{Name: text.Line(source.ModelName(x.name, m.Config())), Path: x.name, Digest: m.Digest()}
	return x.document(anatomy.NewTrace(ref, m.Tokenizer(), names, ids, trace))
}

// traced takes the prompt, or the messages of a chat, and the patches of a trace.
func (x *exchange) traced(f *fields) (ids []int32, set *patchSet, err error) {
	var prompts [][]int32
	var talk *conversation
	_, asText := f.members["prompt"]
	if _, asChat := f.members["messages"]; asChat && !asText {
		talk = f.conversation()
	} else {
		prompts = f.prompts(x.loaded)
	}
	if set, x.asked, err = x.under(f, x.s.o); err != nil && f.fault == nil {
		return nil, nil, err
	}
	if err := f.end(); err != nil {
		return nil, nil, err
	}
	if talk != nil {
		if ids, err = x.prompt(talk); err != nil {
			return nil, nil, err
		}
		prompts = [][]int32{ids}
	}
	if len(prompts) != 1 {
		return nil, nil, invalid("prompt", "prompt has %d prompts: one is traced at a time", len(prompts))
	}
	x.sets = []*patchSet{set}
	if x.s.o.LogPrompts {
		x.question = x.loaded.model.Tokenizer().Decode(prompts[0])
	}
	return prompts[0], set, x.fitContext(prompts, "prompt", 0)
}

// traces lets one trace run at a time.
type traces struct {
	turn    chan struct{} // holds something while one runs
	waiting atomic.Int32
	over    context.Context // ends when there are to be no more
	end     context.CancelFunc
}

func newTraces() *traces {
	t := &traces{turn: make(chan struct{}, 1)}
	t.over, t.end = context.WithCancel(context.Background())
	return t
}

// begin waits for a turn. The trace runs by the context that is returned, and done gives
// the turn to the next.
func (t *traces) begin(ctx context.Context) (within context.Context, done func(), err error) {
	defer t.waiting.Add(-1)
	if t.waiting.Add(1) > maxWaitingTrace {
		return nil, nil, &failure{
			status: http.StatusTooManyRequests, kind: kindOverloaded, code: "queue_full",
			message: "many traces wait already: try again later", retryAfter: 2 * time.Second,
		}
	}
	draining := unavailable("draining", "the server is going down: ask again when it is back")
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	case <-t.over.Done():
		return nil, nil, draining
	}
	if t.over.Err() != nil { // both at the same moment
		<-t.turn
		return nil, nil, draining
	}
	within, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(t.over, cancel)
	return within, func() {
		stop()
		cancel()
		<-t.turn
	}, nil
}

// drain lets no more traces begin, and waits for the one that runs; when ctx ends it is cut
// off.
func (t *traces) drain(ctx context.Context) {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		t.end()
		t.turn <- struct{}{}
	}
	t.end()
	<-t.turn
}
