package server

import (
	"context"
	"io"
	"sync"
	"time"

	"bankai/engine"
)

// piece is what comes of a run next: a token with its text, or the end of a choice.
type piece struct {
	choice int // of all prompts: those of the first one come first
	event  engine.Event
	end    *engine.Result // not nil: the choice is at its end, and there is no event
}

// run is a job under way. All APIs read what comes of it from pieces: first come the
// tokens of the choices, as they are made, then the end of each. After as many ends as
// there are choices nothing comes any more. end has to be called.
type run struct {
	*job
	pieces  <-chan piece
	streams []*engine.Stream
	cancel  context.CancelFunc
	pumps   sync.WaitGroup
}

// usage counts tokens, of all choices.
type usage struct {
	prompt    int // of every prompt once under each patch set, however many choices it has
	generated int
	cached    int // of the prompts' tokens: not computed, but found
}

// start lets a job run, until it is at its end or ctx ends.
func (l *loaded) start(ctx context.Context, j *job) (*run, error) {
	ctx, cancel := context.WithCancel(ctx)
	streams, err := l.loop.SubmitAll(ctx, j.requests())
	if err != nil {
		cancel()
		return nil, err
	}
	pieces := make(chan piece, len(streams))
	r := &run{job: j, pieces: pieces, streams: streams, cancel: cancel}
	for i, s := range streams {
		r.pumps.Go(func() { pump(ctx, i, s, pieces) })
	}
	return r, nil
}

// requests are the engine's, one for each choice of each prompt.
func (j *job) requests() (all []engine.Request) {
	for _, prompt := range j.prompts {
		for i := range j.choices {
			q := engine.Request{
				Prompt: prompt, Overlay: j.under(i).overlay, Max: j.max, Sampling: j.sampling,
				StopTexts: j.stops, LogProbs: j.logProbs, TopLogProbs: j.top, PromptLogProbs: j.promptLogProbs,
				Client: j.client,
			}
			if j.cached {
				q.Cache = &engine.Caching{Tenant: j.tenant, At: j.marks(prompt)}
			}
			if j.compared == nil {
				q.Sampling.Seed += uint64(i)
			}
			all = append(all, q)
		}
	}
	return all
}

// marks are numbers of a prompt's tokens with which later prompts may begin: where a turn
// of the conversation ends, or all of them, but for the last, which has to be processed
// for what follows it.
func (j *job) marks(prompt []int32) []int {
	if j.talk != nil {
		return j.talk.marks
	}
	return []int{len(prompt) - 1}
}

// pump hands on what comes of one choice.
func pump(ctx context.Context, choice int, s *engine.Stream, to chan<- piece) {
	send := func(p piece) bool {
		select {
		case to <- p:
			return true
		case <-ctx.Done():
			return false
		}
	}
	for {
		e, err := s.Next(ctx)
		if err == io.EOF {
			r := s.Result()
			send(piece{choice: choice, end: &r})
			return
		}
		if err != nil || !send(piece{choice: choice, event: e}) {
			return
		}
	}
}

// end cancels what still runs, and waits until it is over, which takes no longer than a
// step of the engine. It returns what the run took under each patch set.
func (r *run) end() (used spent) {
	r.cancel()
	used = make(spent, len(r.sets()))
	for i, s := range r.streams {
		result, u := s.Result(), &used[i%r.choices%len(used)]
		u.generated += result.Generated
		if i%r.choices < len(used) {
			u.prompt += len(r.prompts[i/r.choices])
			u.cached += result.Cached
		}
	}
	r.pumps.Wait()
	return used
}

// spent is what a run took, patch set by patch set.
type spent []usage

// all is the sum.
func (s spent) all() (sum usage) {
	for _, u := range s {
		sum.prompt, sum.generated, sum.cached = sum.prompt+u.prompt, sum.generated+u.generated, sum.cached+u.cached
	}
	return sum
}

// first is when the first token of all choices was made; zero if there is none.
func (r *run) first() (first time.Time) {
	for _, s := range r.streams {
		if at, _ := s.Times(); first.IsZero() || !at.IsZero() && at.Before(first) {
			first = at
		}
	}
	return first
}

// collect waits for all of a run and returns what was generated, choice by choice. each,
// if it is not nil, is told the tokens as they come.
func (r *run) collect(ctx context.Context, each func(choice int, e engine.Event)) ([]engine.Result, error) {
	out := make([]engine.Result, len(r.streams))
	for left := len(out); left > 0; {
		select {
		case p := <-r.pieces:
			if p.end == nil {
				each(p.choice, p.event)
				continue
			}
			if p.end.Err != nil {
				return nil, p.end.Err
			}
			out[p.choice] = *p.end
			left--
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return out, nil
}
