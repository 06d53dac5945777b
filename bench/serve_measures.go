package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"bankai"
	"bankai/engine"
	"bankai/internal/text"
	bankaiserver "bankai/server"
)

// measured is one thing that a server should do well, and how well it did.
type measured struct {
	Name    string    `json:"name"`
	Goal    *goal     `json:"goal,omitempty"`
	Reached *bool     `json:"reached,omitempty"` // by the median; absent without a goal
	Median  float64   `json:"median"`
	Values  []float64 `json:"values"` // in the order of the rounds
}

// goal is what a median should be.
type goal struct {
	Least float64 `json:"least,omitempty"`
	Most  float64 `json:"most,omitempty"`
}

func (g goal) String() string {
	if g.Least > 0 {
		return fmt.Sprintf("≥ %g", g.Least)
	}
	return fmt.Sprintf("≤ %g", g.Most)
}

func atLeast(v float64) *goal { return &goal{Least: v} }
func atMost(v float64) *goal  { return &goal{Most: v} }

func newMeasured(name string, g *goal, values ...float64) measured {
	m := measured{Name: name, Goal: g, Values: values, Median: middle(values)}
	if g != nil {
		reached := g.Least > 0 && m.Median >= g.Least || g.Most > 0 && m.Median <= g.Most
		m.Reached = &reached
	}
	return m
}

func (m measured) span() (least, most float64) { return slices.Min(m.Values), slices.Max(m.Values) }

// middle is the median.
func middle(values []float64) float64 { return quantile(values, 0.5) }

// quantile is the least value that is not below a share q of all.
func quantile(values []float64, q float64) float64 {
	v := slices.Sorted(slices.Values(values))
	return v[min(int(q*float64(len(v))), len(v)-1)]
}

// site is a model that is measured.
type site struct {
	load
	name, path      string
	threads, rounds int
	only            string // the name of a measure; "": all
	binary          string // bankai's
	llamaServer     string // llama.cpp's server; "" if there is none
	peer            *peer  // or llama.cpp as a library; nil if there is none, either

	model   *engine.Model
	loop    *engine.Loop
	plain   []engine.Request // a request of each user
	patched []engine.Request // the same, each under a patch of its own
	server  *server
}

// patchRows is how many rows each patch turns.
const patchRows = 100

// patch turns rows of the model's gate projections, others for every number.
func (s *site) patch(n int) (*bankai.Patch, error) {
	c := s.model.Config()
	var flips []bankai.Flip
	for i := range patchRows {
		tensor, err := bankai.TensorName((n+i)%c.Layers, "gate_proj")
		if err != nil {
			return nil, err
		}
		flips = append(flips, bankai.Flip{Tensor: tensor, Row: uint32((n*31 + i*7919) % c.FFN), N: bankai.ToEnd})
	}
	return bankai.New(bankai.Digest{}, bankai.Meta{}, flips...), nil
}

// measureNames are the names of the measures, in order.
var measureNames = []string{"patches", "adding", "overhead", "llama", "long"}

// measure takes the measures. The model runs twice: in the server, and in a loop in this
// process, which has no server around it.
func (s *site) measure(ctx context.Context) (all []measured, err error) {
	if s.model, err = engine.Open(s.path, engine.Options{Threads: s.threads}); err != nil {
		return nil, err
	}
	defer s.model.Close()
	s.loop = s.model.Loop(engine.LoopOptions{Chunk: bankaiserver.StepTokens, Pace: bankaiserver.StepTime})
	defer s.loop.Close()
	if s.server, err = startBankai(ctx, s.binary, s.path, s.threads); err != nil {
		return nil, err
	}
	defer s.server.stop()
	if err := s.requests(ctx); err != nil {
		return nil, err
	}
	takes := []func(context.Context) ([]measured, error){s.patches, s.adding, s.overhead, s.against, s.longPrompt}
	for i, name := range measureNames {
		if s.only != "" && s.only != name {
			continue
		}
		progress("%s: %s", s.name, name)
		more, err := takes[i](ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, m := range more {
			progress("  %s: %s", m.Name, text.ThreeDigits(m.Median))
		}
		all = append(all, more...)
	}
	return all, nil
}

// requests makes those of the users, and gives the server their patches.
func (s *site) requests(ctx context.Context) error {
	for i := range s.users {
		p, err := s.patch(i)
		if err != nil {
			return err
		}
		o, err := s.model.Overlay(p)
		if err != nil {
			return err
		}
		if _, err := s.put(ctx, patchName(i), p); err != nil {
			return err
		}
		q := s.request(i, s.prompt, s.tokens)
		s.plain = append(s.plain, q)
		q.Overlay = o
		s.patched = append(s.patched, q)
	}
	return nil
}

func patchName(i int) string { return fmt.Sprintf("p%d", i) }

// request is one that no other begins like, and that the model does not end by itself.
func (s *site) request(user, prompt, tokens int) engine.Request {
	ids := make([]int32, prompt)
	for i := range ids {
		ids[i] = int32((37*i + 11*user) % 200)
	}
	end := s.model.Tokenizer().EOS()
	return engine.Request{Prompt: ids, Max: tokens, Sampling: engine.Sampling{Bias: map[int32]float32{end: -100}}}
}

// put gives the server a patch, and returns how long it took.
func (s *site) put(ctx context.Context, name string, p *bankai.Patch) (time.Duration, error) {
	data, err := p.Encode()
	if err != nil {
		return 0, err
	}
	return s.server.put(ctx, "/api/patches/"+name, data)
}

// inTurn measures two things in turn, either first in half of the rounds, after a round
// that does not count.
func (s *site) inTurn(a, b func() (float64, error)) (as, bs []float64, err error) {
	for i := range s.rounds + 1 {
		turns := []func() error{
			func() error { v, err := a(); as = append(as, v); return err },
			func() error { v, err := b(); bs = append(bs, v); return err },
		}
		if i%2 == 1 {
			slices.Reverse(turns)
		}
		for _, turn := range turns {
			if err := turn(); err != nil {
				return nil, nil, err
			}
		}
	}
	return as[1:], bs[1:], nil
}

// fastest is the ratio of the least values: what a busy machine disturbs least.
func fastest(as, bs []float64) float64 { return slices.Min(as) / slices.Min(bs) }

// ratios are those of pairs.
func ratios(as, bs []float64) []float64 {
	out := make([]float64, len(as))
	for i := range out {
		out[i] = as[i] / bs[i]
	}
	return out
}

// looped is how many seconds the loop in this process needs for requests.
func (s *site) looped(ctx context.Context, all []engine.Request) (float64, error) {
	began := time.Now()
	streams, err := s.loop.SubmitAll(ctx, all)
	if err != nil {
		return 0, err
	}
	for _, t := range streams {
		if r := t.Result(); r.Err != nil || r.Generated != s.tokens {
			return 0, fmt.Errorf("%d tokens were generated, not %d: %v", r.Generated, s.tokens, r.Err)
		}
	}
	return time.Since(began).Seconds(), nil
}

// patches compares 16 users under 16 patches with as many without.
func (s *site) patches(ctx context.Context) ([]measured, error) {
	loop := func(all []engine.Request) func() (float64, error) {
		return func() (float64, error) { return s.looped(ctx, all) }
	}
	plain, patched, err := s.inTurn(loop(s.plain), loop(s.patched))
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%d sequences under %d patches, speed over that without", s.users, s.users)
	out := []measured{
		newMeasured(name+": engine.Loop", atLeast(0.95), ratios(plain, patched)...),
		newMeasured("the same, of the fastest rounds", nil, fastest(plain, patched)),
	}
	serve := func(model func(int) string) func() (float64, error) {
		return func() (float64, error) {
			c, err := s.server.crowd(ctx, s.plain, model)
			return c.seconds, err
		}
	}
	under := func(i int) string { return s.server.model + ":" + patchName(i) }
	if plain, patched, err = s.inTurn(serve(s.server.base), serve(under)); err != nil {
		return nil, err
	}
	return append(out,
		newMeasured(name+": server", atLeast(0.95), ratios(plain, patched)...),
		newMeasured("the same, of the fastest rounds", nil, fastest(plain, patched))), nil
}

// overhead compares a server whose clients read streams with the loop alone.
func (s *site) overhead(ctx context.Context) ([]measured, error) {
	served, looped, err := s.inTurn(
		func() (float64, error) {
			c, err := s.server.crowd(ctx, s.plain, s.server.base)
			return c.seconds, err
		},
		func() (float64, error) { return s.looped(ctx, s.plain) })
	if err != nil {
		return nil, err
	}
	more := ratios(served, looped)
	for i := range more {
		more[i] = 100 * (more[i] - 1)
	}
	return []measured{
		newMeasured("engine.Loop alone, tokens/s", nil, s.speeds(looped)...),
		newMeasured(fmt.Sprintf("server with %d streams, more time than engine.Loop alone, %%", s.users), atMost(3), more...),
		newMeasured("the same, of the fastest rounds", nil, 100*(fastest(served, looped)-1)),
	}, nil
}

// speeds are tokens a second of all users together.
func (s *site) speeds(seconds []float64) []float64 {
	out := make([]float64, len(seconds))
	for i, v := range seconds {
		out[i] = float64(s.users*s.tokens) / v
	}
	return out
}

// additions is how many patches are added beside a stream.
const additions = 10

// adding adds patches while a stream runs, whose gaps are compared with those of one that
// nothing is added beside.
func (s *site) adding(ctx context.Context) ([]measured, error) {
	var idle, beside []float64 // milliseconds of additions
	name := func(n int) string { return fmt.Sprintf("added%d", n) }
	number := s.users
	add := func(to *[]float64) error {
		p, err := s.patch(number)
		if err != nil {
			return err
		}
		took, err := s.put(ctx, name(number), p)
		*to = append(*to, 1e3*took.Seconds())
		number++
		return err
	}
	for range additions {
		if err := add(&idle); err != nil {
			return nil, err
		}
	}
	q := s.request(0, s.prompt, s.tokens)
	gap := func(during func() error) func() (float64, error) {
		return func() (float64, error) {
			added := make(chan error, 1)
			var once bool
			t, err := s.server.stream(ctx, q, s.server.model, func(tokens int) {
				if tokens == 2 && !once { // the prompt is read
					once = true
					go func() { added <- during() }()
				}
			})
			if err != nil {
				return 0, err
			}
			return t.longestGap(), <-added
		}
	}
	with, without, err := s.inTurn(
		gap(func() error {
			for range additions {
				if err := add(&beside); err != nil {
					return err
				}
				time.Sleep(5 * time.Millisecond)
			}
			return nil
		}),
		gap(func() error { return nil }))
	if err != nil {
		return nil, err
	}
	overlay, err := s.server.mean(ctx, "bankai_overlay_seconds")
	if err != nil {
		return nil, err
	}
	return []measured{
		newMeasured("adding a patch of 100 rows, ms", atMost(1), idle...),
		newMeasured("adding one beside a stream, ms", atMost(1), beside...),
		newMeasured("bankai_overlay_seconds, mean in ms", atMost(1), 1e3*overlay),
		newMeasured("longest gap of that stream, over that of one beside which nothing is added", atMost(1.1), ratios(with, without)...),
	}, nil
}

// against compares users of the server with those of llama.cpp.
func (s *site) against(ctx context.Context) ([]measured, error) {
	run := func() (crowd, error) { return s.peer.crowd(ctx, s.path, s.threads, s.load) }
	switch {
	case s.llamaServer != "":
		other, err := startLlama(ctx, s.llamaServer, s.path, s.threads, s.load)
		if err != nil {
			return nil, err
		}
		defer other.stop()
		run = func() (crowd, error) { return other.crowd(ctx, s.plain, other.base) }
	case s.peer == nil:
		return nil, nil
	}
	var first, peerFirst []float64
	of := func(firsts *[]float64, run func() (crowd, error)) func() (float64, error) {
		return func() (float64, error) {
			c, err := run()
			if err == nil {
				*firsts = append(*firsts, quantile(c.first, 0.95))
			}
			return c.seconds, err
		}
	}
	peers, own, err := s.inTurn(of(&peerFirst, run),
		of(&first, func() (crowd, error) { return s.server.crowd(ctx, s.plain, s.server.base) }))
	if err != nil {
		return nil, err
	}
	return []measured{
		newMeasured(fmt.Sprintf("llama.cpp with %d users, tokens/s", s.users), nil, s.speeds(peers)...),
		newMeasured(fmt.Sprintf("bankai with %d users, tokens/s", s.users), nil, s.speeds(own)...),
		newMeasured("bankai's tokens/s over llama.cpp's", atLeast(3), ratios(peers, own)...),
		newMeasured("the same, of the fastest rounds", nil, fastest(peers, own)),
		newMeasured("bankai's p95 of the time to the first token over llama.cpp's", atMost(1), ratios(first[1:], peerFirst[1:])...),
	}, nil
}
