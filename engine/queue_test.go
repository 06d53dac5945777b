package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bankai/internal/testmodel"
)

// Clients take turns, whatever the number of requests that each has brought; one client's
// are in the order of their coming.
func TestQueueTakesTurns(t *testing.T) {
	for _, c := range []struct{ come, want string }{
		{"a1 a2 a3", "a1 a2 a3"},
		{"a1 a2 a3 b1 b2 c1", "a1 b1 c1 a2 b2 a3"},
		{"a1 pop a2 b1 a3", "a2 b1 a3"},
		{"a1 a2 b1 pop c1", "b1 a2 c1"},
		{"a1 a2 b1 -a1", "a2 b1"},
		{"a1 b1 b2 -a1", "b1 b2"},
		{"a1 b1 -b1", "a1"},
		{"a1 -b1 -a1", ""},
	} {
		var q queue
		streams := map[string]*Stream{}
		var names []string
		pop := func() {
			names = append(names, string(q.first().streams[0].req.StopTexts[0]))
			q.pop()
		}
		for _, word := range strings.Fields(c.come) {
			switch {
			case word == "pop":
				pop()
				names = nil
			case word[0] == '-':
				s := streams[word[1:]]
				if got := q.remove(s); got != (s != nil) {
					t.Errorf("%s: removing %s is %v", c.come, word[1:], got)
				}
			default:
				streams[word] = newStream(context.Background(), Request{Client: word[:1], Prompt: make([]int32, 5), StopTexts: []string{word}})
				q.push(newLane(streams[word]))
			}
		}
		if n := len(q.all()); q.streams != n || q.tokens != 5*n {
			t.Errorf("%s: %d requests wait, of %d tokens; counted are %d and %d", c.come, n, 5*n, q.streams, q.tokens)
		}
		for q.first() != nil {
			pop()
		}
		if got := strings.Join(names, " "); got != c.want || q.streams != 0 || q.tokens != 0 {
			t.Errorf("%s: they run as %q, want %q, and %d are left", c.come, got, c.want, q.streams)
		}
	}
}

// A stream that shares its lane leaves it alone.
func TestQueueRemovesOneOfSeveral(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	l := m.newLoop(LoopOptions{})
	r := Request{Prompt: []int32{1, 2}, Max: 3}
	all := []*Stream{newStream(context.Background(), r), newStream(context.Background(), r), newStream(context.Background(), r)}
	for _, a := range l.lanes(all) {
		l.queue.push(a)
	}
	if !l.queue.remove(all[1]) || l.queue.remove(all[1]) || l.queue.streams != 2 || l.queue.tokens != 2 {
		t.Errorf("%d requests wait, of %d tokens", l.queue.streams, l.queue.tokens)
	}
	if a := l.queue.first(); !slices.Equal(a.streams, []*Stream{all[0], all[2]}) || a.share.streams != 2 {
		t.Errorf("they are %v", a.streams)
	}
}

// The queue is bounded in requests and in tokens, but a call that finds nobody waiting is
// taken whole: else it would be refused for ever.
func TestQueueIsBounded(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	l := m.newLoop(LoopOptions{MaxSequences: 1, Queue: 3, QueueTokens: 20})
	ask := func(tokens, n int) error {
		reqs := make([]Request, n)
		for i := range reqs {
			reqs[i] = Request{Prompt: make([]int32, tokens), Max: 1}
			reqs[i].Prompt[0] = int32(i) // else they are read together
		}
		_, err := l.SubmitAll(context.Background(), reqs)
		return err
	}
	refused := func(what string, err error, waiting, tokens int) {
		t.Helper()
		var full *QueueFullError
		if !errors.As(err, &full) || full.Waiting != waiting || full.Tokens != tokens {
			t.Errorf("%s: %v, want that %d of %d tokens wait", what, err, waiting, tokens)
		}
	}
	if err := ask(5, 6); err != nil { // one runs, five wait
		t.Errorf("six at once when nobody waits: %v", err)
	}
	refused("one behind five", ask(1, 1), 5, 25)
	for range 4 {
		l.queue.pop()
	}
	if err := ask(4, 2); err != nil { // three wait, of 13 tokens
		t.Error(err)
	}
	refused("one behind three", ask(1, 1), 3, 13)
	l.queue.pop()
	refused("one of too many tokens", ask(13, 1), 2, 8)
	if err := ask(12, 1); err != nil {
		t.Error(err)
	}
	if s := l.Stats(); s.Waiting != 3 || s.WaitingTokens != 20 {
		t.Errorf("%+v", s)
	}
	go l.run()
	l.Close()
}

// Of several requests all run or none.
func TestSubmitAll(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	l := m.Loop(LoopOptions{MaxBytes: m.mostSeqBytes(50) + m.NewBatch(0).passBytes(16), Chunk: 16})
	defer l.Close()
	good := Request{Prompt: []int32{1}, Max: 2}
	for what, bad := range map[string]Request{
		"a wrong one":    {Prompt: []int32{-1}, Max: 2},
		"one too large":  {Prompt: []int32{1}, Max: 900},
		"one of nothing": {},
	} {
		var of *RequestError
		if _, err := l.SubmitAll(context.Background(), []Request{good, bad, good}); !errors.As(err, &of) || of.Request != 1 {
			t.Errorf("%s: %v", what, err)
		}
	}
	all, err := l.SubmitAll(context.Background(), []Request{good, {Prompt: []int32{1}}, good})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range all {
		if r := s.Result(); r.Err != nil || len(r.IDs) != 2*((i+1)%2) {
			t.Errorf("request %d gives %+v", i, r)
		}
	}
}

// A step has a token of each sequence that generates, and of the prompts as many as it
// may: those that are soon read come first, but nobody waits for ever.
func TestPortions(t *testing.T) {
	with := func(left, waited int) *lane {
		a := &lane{Request: Request{Prompt: make([]int32, left)}, seq: new(Seq), waited: waited}
		if a.rest = a.Prompt; left == 0 {
			a.rest = make([]int32, 1)
		}
		return a
	}
	for _, c := range []struct {
		lanes  []*lane
		chunk  int
		want   []int
		waited []int
	}{
		{[]*lane{with(0, 0), with(100, 0), with(0, 0)}, 16, []int{1, 16, 1}, []int{0, 0, 0}},
		{[]*lane{with(100, 0), with(10, 0)}, 16, []int{6, 10}, []int{0, 0}},
		{[]*lane{with(100, 0), with(20, 0), with(20, 2)}, 16, []int{0, 16, 0}, []int{1, 0, 3}},
		{[]*lane{with(100, 3), with(20, 0), with(30, 4)}, 16, []int{0, 8, 8}, []int{4, 0, 0}},
		{[]*lane{with(100, 3), with(20, 0), with(3, 4)}, 15, []int{5, 7, 3}, []int{0, 0, 0}},
		{[]*lane{with(4, 0), with(5, 0)}, 16, []int{4, 5}, []int{0, 0}},
		{[]*lane{with(400, 9), with(500, 0)}, 1 << 30, []int{400, 500}, []int{0, 0}},
		{[]*lane{with(0, 0)}, 16, []int{1}, []int{0}},
	} {
		got := portions(c.lanes, c.chunk)
		var waited []int
		for _, a := range c.lanes {
			waited = append(waited, a.waited)
		}
		if !slices.Equal(got, c.want) || !slices.Equal(waited, c.waited) {
			t.Errorf("%v: %v tokens, and they wait for %v steps; want %v, %v", c.chunk, got, waited, c.want, c.waited)
		}
	}
}

// A short question has its first token within two steps of its coming, while a long
// prompt is read.
func TestShortPromptOvertakes(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	l := m.newLoop(LoopOptions{Chunk: 16})
	step := func() {
		gone, _ := l.exchange()
		for _, s := range gone {
			s.end()
		}
		if len(l.running) > 0 {
			l.pass()
		}
	}
	long := submit(t, l, Request{Prompt: make([]int32, 400), Max: 1})
	step()
	short := submit(t, l, Request{Prompt: make([]int32, 20), Max: 1})
	step()
	step()
	if _, ok := short.take(); !ok || long.result.Prompted == 0 {
		t.Errorf("the short prompt has come to %d tokens, the long one to %d", short.result.Prompted, long.result.Prompted)
	}
	go l.run()
	l.Close()
}

// The part of prompts in a step becomes so large that the step takes as long as it may.
func TestPace(t *testing.T) {
	m := testModel(t, testmodel.Tiny, Options{})
	const perToken = 10 * time.Millisecond
	for _, c := range []struct {
		pace time.Duration
		want int
	}{{0, 512}, {time.Second, 96}, {10 * time.Second, 512}, {time.Millisecond, leastChunk}} {
		l := m.newLoop(LoopOptions{Chunk: 512, Pace: c.pace})
		for range 20 {
			l.pace(l.chunk, time.Duration(l.chunk)*perToken)
		}
		if l.chunk != c.want {
			t.Errorf("steps of %v have %d tokens of prompts, want %d", c.pace, l.chunk, c.want)
		}
		l.pace(0, time.Hour) // of a step that had none
		if before := l.chunk; before != c.want {
			t.Errorf("it has changed to %d", before)
		}
		if got := l.Stats(); fmt.Sprint(got.timeFor(500)) != "5s" {
			t.Errorf("500 tokens take %v", got.timeFor(500))
		}
	}
}

// One waits, several wait.
func TestQueueFullIsSaid(t *testing.T) {
	for n, want := range map[int]string{1: "the queue is full, 1 request waits: try again later", 2: "the queue is full, 2 requests wait: try again later"} {
		if got := (&QueueFullError{Waiting: n}).Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
