package engine

import (
	"cmp"
	"context"
	"fmt"
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
}

// Result is a finished generation.
type Result struct {
	IDs    []int32
	Finish string // "stop": the model or Stop ended it; "length": Max or the context did
	Err    error  // why there is nothing: a *RequestError, if the request was refused
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
	out := make([]Result, len(reqs))
	var refused error
	var good []int
	for i, q := range reqs {
		if err := m.checkRequest(q); err != nil {
			out[i].Err = &RequestError{i, err}
			refused = cmp.Or(refused, out[i].Err)
			continue
		}
		out[i].Finish = "length"
		if q.Max > 0 {
			good = append(good, i)
		}
	}
	b := m.NewBatch(0)
	for wave := range slices.Chunk(good, generateSeqs) {
		if err := b.generate(ctx, wave, reqs, out, emit); err != nil {
			return out, err
		}
	}
	return out, refused
}

// checkRequest reports why a request cannot be run, if it cannot.
func (m *Model) checkRequest(q Request) error {
	if len(q.Prompt) == 0 {
		return ErrEmptyPrompt
	}
	if err := q.Sampling.Check(); err != nil {
		return err
	}
	if err := m.checkOverlay(q.Overlay); err != nil {
		return err
	}
	return m.checkTokens(q.Prompt, 0)
}

// running is a request in progress.
type running struct {
	i       int // its index
	in      Input
	sampler *Sampler
}

// generate continues the requests with the given indices together.
func (b *Batch) generate(ctx context.Context, wave []int, reqs []Request, out []Result, emit func(i int, id int32)) error {
	var active []*running
	defer func() {
		for _, r := range active {
			r.in.Seq.Release()
		}
	}()
	for _, i := range wave {
		q := reqs[i]
		active = append(active, &running{
			i: i, in: Input{Seq: b.NewSeq(q.Overlay), Tokens: q.Prompt, Logits: 1}, sampler: q.Sampling.Sampler(),
		})
	}
	for len(active) > 0 {
		in := make([]Input, len(active))
		for n, r := range active {
			in[n] = r.in
		}
		next := make([]int32, len(active))
		err := b.eachRow(ctx, job{}, spansOf(in), func(r logitRow, logits []float32) {
			next[r.tag] = active[r.tag].sampler.Next(logits)
		})
		if err != nil {
			return err
		}
		going := active[:0]
		for n, r := range active {
			if b.accept(r, &reqs[r.i], &out[r.i], next[n], emit) {
				going = append(going, r)
			} else {
				r.in.Seq.Release()
			}
		}
		active = going
	}
	return nil
}

// accept adds a token to a result and says whether to go on.
func (b *Batch) accept(r *running, q *Request, out *Result, id int32, emit func(int, int32)) bool {
	if b.model.tok.IsEnd(id) {
		out.Finish = "stop"
		return false
	}
	out.IDs = append(out.IDs, id)
	if emit != nil {
		emit(r.i, id)
	}
	if q.Stop != nil && q.Stop(out.IDs) {
		out.Finish = "stop"
		return false
	}
	if limit := b.model.config.Context; limit > 0 && r.in.Seq.n >= limit {
		return false
	}
	r.in.Tokens = []int32{id}
	return len(out.IDs) < q.Max
}
