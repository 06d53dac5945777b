package engine

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
)

// Request is a prompt to be continued.
type Request struct {
	Prompt   []int32
	Overlay  *Overlay // nil: the model as it is
	Max      int      // tokens to generate at most
	Sampling Sampling // zero: greedy
	// Stop, if set, ends the generation when it returns true for the tokens so far.
	Stop func(ids []int32) bool
	// Until ends it where that says.
	Until Until
	// StopTexts end the generation as soon as its text has one of them.
	StopTexts []string

	LogProbs    bool // events have the log-probability of their token
	TopLogProbs int  // how many of the likeliest tokens to tell them of, too
	// PromptLogProbs lets the first event tell of the prompt's tokens, too, each given
	// those before it, as Score does. Nothing kept is used then. Max may be 0.
	PromptLogProbs bool

	// Client is who asks: of those whose requests wait, each in turn has one begun.
	Client string
	Cache  *Caching // nil: nothing is kept of the request, nor used that was kept

	// Emit, if set, is told the events, which Stream.Next then does not return. All
	// sequences of the loop wait for it, so it must be quick. It must not close the loop
	// or wait for a request.
	Emit func(Event)
}

// Result is a finished generation.
type Result struct {
	IDs    []int32
	Text   string // of IDs, up to the stop text if one ended it
	Finish string // "stop": the model, a stop text, Until or Stop ended it; "length": Max or the context did; "": see Err
	// StopText is the one that ended the generation, "" if none did.
	StopText string

	Prompted  int // tokens of the prompt that were processed, or need not be: see Cached
	Cached    int // tokens of the prompt whose context had been kept of earlier requests
	Generated int // tokens that were generated, among them the model's end token

	// Err is why the generation did not come to its end: ctx's error if it was
	// cancelled, a *PanicError if a function of the request panicked. What was generated
	// before is there. Generate makes a *RequestError of it.
	Err error
}

// RequestError says which request of a call is refused, and why.
type RequestError struct {
	Request int // index
	Err     error
}

// Error says it in a line.
func (e *RequestError) Error() string { return fmt.Sprintf("request %d: %v", e.Request, e.Err) }

// Unwrap returns the reason.
func (e *RequestError) Unwrap() error { return e.Err }

// generateSeqs is how many requests run together.
const generateSeqs = 64

// Generate continues every request. emit, if not nil, gets each token of request
// i as it appears. An end token is neither emitted nor returned. The result does
// not depend on what else is in the batch. A request that cannot be run is refused
// alone: its result has an Err, the others are generated, and the first such Err is
// what Generate returns. After any other error (of ctx, say) the results hold what
// was generated before it.
func (m *Model) Generate(ctx context.Context, reqs []Request, emit func(i int, id int32)) ([]Result, error) {
	if m.elsewhere != nil {
		return m.generateThrough(ctx, reqs, emit)
	}
	l := m.Loop(LoopOptions{MaxSequences: generateSeqs, Chunk: math.MaxInt})
	defer l.Close()
	out := make([]Result, len(reqs))
	var good []numbered
	for i, q := range reqs {
		if err := l.check(q); err != nil {
			out[i].Err = &RequestError{i, err}
		} else if out[i].Finish = "length"; q.runs() {
			good = append(good, numbered{i, newStream(ctx, tellAlso(q, i, emit))})
		}
	}
	for wave := range slices.Chunk(good, generateSeqs) {
		if err := l.generate(wave, out); err != nil {
			return out, err
		}
	}
	for _, r := range out {
		if r.Err != nil {
			return out, r.Err
		}
	}
	return out, nil
}

// numbered is a request with its index.
type numbered struct {
	i int
	*Stream
}

// generate lets requests begin in the same step and waits for them. Its error is that
// of a ctx that has ended.
func (l *Loop) generate(wave []numbered, out []Result) error {
	all := make([]*Stream, len(wave))
	for n, a := range wave {
		all[n] = a.Stream
	}
	if err := l.enqueue(l.lanes(all)); err != nil {
		return err
	}
	var ended error
	for _, a := range wave {
		r := a.Result()
		if r.Err != nil {
			ended = cmp.Or(ended, a.ctx.Err())
			r.Err = &RequestError{a.i, r.Err}
		}
		out[a.i] = r
	}
	return ended
}

// tellAlso lets a request tell its tokens to emit, too, by its index.
func tellAlso(q Request, i int, emit func(i int, id int32)) Request {
	tell := q.Emit
	q.Emit = func(e Event) {
		if tell != nil {
			tell(e)
		}
		if emit != nil && e.ID != NoToken {
			emit(i, e.ID)
		}
	}
	return q
}

// runs says whether there is anything to compute for a request.
func (q Request) runs() bool { return q.Max > 0 || q.PromptLogProbs }

// checkRequest reports why a request cannot be run, if it cannot.
func (m *Model) checkRequest(q Request) error {
	if len(q.Prompt) == 0 {
		return ErrEmptyPrompt
	}
	if err := q.Sampling.Check(); err != nil {
		return err
	}
	if err := m.checkBias(q.Sampling.Bias); err != nil {
		return fmt.Errorf("bias: %w", err)
	}
	if err := m.checkOverlay(q.Overlay); err != nil {
		return err
	}
	if err := checkStopTexts(q.StopTexts); err != nil {
		return err
	}
	if vocab := m.config.Vocab; q.TopLogProbs < 0 || q.TopLogProbs > vocab {
		return &TopLogProbsError{q.TopLogProbs, vocab}
	}
	return m.checkTokens(q.Prompt, 0)
}
