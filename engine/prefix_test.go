package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"bankai/internal/testmodel"
)

// turnsOf are requests as conversations make them: a prompt goes on from the prompt and
// the answer of the one before, or goes another way, under one of several patches.
func turnsOf(t *testing.T, m *Model, rng *rand.Rand) []Request {
	t.Helper()
	overlays := testOverlays(t, m)
	var all []Request
	for range 6 {
		stem := randomIDs(rng, 130+rng.IntN(130), m.Config().Vocab-3)
		for _, o := range []*Overlay{overlays[rng.IntN(len(overlays))], overlays[rng.IntN(len(overlays))]} {
			prompt := stem
			tenant := fmt.Sprint(rng.IntN(2))
			for range 3 {
				q := Request{Prompt: prompt, Overlay: o, Max: 1 + rng.IntN(20), LogProbs: true}
				q.Sampling = Sampling{Temperature: 1, TopK: 50, Seed: rng.Uint64()}
				q.Cache = &Caching{Tenant: tenant, At: []int{len(prompt) - rng.IntN(40), len(prompt) / 2, len(prompt) / 16 * 16, 9999, 0}}
				all = append(all, q, q)
				all[len(all)-1].Sampling.Seed++
				answers, err := m.Generate(context.Background(), []Request{q}, nil)
				if err != nil {
					t.Fatal(err)
				}
				prompt = slices.Concat(prompt, answers[0].IDs, randomIDs(rng, 1+rng.IntN(60), m.Config().Vocab-3))
			}
		}
	}
	return all
}

// A request gives the same bits whatever was kept of others before it and was given up
// since, and there is never more memory in use than is allowed.
func TestPrefixesDoNotChangeTheBits(t *testing.T) {
	defer goleak.VerifyNone(t)
	dense, hybrid := shapes["tied, head_dim 64"], testmodel.TinyHybrid
	for name, of := range map[string]struct {
		shape testmodel.Shape
		o     Options
	}{
		"fast":   {dense, Options{Threads: 2}},
		"exact":  {dense, Options{Threads: 2, Precision: Exact}},
		"hybrid": {hybrid, Options{Threads: 2}},
	} {
		m := testModel(t, of.shape, of.o)
		rng := rand.New(rand.NewPCG(40, 1))
		reqs := turnsOf(t, m, rng)
		alone := make([]heard, len(reqs))
		for i, q := range reqs {
			alone[i].result = inLoop(t, m, LoopOptions{}, alone[i].told(q, 0, nil))
		}
		one := m.mostSeqBytes(500)
		for _, lo := range []LoopOptions{
			{MaxBytes: 100 * one},
			{MaxBytes: 5 * one, Chunk: 50},
			{MaxBytes: 3 * one, Chunk: 16, MaxSequences: 5},
			{MaxBytes: 2 * one, Chunk: 7},
			{Keep: 3},
		} {
			t.Run(fmt.Sprintf("%s %+v", name, lo), func(t *testing.T) {
				if s := storm(t, m, lo, reqs, alone, rng); lo.MaxBytes > 50*one && s.Cached < 500 || s.Kept == 0 {
					t.Errorf("little was found of requests before: %+v", s)
				}
			})
		}
	}
}

// inLoop is a request in a loop of its own.
func inLoop(t *testing.T, m *Model, o LoopOptions, q Request) Result {
	t.Helper()
	l := m.Loop(o)
	defer l.Close()
	return submit(t, l, q).Result()
}

// storm submits requests from several clients, some cancelled, and compares what they
// give with what they give alone.
func storm(t *testing.T, m *Model, o LoopOptions, reqs []Request, alone []heard, rng *rand.Rand) LoopStats {
	l := m.newLoop(o)
	c := &l.batch.cache
	within := func() {
		if used := c.memory().Used; o.MaxBytes > 0 && used > o.MaxBytes {
			t.Errorf("%d bytes are in use, %d are allowed", used, o.MaxBytes)
		}
	}
	makeFloats, makeFar, makeDelta := c.floats.make, c.far.make, c.delta.make
	c.floats.make = func() kvFloats { within(); return makeFloats() }
	c.far.make = func() *farChunk { within(); return makeFar() }
	c.delta.make = func() deltaFloats { within(); return makeDelta() }
	go l.run()
	order := rng.Perm(len(reqs))
	slices.SortStableFunc(order, func(i, j int) int { return i%6/2 - j%6/2 }) // turns come one after another
	got := make([]heard, len(reqs))
	cancelled := make([]bool, len(reqs))
	var clients sync.WaitGroup
	for part := range slices.Chunk(order, (len(order)+3)/4) {
		seed := rng.Uint64()
		clients.Go(func() {
			rng := rand.New(rand.NewPCG(seed, 0))
			for _, i := range part {
				ctx, cancel := context.WithCancel(context.Background())
				after := 0
				if cancelled[i] = rng.IntN(6) == 0; cancelled[i] {
					after = 1 + rng.IntN(3)
				}
				q := got[i].told(reqs[i], after, cancel)
				emit := q.Emit
				q.Emit = func(e Event) { within(); emit(e) }
				s, err := l.Submit(ctx, q)
				if err != nil {
					t.Error(err)
					cancel()
					continue
				}
				got[i].result = s.Result()
				cancel()
			}
		})
	}
	clients.Wait()
	for i, g := range got {
		want := alone[i]
		if errors.Is(g.result.Err, context.Canceled) && cancelled[i] {
			if n := len(g.result.IDs); n > len(want.result.IDs) || !slices.Equal(g.result.IDs, want.result.IDs[:n]) {
				t.Errorf("request %d, cancelled, gives %v, whole %v", i, g.result.IDs, want.result.IDs)
			}
			continue
		}
		g.result.Cached = 0
		if !reflect.DeepEqual(g, want) {
			t.Errorf("request %d gives %+v, alone %+v", i, g.result, want.result)
		}
	}
	stats := l.Stats()
	if o.Keep > 0 && stats.Kept > o.Keep {
		t.Errorf("%d sequences are kept, %d are allowed", stats.Kept, o.Keep)
	}
	l.Close()
	if mem := l.batch.Memory(); mem.Used != 0 || l.promised != 0 {
		t.Errorf("%d bytes of keys and values are left, %d are promised", mem.Used, l.promised)
	}
	return stats
}

// What a second turn of a conversation begins with is not read again, unless it is
// another tenant's, another patch's, or the request wants to know of its prompt.
func TestWhoFindsAPrefix(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	overlays := map[string]*Overlay{}
	for name, p := range testPatches(m) {
		o, err := m.Overlay(p)
		if err != nil {
			t.Fatal(err)
		}
		overlays[name] = o
	}
	again, err := m.Overlay(testPatches(m)["mixed"])
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(41, 1))
	first := Request{
		Prompt: randomIDs(rng, 200, 250), Max: 5, Overlay: overlays["mixed"],
		Cache: &Caching{Tenant: "a", At: []int{150}},
	}
	answer := inLoop(t, m, LoopOptions{}, first)
	second := first
	second.Prompt = slices.Concat(first.Prompt, answer.IDs, []int32{1, 2, 3})
	for _, c := range []struct {
		what   string
		change func(q *Request)
		want   int
	}{
		{"the next turn", func(*Request) {}, 204}, // all but the last token of the answer, which was not processed
		{"one with another answer", func(q *Request) { q.Prompt = append(slices.Clip(q.Prompt[:180]), 7) }, 150},
		{"the same again", func(q *Request) { q.Prompt = first.Prompt }, 150},
		{"one that is as long as what is kept", func(q *Request) { q.Prompt = first.Prompt[:150] }, 0},
		{"an equal patch", func(q *Request) { q.Overlay = again }, 204},
		{"another patch", func(q *Request) { q.Overlay = overlays["rows"] }, 0},
		{"the base", func(q *Request) { q.Overlay = nil }, 0},
		{"another tenant", func(q *Request) { q.Cache = &Caching{Tenant: "b"} }, 0},
		{"one that wants nothing kept", func(q *Request) { q.Cache = nil }, 0},
		{"one that asks of its prompt", func(q *Request) { q.PromptLogProbs = true }, 0},
	} {
		l := m.Loop(LoopOptions{MaxBytes: 1 << 30})
		if r := submit(t, l, first).Result(); r.Cached != 0 || r.Err != nil {
			t.Fatalf("the first: %+v", r)
		}
		q := second
		c.change(&q)
		got, want := submit(t, l, q).Result(), inLoop(t, m, LoopOptions{}, q)
		if got.Cached != c.want {
			t.Errorf("%s finds %d tokens, want %d", c.what, got.Cached, c.want)
		}
		if got.Cached = 0; !reflect.DeepEqual(got, want) {
			t.Errorf("%s gives %+v, want %+v", c.what, got, want)
		}
		l.Close()
	}
}

// What was computed before a workbench was changed is not used after it, and what was
// being computed meanwhile is not kept.
func TestEditsForgetPrefixes(t *testing.T) {
	w, m := testBench(t, testmodel.Tiny, Options{})
	patch := testPatches(m)["mixed"]
	q := Request{Prompt: randomIDs(rand.New(rand.NewPCG(42, 1)), 100, 250), Max: 5, Cache: &Caching{At: []int{90}}}
	l := m.Loop(LoopOptions{MaxBytes: 1 << 30})
	defer l.Close()
	submit(t, l, q).Result()
	if r := submit(t, l, q).Result(); r.Cached != 90 {
		t.Fatalf("the same again finds %d tokens", r.Cached)
	}
	for _, edit := range []func() error{
		func() error { return w.Apply(patch) },
		func() error { w.Restore(); return nil },
		func() error { return w.Adapt(nil) },
	} {
		meanwhile := q
		meanwhile.Prompt = q.Prompt[1:]
		meanwhile.Emit = func(e Event) {
			if edit != nil {
				if err := edit(); err != nil {
					t.Error(err)
				}
				edit = nil
			}
		}
		submit(t, l, meanwhile).Result()
		for _, again := range []Request{q, meanwhile} {
			again.Emit = nil
			got, want := submit(t, l, again).Result(), inLoop(t, m, LoopOptions{}, again)
			if got.Cached != 0 || !reflect.DeepEqual(got, want) {
				t.Errorf("after an edit it gives %+v, want %+v", got, want)
			}
		}
	}
}

// However sequences part, each has no more chunks than it is given room for when it
// begins. They are as many as that now and then.
func TestMostChunks(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	type branch struct {
		seq    *Seq
		begun  farKV
		parted []int
	}
	tight := 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 45))
		b := m.NewBatch(0)
		all := []*branch{{seq: b.NewSeq(nil)}}
		for range 40 {
			s := all[rng.IntN(len(all))]
			switch rng.IntN(4) {
			case 0:
				s.parted = append(s.parted, s.seq.n)
				fork := s.seq.Fork()
				all = append(all, &branch{fork, fork.kv().far, slices.Clone(s.parted)})
			case 1:
				if len(all) > 1 && rng.IntN(2) == 0 {
					s.seq.Release()
					all = slices.DeleteFunc(all, func(o *branch) bool { return o == s })
				}
			default:
				s.seq.FillRandom(1 + rng.IntN(200))
			}
			for _, s := range all {
				has, most := len(s.seq.kv().far.parts), b.cache.mostChunks(s.begun, s.seq.n, s.parted)
				if has > most {
					t.Fatalf("seed %d: a sequence of %d tokens has %d chunks, more than %d", seed, s.seq.n, has, most)
				}
				if has == most && has > chunksOf(b.cache.farBlocks(s.seq.n)) {
					tight++
				}
			}
		}
		for _, s := range all {
			s.seq.Release()
		}
		if used := b.Memory().Used; used != 0 {
			t.Fatalf("seed %d: %d bytes are left", seed, used)
		}
	}
	if tight == 0 {
		t.Error("no sequence has as many chunks as it may, because others part from it")
	}
}

// Requests of one prompt that come together have it read once.
func TestChoicesShareThePrompt(t *testing.T) {
	for _, of := range []struct {
		shape     testmodel.Shape
		precision Precision
	}{{testmodel.Tiny, Fast}, {testmodel.Tiny, Exact}, {testmodel.TinyHybrid, Fast}} {
		m := testModel(t, of.shape, Options{Precision: of.precision})
		prompt := randomIDs(rand.New(rand.NewPCG(43, 1)), 300, 250)
		reqs := make([]Request, 9)
		want := make([]Result, len(reqs))
		var each int64
		for i := range reqs {
			reqs[i] = Request{Prompt: prompt, Max: 1 + 25*i, Sampling: Sampling{Temperature: 1.5, Seed: uint64(i)}}
			want[i] = inLoop(t, m, LoopOptions{}, reqs[i])
			each += m.mostSeqBytes(len(prompt) + reqs[i].Max)
		}
		for _, o := range []LoopOptions{
			{Chunk: 64, MaxBytes: each},
			{Chunk: 64, MaxBytes: each / 3},
			{Chunk: 1000, MaxSequences: 4},
		} {
			l := m.Loop(o)
			streams, err := l.SubmitAll(context.Background(), reqs)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range streams {
				if r := s.Result(); !reflect.DeepEqual(r, want[i]) {
					t.Errorf("%+v: choice %d gives %+v, alone %+v", o, i, r, want[i])
				}
			}
			l.Close()
			if used := l.batch.Memory().Used; used != 0 || l.promised != 0 {
				t.Errorf("%+v: %d bytes are left, %d promised", o, used, l.promised)
			}
		}
		if of.shape.Hybrid != nil {
			continue // each of its choices has states of its own, which are the most of its memory
		}
		long := Request{Prompt: make([]int32, 3000), Max: 200}
		lanes := m.newLoop(LoopOptions{}).lanes([]*Stream{newStream(context.Background(), long), newStream(context.Background(), long)})
		if one := m.mostSeqBytes(3200); len(lanes) != 1 || lanes[0].bytes() >= one+one/3 {
			t.Errorf("%+v: two choices have %d lanes, the first of %d bytes, and one alone has %d", of, len(lanes), lanes[0].bytes(), one)
		}
	}
}

// The log-probabilities of a prompt are Score's, to the bit, however it is cut.
func TestPromptLogProbs(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{Threads: 2})
	overlay, err := m.Overlay(testPatches(m)["mixed"])
	if err != nil {
		t.Fatal(err)
	}
	prompt := randomIDs(rand.New(rand.NewPCG(44, 1)), 200, 250)
	want, err := m.ScoreTokens(context.Background(), []Question{{Prompt: prompt[:1], Answers: [][]int32{prompt[1:]}, Overlay: overlay}})
	if err != nil {
		t.Fatal(err)
	}
	all := logitsOf(t, m, overlay, prompt)
	vocab := m.Config().Vocab
	for _, chunk := range []int{1, 16, 33, 1000} {
		l := m.Loop(LoopOptions{Chunk: chunk, MaxBytes: 1 << 30})
		var qs []Request
		for i := range 3 {
			qs = append(qs, Request{Prompt: prompt, Overlay: overlay, Max: i, PromptLogProbs: true, TopLogProbs: 4, Cache: &Caching{At: []int{77}}})
		}
		streams, err := l.SubmitAll(context.Background(), qs)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range streams {
			e, err := s.Next(context.Background())
			if err != nil || e.ID != NoToken || e.Text != "" || len(e.Prompt) != len(prompt)-1 {
				t.Fatalf("the first event of request %d: %+v, %v", i, e, err)
			}
			for n, p := range e.Prompt {
				if p.LogProb != want[0][n].LogProb {
					t.Errorf("chunks of %d: token %d has log-probability %v, Score's is %v", chunk, n+1, p.LogProb, want[0][n].LogProb)
				}
				row := all[n*vocab:][:vocab]
				lse := m.LogSumExp(row)
				if len(p.Top) != 4 || p.Top[0].LogProb != float64(slices.Max(row))-lse || p.Top[0].LogProb < p.Top[3].LogProb {
					t.Errorf("the likeliest for token %d: %v", n+1, p.Top)
				}
			}
			if r := s.Result(); len(r.IDs) != i || r.Finish != "length" || r.Prompted != len(prompt) {
				t.Errorf("request %d gives %+v", i, r)
			}
		}
		l.Close()
	}
}
