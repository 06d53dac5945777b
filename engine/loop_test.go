package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bankai/internal/testmodel"
)

// inWaves is Generate as one writes it down: 64 requests begin together, each step
// has all of them, and the next ones begin when all have ended.
func inWaves(t testing.TB, m *Model, reqs []Request, emit func(i int, id int32)) []Result {
	t.Helper()
	out := make([]Result, len(reqs))
	b := m.NewBatch(0)
	for first := 0; first < len(reqs); first += generateSeqs {
		var in []Input
		var who []int
		samplers := make([]*Sampler, len(reqs))
		for i := first; i < min(first+generateSeqs, len(reqs)); i++ {
			in, who = append(in, Input{b.NewSeq(reqs[i].Overlay), reqs[i].Prompt, 1}), append(who, i)
			samplers[i] = reqs[i].Sampling.Sampler()
		}
		for len(who) > 0 {
			logits, err := b.Step(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			var nextIn []Input
			var nextWho []int
			for n, i := range who {
				id := samplers[i].Next(logits[n])
				if out[i].accepts(m, reqs[i], id, in[n].Seq.Len(), func() { emit(i, id) }) {
					nextIn, nextWho = append(nextIn, Input{in[n].Seq, []int32{id}, 1}), append(nextWho, i)
				} else {
					in[n].Seq.Release()
				}
			}
			in, who = nextIn, nextWho
		}
	}
	return out
}

// accepts adds a token behind a sequence, and says whether the sequence goes on.
func (r *Result) accepts(m *Model, q Request, id int32, processed int, emit func()) bool {
	r.Generated++
	r.Prompted = len(q.Prompt)
	if m.tok.IsEnd(id) {
		r.Finish = "stop"
		return false
	}
	r.IDs = append(r.IDs, id)
	emit()
	r.Text = decoded(m.tok, r.IDs, q.StopTexts)
	if i := slices.IndexFunc(q.StopTexts, func(s string) bool { return strings.HasPrefix(m.tok.Decode(r.IDs)[len(r.Text):], s) }); i >= 0 {
		r.Finish, r.StopText = "stop", q.StopTexts[i]
		return false
	}
	if q.Stop != nil && q.Stop(r.IDs) {
		r.Finish = "stop"
		return false
	}
	if processed == m.Context() || len(r.IDs) == q.Max {
		r.Finish = "length"
		return false
	}
	return true
}

// testOverlays are those of testPatches, in the order of their names, and before them none.
func testOverlays(t testing.TB, m *Model) []*Overlay {
	t.Helper()
	overlays, patches := []*Overlay{nil}, testPatches(m)
	for _, name := range slices.Sorted(maps.Keys(patches)) {
		o, err := m.Overlay(patches[name])
		if err != nil {
			t.Fatal(err)
		}
		overlays = append(overlays, o)
	}
	return overlays
}

// someRequests have prompts on both sides of where keys and values become int8, under
// several patches, drawn and greedy, with and without stops.
func someRequests(t testing.TB, m *Model, n int, rng *rand.Rand) []Request {
	overlays := testOverlays(t, m)
	reqs := make([]Request, n)
	for i := range reqs {
		q := Request{
			Prompt: randomIDs(rng, 1+rng.IntN([]int{10, 60, 220}[i%3]), m.Config().Vocab-3), Max: 1 + rng.IntN(25),
			Overlay: overlays[rng.IntN(len(overlays))],
		}
		if i%2 == 0 {
			q.Sampling = Sampling{Temperature: 1.2, TopK: rng.IntN(2) * 40, TopP: 0.95, Seed: uint64(i)}
		}
		switch i % 5 {
		case 1:
			q.StopTexts = []string{"nan", "U", "3"}
		case 2:
			most := rng.IntN(20)
			q.Stop = func(ids []int32) bool { return len(ids) > most }
		}
		q.LogProbs, q.TopLogProbs = i%4 == 0, i%3
		reqs[i] = q
	}
	return reqs
}

// heard is what a request of a schedule gave.
type heard struct {
	result Result
	events []Event
}

// told lets q tell its events to h, and cancel after some of them.
func (h *heard) told(q Request, after int, cancel func()) Request {
	q.Emit = func(e Event) {
		if h.events = append(h.events, e); len(h.events) == after {
			cancel()
		}
	}
	return q
}

// A request gives the same bits, whoever comes, goes, is cancelled and shares the
// memory beside it, and however its prompt is cut; and all that there is of a
// cancelled one is what it would have begun with.
func TestLoopIsAlone(t *testing.T) {
	defer goleak.VerifyNone(t)
	for name, shape := range map[string]testmodel.Shape{"dense": shapes["untied, head_dim 128"], "hybrid": testmodel.TinyHybrid} {
		t.Run(name, func(t *testing.T) { checkLoop(t, testModel(t, shape, Options{Threads: 2})) })
	}
}

func checkLoop(t *testing.T, m *Model) {
	rng := rand.New(rand.NewPCG(8, 1))
	reqs := someRequests(t, m, 50, rng)
	alone := make([]heard, len(reqs))
	for i, q := range reqs {
		alone[i].result = inWaves(t, m, []Request{q}, func(int, int32) {})[0]
		l := m.Loop(LoopOptions{Chunk: math.MaxInt})
		s, err := l.Submit(context.Background(), alone[i].told(q, 0, nil))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Result(); !reflect.DeepEqual(got, alone[i].result) {
			t.Fatalf("request %d in a loop of its own gives %+v, want %+v", i, got, alone[i].result)
		}
		l.Close()
	}
	most := m.mostSeqBytes(250)
	for _, o := range []LoopOptions{
		{},
		{Chunk: 1, MaxSequences: 3},
		{Chunk: 7, MaxBytes: 3 * most},
		{Chunk: 64, MaxBytes: 6 * most, MaxSequences: 40},
		{Chunk: 1000},
	} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) { runSchedule(t, m, o, reqs, alone, rng) })
	}
}

// runSchedule submits requests in a random order, at random moments, cancels some,
// and compares what they give with what they give alone.
func runSchedule(t *testing.T, m *Model, o LoopOptions, reqs []Request, alone []heard, rng *rand.Rand) {
	l := m.Loop(o)
	makeFloats := l.batch.cache.floats.make
	l.batch.cache.floats.make = func() kvFloats {
		if used := l.batch.Memory().Used; o.MaxBytes > 0 && used > o.MaxBytes {
			t.Errorf("%d bytes are in use, %d are allowed", used, o.MaxBytes)
		}
		return makeFloats()
	}
	got, cancels := make([]heard, len(reqs)), make([]bool, len(reqs))
	var wait sync.WaitGroup
	for _, i := range rng.Perm(len(reqs)) {
		ctx, cancel := context.WithCancel(context.Background())
		after := 0
		if cancels[i] = rng.IntN(4) == 0; cancels[i] {
			after = rng.IntN(len(alone[i].events) + 1)
		}
		for range rng.IntN(4) {
			time.Sleep(time.Duration(rng.IntN(1000)) * time.Microsecond)
		}
		s, err := l.Submit(ctx, got[i].told(reqs[i], after, cancel))
		if err != nil {
			t.Fatal(err)
		}
		if cancels[i] && after == 0 {
			cancel() // while it waits, or in its prompt
		}
		wait.Go(func() {
			defer cancel()
			got[i].result = s.Result()
		})
	}
	wait.Wait()
	if err := l.Drain(context.Background()); err != nil {
		t.Error(err)
	}
	for i, g := range got {
		want := alone[i]
		if errors.Is(g.result.Err, context.Canceled) && cancels[i] {
			n := len(g.result.IDs)
			if n > len(want.result.IDs) || !slices.Equal(g.result.IDs, want.result.IDs[:n]) || g.result.Finish != "" || !strings.HasPrefix(want.result.Text+"\uFFFD", strings.TrimSuffix(g.result.Text, "\uFFFD")) {
				t.Errorf("request %d, cancelled, gives %+v, whole %+v", i, g.result, want.result)
			}
			continue
		}
		if !reflect.DeepEqual(g, want) {
			t.Errorf("request %d gives %+v, alone %+v", i, g, want)
		}
	}
	if mem := l.batch.Memory(); mem.Used != 0 {
		t.Errorf("%d bytes of keys and values are left", mem.Used)
	}
}

// Generate gives what waves give, token by token in the same order.
func TestGenerateInWaves(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	reqs := someRequests(t, m, 70, rand.New(rand.NewPCG(9, 1))) // more than generateSeqs
	type token struct {
		i  int
		id int32
	}
	var got, want []token
	results, err := m.Generate(context.Background(), reqs, func(i int, id int32) { got = append(got, token{i, id}) })
	if err != nil {
		t.Fatal(err)
	}
	ends := map[string]int{}
	for i, w := range inWaves(t, m, reqs, func(i int, id int32) { want = append(want, token{i, id}) }) {
		if ends[w.Finish]++; w.StopText != "" {
			ends["stop text"]++
		}
		if !reflect.DeepEqual(results[i], w) {
			t.Errorf("request %d gives %+v, want %+v", i, results[i], w)
		}
	}
	if ends["length"] < 5 || ends["stop"] < 5 || ends["stop text"] < 3 {
		t.Errorf("the requests end too much alike: %v", ends)
	}
	if !slices.Equal(got, want) {
		t.Errorf("tokens come as %v, want %v", got, want)
	}
}

// submit is Submit of a request that is accepted.
func submit(t *testing.T, l *Loop, q Request) *Stream {
	t.Helper()
	s, err := l.Submit(context.Background(), q)
	if err != nil {
		t.Error(err)
	}
	return s
}

// Who reads a stream gets all its text, and the log-probabilities of the model.
func TestStream(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	l := m.Loop(LoopOptions{})
	defer l.Close()
	prompt := []int32{1, 2, 3}
	s := submit(t, l, Request{
		Prompt: prompt, Max: 30, Sampling: Sampling{Temperature: 2, TopK: 5, Seed: 1}, LogProbs: true, TopLogProbs: 3,
	})
	var text string
	var ids []int32
	var events []Event
	for {
		e, err := s.Next(context.Background())
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if text += e.Text; e.ID != NoToken {
			ids, events = append(ids, e.ID), append(events, e)
		}
	}
	r := s.Result()
	if text != r.Text || !slices.Equal(ids, r.IDs) || r.Prompted != 3 || r.Generated < len(ids) {
		t.Errorf("the stream has %q and %v, the result is %+v", text, ids, r)
	}
	all := logitsOf(t, m, nil, append(prompt, ids...))
	vocab := m.Config().Vocab
	for n, e := range events {
		row := all[(2+n)*vocab:][:vocab]
		lse := m.LogSumExp(row)
		var want []LogProb
		for id, l := range row {
			want = append(want, LogProb{int32(id), float64(l) - lse})
		}
		if e.LogProb != want[e.ID].LogProb {
			t.Errorf("token %d has log-probability %v, want %v", n, e.LogProb, want[e.ID].LogProb)
		}
		slices.SortStableFunc(want, func(a, b LogProb) int { return cmp.Compare(b.LogProb, a.LogProb) })
		if !slices.Equal(e.Top, want[:3]) {
			t.Errorf("the likeliest at token %d are %v, want %v", n, e.Top, want[:3])
		}
	}
}

// Waiting for an event can end without the request.
func TestNextWaitsNoLonger(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	l := m.Loop(LoopOptions{MaxSequences: 1})
	defer l.Close()
	gate := make(chan bool)
	first := submit(t, l, Request{Prompt: []int32{1}, Max: 1, Emit: func(Event) { <-gate }})
	s := submit(t, l, Request{Prompt: []int32{1}, Max: 2})
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Next(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting with a ctx that has ended: %v", err)
	}
	close(gate)
	if r := first.Result(); r.Err != nil {
		t.Error(r.Err)
	}
	if _, err := s.Next(context.Background()); err != nil || s.Result().Err != nil {
		t.Errorf("after it: %v, %v", err, s.Result().Err)
	}
}

// A long prompt holds nobody up: between two of its chunks each of the others has a
// token.
func TestLongPromptHoldsNobodyUp(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	l := m.Loop(LoopOptions{Chunk: 16})
	defer l.Close()
	var order []string
	var long *Stream
	short := submit(t, l, Request{Prompt: []int32{1}, Max: 40, Emit: func(e Event) {
		if order = append(order, "short"); len(order) == 1 {
			long = submit(t, l, Request{Prompt: make([]int32, 320), Max: 1, Emit: func(Event) { order = append(order, "long") }})
		}
	}})
	if r := short.Result(); len(r.IDs) < 30 {
		t.Fatalf("the model ended after %d tokens: take another seed", len(r.IDs))
	}
	long.Result()
	if n := slices.Index(order, "long"); n != 1+320/16 { // the last chunk's step has a token of each, the older one's first
		t.Errorf("the long prompt's token is number %d", n)
	}
}

// What can never run is refused, what finds the queue full, too; who waits runs in
// order as soon as there is room.
func TestLoopAdmits(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	one := m.mostSeqBytes(20)
	l := m.Loop(LoopOptions{MaxBytes: 2*one + m.NewBatch(0).passBytes(16), Chunk: 16, Queue: 2})
	defer l.Close()
	var tooLarge *TooLargeError
	if _, err := l.Submit(context.Background(), Request{Prompt: make([]int32, 100), Max: 400}); !errors.As(err, &tooLarge) || tooLarge.Room != 2*one || tooLarge.Bytes != m.mostSeqBytes(500) {
		t.Errorf("a request that can never run: %v", err)
	}
	var order []int
	gate := make(chan bool)
	ask := func(i, max int) (*Stream, error) {
		return l.Submit(context.Background(), Request{Prompt: []int32{1, 2}, Max: max, Emit: func(Event) {
			<-gate
			order = append(order, i)
		}})
	}
	var all []*Stream
	for i := range 4 { // two run, two wait
		s, err := ask(i, 18-15*(i%2))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	var full *QueueFullError
	if _, err := ask(4, 1); !errors.As(err, &full) || full.Waiting != 2 {
		t.Errorf("a full queue: %v", err)
	}
	if s, err := l.Submit(context.Background(), Request{Prompt: []int32{1}}); err != nil || s.Result().Finish != "length" {
		t.Errorf("a request of no tokens: %v", err)
	}
	close(gate)
	for i, s := range all {
		if r := s.Result(); r.Err != nil {
			t.Errorf("request %d: %v", i, r.Err)
		}
	}
	first := func(i int) int { return slices.Index(order, i) }
	if !(first(0) < first(1) && first(1) < first(2) && first(2) < first(3)) {
		t.Errorf("the tokens came as %v", order)
	}
}

// A request that waits ends when its ctx does, and gives its place up.
func TestCancelledInQueue(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	l := m.Loop(LoopOptions{MaxSequences: 1, Queue: 1})
	defer l.Close()
	gate := make(chan bool)
	first := submit(t, l, Request{Prompt: []int32{1}, Max: 1, Emit: func(Event) { <-gate }})
	ctx, cancel := context.WithCancel(context.Background())
	waiting, err := l.Submit(ctx, Request{Prompt: []int32{1}, Max: 1})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if r := waiting.Result(); !errors.Is(r.Err, context.Canceled) || r.Prompted != 0 || r.Finish != "" {
		t.Errorf("it gives %+v", r)
	}
	next := submit(t, l, Request{Prompt: []int32{1}, Max: 1})
	close(gate)
	if first.Result().Err != nil || next.Result().Err != nil {
		t.Errorf("the others: %v, %v", first.Result().Err, next.Result().Err)
	}
}

// A step that runs for cancelled requests only is abandoned.
func TestCancelledStepIsAbandoned(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	l := m.Loop(LoopOptions{})
	defer l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	s, err := l.Submit(ctx, Request{Prompt: []int32{1}, Max: 9, Emit: func(e Event) {
		if cancel(); e.ID != NoToken {
			<-l.step.Done()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if r := s.Result(); !errors.Is(r.Err, context.Canceled) || len(r.IDs) != 1 {
		t.Errorf("it gives %+v", r)
	}
	if r := submit(t, l, Request{Prompt: []int32{1}, Max: 1}).Result(); r.Err != nil {
		t.Errorf("the next request: %v", r.Err)
	}
}

// A function of a request that panics ends this request alone, and what it generated
// before is there.
func TestLoopPanics(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	l := m.Loop(LoopOptions{})
	defer l.Close()
	good := Request{Prompt: []int32{1, 2, 3}, Max: 9}
	want := inWaves(t, m, []Request{good}, func(int, int32) {})[0]
	emits, stops := good, good
	emitted := 0
	emits.Emit = func(Event) {
		if emitted++; emitted == 3 {
			panic("no printer")
		}
	}
	stops.Stop = func(ids []int32) bool { return ids[len(ids)] > 0 }
	all := []*Stream{submit(t, l, good), submit(t, l, emits), submit(t, l, stops), submit(t, l, good)}
	for i, s := range all {
		r := s.Result()
		if i%3 == 0 {
			if !reflect.DeepEqual(r, want) {
				t.Errorf("request %d gives %+v, want %+v", i, r, want)
			}
			continue
		}
		n := 5 - 2*i // 3 tokens, 1 token
		var p *PanicError
		if !errors.As(r.Err, &p) || len(p.Stack) == 0 || !slices.Equal(r.IDs, want.IDs[:n]) || r.Finish != "" {
			t.Errorf("request %d gives %+v", i, r)
		}
	}
	if emitted != 3 {
		t.Errorf("a panic, and %d events", emitted)
	}

	s := newStream(context.Background(), good)
	s.sampler = new(Sampler) // without a kernel set
	s.choose(m, make([]float32, 10))
	if s.accept(m, 0); !s.over || s.failed == nil || s.result.IDs != nil {
		t.Errorf("a sampler that panics: %v", s.failed)
	}
}

// A callback that ends its goroutine ends the loop, and nobody waits for ever.
func TestLoopGoroutineEnds(t *testing.T) {
	defer goleak.VerifyNone(t)
	m := testModel(t, testmodel.Tiny, Options{})
	l := m.Loop(LoopOptions{MaxSequences: 1})
	running := submit(t, l, Request{Prompt: []int32{1}, Max: 2, Emit: func(Event) { runtime.Goexit() }})
	waiting := submit(t, l, Request{Prompt: []int32{1}, Max: 2})
	var p *PanicError
	if r := running.Result(); !errors.As(r.Err, &p) || len(r.IDs) != 1 {
		t.Errorf("it gives %+v", r)
	}
	if r := waiting.Result(); !errors.Is(r.Err, ErrLoopClosed) {
		t.Errorf("one that waits gives %+v", r)
	}
	if _, err := l.Submit(context.Background(), Request{Prompt: []int32{1}, Max: 2}); !errors.Is(err, ErrLoopClosed) {
		t.Errorf("after it: %v", err)
	}
	l.Close()
}

// Drain lets all come to their end, Close does not; neither takes any more.
func TestLoopEnds(t *testing.T) {
	defer goleak.VerifyNone(t)
	m := testModel(t, testmodel.Tiny, Options{})
	q := Request{Prompt: []int32{1, 2}, Max: 20}
	want := inWaves(t, m, []Request{q}, func(int, int32) {})[0]

	l := m.Loop(LoopOptions{MaxSequences: 2})
	var all []*Stream
	for range 5 {
		all = append(all, submit(t, l, q))
	}
	if err := l.Drain(context.Background()); err != nil {
		t.Error(err)
	}
	for i, s := range all {
		if r := s.Result(); !reflect.DeepEqual(r, want) {
			t.Errorf("request %d of a drained loop gives %+v, want %+v", i, r, want)
		}
	}
	if _, err := l.Submit(context.Background(), q); !errors.Is(err, ErrLoopClosed) {
		t.Errorf("a drained loop: %v", err)
	}
	l.Close()

	l = m.Loop(LoopOptions{MaxSequences: 1})
	hold := q
	begun := make(chan bool, hold.Max)
	hold.Emit = func(e Event) {
		if e.ID != NoToken {
			begun <- true
			<-l.step.Done()
		}
	}
	all = []*Stream{submit(t, l, hold), submit(t, l, q)}
	<-begun
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Drain(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("no time to drain: %v", err)
	}
	for i, s := range all {
		if r := s.Result(); !errors.Is(r.Err, ErrLoopClosed) || len(r.IDs) != 1-i {
			t.Errorf("request %d of a closed loop gives %+v", i, r)
		}
	}
}

// The bound on a sequence's memory is what it takes at most, but for the block that
// becomes int8 while its last pass runs.
func TestMostSeqBytes(t *testing.T) {
	for _, precision := range []Precision{Fast, Exact} {
		m := testModel(t, testmodel.Tiny, Options{Precision: precision})
		block := m.SeqBytes(1)
		var most int64
		for n := range 400 {
			most = max(most, m.SeqBytes(n))
			if got := m.mostSeqBytes(n); got < most || got > most+block {
				t.Fatalf("%v: %d tokens take at most %d bytes, want %d", precision, n, got, most)
			}
		}
	}
}

// What a chunk of a prompt takes while its pass runs is within the bound, too, and
// has to be.
func TestLoopMemory(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	need := m.mostSeqBytes(302)
	o := LoopOptions{MaxBytes: need + m.NewBatch(0).passBytes(64), Chunk: 64}
	l := m.Loop(o)
	defer l.Close()
	var peak int64
	floats := &l.batch.cache.floats
	makeFloats := floats.make
	floats.make = func() kvFloats {
		peak = max(peak, l.batch.Memory().Used)
		return makeFloats()
	}
	if r := submit(t, l, Request{Prompt: make([]int32, 300), Max: 2}).Result(); r.Err != nil {
		t.Fatal(r.Err)
	}
	if peak <= need || peak > o.MaxBytes {
		t.Errorf("%d bytes were in use, %d of %d for what is between two passes", peak, need, o.MaxBytes)
	}
}

// With LoopBytes a sequence runs, whatever the chunk is, and without room for its keys and
// values it does not.
func TestLoopBytes(t *testing.T) {
	for _, precision := range []Precision{Fast, Exact} {
		m := testModel(t, testmodel.Tiny, Options{Precision: precision})
		for _, tokens := range []int{2, 40, 300} {
			for _, chunk := range []int{0, 16, 256, math.MaxInt} {
				q := Request{Prompt: make([]int32, tokens-1), Max: 1}
				l := m.Loop(LoopOptions{MaxBytes: m.LoopBytes(tokens), Chunk: chunk})
				if s, err := l.Submit(t.Context(), q); err != nil {
					t.Errorf("%v, %d tokens, chunks of %d: %v", precision, tokens, chunk, err)
				} else if r := s.Result(); r.Err != nil {
					t.Errorf("%v, %d tokens, chunks of %d: %v", precision, tokens, chunk, r.Err)
				}
				l.Close()
			}
			l := m.Loop(LoopOptions{MaxBytes: m.mostSeqBytes(tokens) - 1})
			var large *TooLargeError
			if _, err := l.Submit(t.Context(), Request{Prompt: make([]int32, tokens-1), Max: 1}); !errors.As(err, &large) {
				t.Errorf("%v, %d tokens, with less than they take: %v", precision, tokens, err)
			}
			l.Close()
		}
	}
}
