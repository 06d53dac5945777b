package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
)

// troupe is workers in this process, who do as their parts say.
type troupe struct {
	t     *testing.T
	desk  *desk
	model *engine.Model

	mu      sync.Mutex
	rng     *rand.Rand
	queue   []sending
	members []*player
	changed chan struct{}
	ended   bool
	work    *sync.Cond
	running sync.WaitGroup
	dropped map[string]string
	sends   int
}

// sending is a unit in the queue.
type sending struct {
	number  int64
	payload []byte
	not     string
}

// player is a worker of a troupe.
type player struct {
	id   string
	dies int // before it answers so many units; below 0: never
	lies int // of so many answers one is wrong; 0: none
	errs int // of so many units it cannot compute one; 0: none
	twin bool
	gone bool
}

func newTroupe(t *testing.T, m *engine.Model, check int, seed uint64, players ...*player) *troupe {
	tr := &troupe{
		t: t, model: m, rng: rand.New(rand.NewPCG(seed, 9)), members: players,
		changed: make(chan struct{}), dropped: map[string]string{},
	}
	tr.work = sync.NewCond(&tr.mu)
	tr.desk = newDesk(tr, m, check)
	for _, p := range players {
		tr.running.Go(func() { tr.play(p) })
	}
	t.Cleanup(func() {
		tr.mu.Lock()
		tr.ended = true
		tr.work.Broadcast()
		tr.mu.Unlock()
		tr.running.Wait()
	})
	return tr
}

func (tr *troupe) workers() (ids []string, changed <-chan struct{}) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, p := range tr.members {
		if !p.gone {
			ids = append(ids, p.id)
		}
	}
	return ids, tr.changed
}

func (tr *troupe) send(number int64, payload []byte, not string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.queue = append(tr.queue, sending{number, payload, not})
	tr.sends++
	tr.work.Broadcast()
}

func (tr *troupe) withdraw(number int64) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.queue = slices.DeleteFunc(tr.queue, func(s sending) bool { return s.number == number })
}

func (tr *troupe) drop(worker, why string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.dropped[worker] = why
	tr.leave(worker)
}

// leave takes a worker out. The troupe is locked.
func (tr *troupe) leave(worker string) {
	for _, p := range tr.members {
		if p.id == worker && !p.gone {
			p.gone = true
			close(tr.changed)
			tr.changed = make(chan struct{})
		}
	}
	tr.work.Broadcast()
}

// next waits for a unit for a player; ok is false when it is to end.
func (tr *troupe) next(p *player) (s sending, ok bool) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for {
		if tr.ended || p.gone {
			return s, false
		}
		for i, s := range tr.queue {
			if s.not != p.id {
				tr.queue = slices.Delete(tr.queue, i, i+1)
				return s, true
			}
		}
		tr.work.Wait()
	}
}

// chance is true once in n times; never if n is 0.
func (tr *troupe) chance(n int) bool {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return n > 0 && tr.rng.IntN(n) == 0
}

// play answers units until the player dies or the test ends.
func (tr *troupe) play(p *player) {
	overlays := newOverlays(tr.model)
	for n := 0; ; n++ {
		s, ok := tr.next(p)
		if !ok {
			return
		}
		if n == p.dies {
			tr.mu.Lock()
			tr.leave(p.id)
			tr.mu.Unlock()
			return
		}
		u, err := decodeUnit(s.payload, overlays.of)
		if err != nil {
			tr.t.Error(err)
		}
		a, err := u.compute(context.Background(), tr.model)
		if err != nil {
			tr.t.Error(err)
		}
		if tr.chance(p.lies) {
			if len(a.Scores) > 0 {
				a.Scores[0][0][0] ^= 1
			} else {
				a.Results[0].IDs = append(a.Results[0].IDs, 3)
			}
		}
		if tr.chance(p.errs) {
			err = errors.New("out of luck")
		}
		tr.desk.arrived(s.number, p.id, a, err)
		if p.twin {
			tr.desk.arrived(s.number, p.id, a, nil)
		}
	}
}

// asks are questions and requests about a model, some of them patched, and what the model
// alone answers.
type asks struct {
	qs      []engine.Question
	reqs    []engine.Request
	scores  [][]engine.Answer
	results []engine.Result
}

func someAsks(t *testing.T, m *engine.Model, n int) (a asks) {
	rng := rand.New(rand.NewPCG(3, 4))
	ids := func(n int) []int32 {
		out := make([]int32, n)
		for i := range out {
			out[i] = int32(rng.IntN(m.Config().Vocab - 4))
		}
		return out
	}
	patch := bankai.New(m.Digest(), bankai.Meta{}, bankai.Flip{Tensor: "blk.0.ffn_up.weight", Row: 3, N: bankai.ToEnd}, bankai.Flip{Tensor: "blk.1.ffn_gate.weight", Row: 5, N: bankai.ToEnd})
	overlay, err := m.Overlay(patch)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		q := engine.Question{Prompt: ids(1 + rng.IntN(6)), Answers: [][]int32{ids(1 + rng.IntN(3)), ids(2)}}
		r := engine.Request{Prompt: ids(1 + rng.IntN(6)), Max: 1 + rng.IntN(6)}
		switch i % 4 {
		case 1:
			q.Overlay, r.Overlay = overlay, overlay
			r.Sampling = engine.Sampling{Temperature: 1.5, TopP: 0.9, Seed: uint64(i), Bias: map[int32]float32{7: 0.1, 9: -3.3}}
		case 2:
			r.Until = engine.Until{Line: engine.FirstLine, Tokens: []int32{int32(i)}}
		case 3:
			r.StopTexts = []string{"a", "é\n"}
		}
		a.qs, a.reqs = append(a.qs, q), append(a.reqs, r)
	}
	if a.scores, err = m.Score(t.Context(), a.qs); err != nil {
		t.Fatal(err)
	}
	if a.results, err = m.Generate(t.Context(), a.reqs, nil); err != nil {
		t.Fatal(err)
	}
	return a
}

// check asks a model that divides, and compares.
func (a asks) check(t *testing.T, what string, m *engine.Model) {
	t.Helper()
	scores, err := m.Score(t.Context(), a.qs)
	if err != nil || !reflect.DeepEqual(scores, a.scores) {
		t.Errorf("%s: scores differ, %v", what, err)
	}
	told := make([][]int32, len(a.reqs))
	results, err := m.Generate(t.Context(), a.reqs, func(i int, id int32) { told[i] = append(told[i], id) })
	if err != nil || !reflect.DeepEqual(results, a.results) {
		t.Errorf("%s: results differ, %v", what, err)
	}
	for i, r := range a.results {
		if !slices.Equal(told[i], r.IDs) {
			t.Errorf("%s: request %d was told of as %v, and has %v", what, i, told[i], r.IDs)
		}
	}
}

// Whatever workers do, the answers are those of one machine: they die, fail, answer
// twice, all of them or some.
func TestDeskSchedules(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{Threads: 2})
	a := someAsks(t, m, 60)
	sent := 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var players []*player
		for i := range rng.IntN(5) {
			p := &player{id: fmt.Sprint("w", i), dies: -1}
			if rng.IntN(2) == 0 {
				p.dies = rng.IntN(4)
			}
			if rng.IntN(3) == 0 {
				p.errs = 1 + rng.IntN(3)
			}
			p.twin = rng.IntN(3) == 0
			players = append(players, p)
		}
		tr := newTroupe(t, m, 1+rng.IntN(4), seed, players...)
		through := m.Through(&elsewhere{m, tr.desk})
		a.check(t, fmt.Sprint("seed ", seed), through)
		a.check(t, fmt.Sprint("seed ", seed, " again"), through)
		sent += tr.sends
		if len(tr.desk.open) > 0 || len(tr.desk.calls) > 0 || tr.desk.out != 0 {
			t.Errorf("seed %d: %d units, %d calls, %d sent are left", seed, len(tr.desk.open), len(tr.desk.calls), tr.desk.out)
		}
	}
	if sent < 100 {
		t.Errorf("only %d units went to workers", sent)
	}
}

// A worker that computes wrong bits is found out, dropped, and what it answered does not
// count.
func TestDeskLiar(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{Threads: 2})
	a := someAsks(t, m, 60)
	caught := 0
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 2))
		players := []*player{{id: "liar", dies: -1, lies: 1 + rng.IntN(2)}, {id: "honest", dies: -1}}
		if rng.IntN(3) == 0 {
			players = players[:1]
		}
		tr := newTroupe(t, m, 1, seed, players...) // every unit is checked
		a.check(t, fmt.Sprint("seed ", seed), m.Through(&elsewhere{m, tr.desk}))
		if _, out := tr.dropped["liar"]; out {
			caught++
		}
		if why, out := tr.dropped["honest"]; out {
			t.Errorf("seed %d: who is right was dropped: %s", seed, why)
		}
	}
	if caught < 20 {
		t.Errorf("a liar was caught %d times of 30", caught)
	}
}

// If an answer was used before it shows that it was wrong, that is an error, in this call
// and all after it.
func TestDeskUsedWrongAnswer(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{Threads: 2})
	a := someAsks(t, m, 8)
	u := unit{questions: a.qs[:1]}
	payload, err := encodeUnit(u)
	if err != nil {
		t.Fatal(err)
	}
	tr := newTroupe(t, m, 1, 1)
	right, err := u.compute(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	d := tr.desk
	d.past.add(pastUnit{payload, "good", bitsOf(right)})
	if err := d.distrust(t.Context(), "good"); err != nil || d.wrong != nil || len(d.past.units) != 0 || d.past.bytes != 0 {
		t.Errorf("answers that were right: %v, %v", err, d.wrong)
	}
	right.Scores[0][0][1]++
	d.past.add(pastUnit{payload, "bad", bitsOf(right)})
	if err := d.distrust(t.Context(), "bad"); err != nil {
		t.Fatal(err)
	}
	_, _, err = d.do(t.Context(), []unit{u}, func(int, answers) {})
	if wrong := (*WrongAnswerError)(nil); !errors.As(err, &wrong) || wrong.Worker != "bad" {
		t.Errorf("%v: want an error that names the worker", err)
	}
}

// A call whose context ends tells so and leaves nothing behind, with what there is.
func TestDeskCancelled(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{Threads: 2})
	a := someAsks(t, m, 40)
	tr := newTroupe(t, m, 0, 1, &player{id: "a", dies: -1})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	results, err := m.Through(&elsewhere{m, tr.desk}).Generate(ctx, a.reqs, func(int, int32) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	there := 0
	for i, r := range results {
		if r.Err == nil {
			there++
			if !reflect.DeepEqual(r, a.results[i]) {
				t.Errorf("request %d: %+v", i, r)
			}
		} else if !errors.Is(r.Err, context.Canceled) {
			t.Errorf("request %d: %v", i, r.Err)
		}
	}
	if there == 0 || there == len(results) {
		t.Errorf("%d of %d results are there", there, len(results))
	}
	if len(tr.desk.open) > 0 || tr.desk.out != 0 || len(tr.queue) > 0 {
		t.Error("units are left")
	}
}

// Calls side by side have their own answers each.
func TestDeskSideBySide(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{Threads: 2})
	a := someAsks(t, m, 40)
	tr := newTroupe(t, m, 5, 1, &player{id: "a", dies: 9}, &player{id: "b", dies: -1})
	through := m.Through(&elsewhere{m, tr.desk})
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() { a.check(t, fmt.Sprint("caller ", i), through) })
	}
	all.Wait()
}

// Units are of the sizes that machines and messages ask for, and have everything once, in
// order.
func TestCut(t *testing.T) {
	for _, c := range []struct {
		n, machines, bytes, generated int
		want                          string
	}{
		{3, 4, 10, 0, "3"},
		{10, 2, 10, 0, "4 4 2"},
		{60, 3, 10, 0, "7 7 7 7 7 7 7 7 4"},
		{500, 2, 10, 0, "32 32 32 32 32 32 32 32 32 32 32 32 32 32 32 20"},
		{5, 1, mostUnitBytes / 2, 0, "2 2 1"},
		{3, 1, mostUnitBytes * 2, 0, "1 1 1"},
		{4, 1, 1, mostGenerated / 2, "2 2"},
	} {
		var got []int
		at := 0
		for _, run := range cut(c.n, c.machines, func(int) (int, int) { return c.bytes, c.generated }) {
			if run[0] != at {
				t.Fatalf("%+v: a run begins at %d, not %d", c, run[0], at)
			}
			at = run[1]
			got = append(got, run[1]-run[0])
		}
		if s := fmt.Sprint(got); s != "["+c.want+"]" || at != c.n {
			t.Errorf("%d on %d machines: %s, want %s", c.n, c.machines, s, c.want)
		}
	}
}
