package desk

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"bankai/engine"
	"bankai/internal/enginetest"
)

// schedules is how many random courses of events some tests go through.
var schedules = flag.Uint64("schedules", 12, "random courses of events that each test goes through")

// troupe is workers in this process, who do as their parts say.
type troupe struct {
	t     *testing.T
	desk  *Desk
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
	late int // right answers before it lies
	mute int // after so many units it takes more and answers none; 0: never
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
	tr.desk = New(tr, m, check)
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

func (tr *troupe) Workers() (ids []string, changed <-chan struct{}) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, p := range tr.members {
		if !p.gone {
			ids = append(ids, p.id)
		}
	}
	return ids, tr.changed
}

func (tr *troupe) Send(number int64, payload []byte, not string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.queue = append(tr.queue, sending{number, payload, not})
	tr.sends++
	tr.work.Broadcast()
}

func (tr *troupe) Withdraw(number int64) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.queue = slices.DeleteFunc(tr.queue, func(s sending) bool { return s.number == number })
}

func (tr *troupe) Name(worker string) string { return worker }

func (tr *troupe) Drop(worker, why string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.dropped[worker] = why
	tr.leave(worker)
}

// Distrust is told of it as a session is, which tells all who ask the worker.
func (tr *troupe) Distrust(worker string) {
	tr.Drop(worker, "it computes wrong bits")
	tr.desk.Suspect(worker)
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
	overlays := NewOverlays(tr.model)
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
		if p.mute > 0 && n >= p.mute {
			continue
		}
		u, err := Decode(s.payload, overlays.Of)
		if err != nil {
			tr.t.Error(err)
		}
		a, err := u.Compute(context.Background(), tr.model)
		if err != nil {
			tr.t.Error(err)
		}
		if n >= p.late && tr.chance(p.lies) {
			if len(a.Scores) > 0 {
				a.Scores[0][0][0] ^= 1
			} else {
				a.Results[0].Text += "!"
			}
		}
		if tr.chance(p.errs) {
			err = errors.New("out of luck")
		}
		tr.desk.Arrived(s.number, p.id, a, err)
		if p.twin {
			tr.desk.Arrived(s.number, p.id, a, nil)
		}
	}
}

// Whatever workers do, the answers are those of one machine: they die, fail, answer
// twice, all of them or some.
func TestDeskSchedules(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{Threads: 2})
	a := enginetest.NewAsks(t, m, 60)
	sent := 0
	for seed := range *schedules {
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
		through := m.Through(tr.desk)
		a.Check(t, fmt.Sprint("seed ", seed), through)
		a.Check(t, fmt.Sprint("seed ", seed, " again"), through)
		sent += tr.sends
		if len(tr.desk.open) > 0 || len(tr.desk.calls) > 0 || tr.desk.out != 0 {
			t.Errorf("seed %d: %d units, %d calls, %d sent are left", seed, len(tr.desk.open), len(tr.desk.calls), tr.desk.out)
		}
	}
	if uint64(sent) < *schedules {
		t.Errorf("only %d units went to workers", sent)
	}
}

// A worker that computes wrong bits is found out, dropped, and what it answered does not
// count.
func TestDeskLiar(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{Threads: 2})
	a := enginetest.NewAsks(t, m, 60)
	caught := 0
	for seed := range *schedules {
		rng := rand.New(rand.NewPCG(seed, 2))
		players := []*player{{id: "liar", dies: -1, lies: 1 + rng.IntN(2)}, {id: "honest", dies: -1}}
		if rng.IntN(3) == 0 {
			players = players[:1]
		}
		tr := newTroupe(t, m, 1, seed, players...) // every unit is checked
		a.Check(t, fmt.Sprint("seed ", seed), m.Through(tr.desk))
		if _, out := tr.dropped["liar"]; out {
			caught++
		}
		if why, out := tr.dropped["honest"]; out {
			t.Errorf("seed %d: who is right was dropped: %s", seed, why)
		}
	}
	if uint64(caught) < *schedules/2 {
		t.Errorf("a liar was caught %d times of %d", caught, *schedules)
	}
}

// If an answer was used before it shows that it was wrong, that is an error, in this call
// and all after it.
func TestDeskUsedWrongAnswer(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{Threads: 2})
	a := enginetest.NewAsks(t, m, 8)
	u := Unit{questions: a.Questions[:1]}
	payload, err := u.encode()
	if err != nil {
		t.Fatal(err)
	}
	tr := newTroupe(t, m, 1, 1)
	right, err := u.Compute(t.Context(), m)
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
	_, _, err = d.do(t.Context(), []Unit{u}, func(int, Answers) {})
	if wrong := (*WrongAnswerError)(nil); !errors.As(err, &wrong) || wrong.Worker != "bad" {
		t.Errorf("%v: want an error that names the worker", err)
	}
	d.Restart()
	if _, _, err = d.do(t.Context(), []Unit{u}, func(int, Answers) {}); err != nil {
		t.Errorf("after a new start: %v", err)
	}
}

// What is done again after a wrong answer was used ends right, whenever the worker begins to
// lie.
func TestDeskAgain(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{Threads: 2})
	a := enginetest.NewAsks(t, m, 12)
	again := 0
	for seed := uint64(0); seed < 6 || again == 0 && seed < 500; seed++ {
		tr := newTroupe(t, m, 7, seed, &player{id: "liar", dies: -1, late: 1 + int(seed%4), lies: 1}, &player{id: "honest", dies: -1})
		through := m.Through(tr.desk)
		step := func() (all [][][]engine.Answer, err error) {
			for range 10 {
				scores, err := through.Score(t.Context(), a.Questions)
				if err != nil {
					return nil, err
				}
				all = append(all, scores)
			}
			return all, nil
		}
		all, err := step()
		for wrong := (*WrongAnswerError)(nil); errors.As(err, &wrong); again++ {
			if wrong.Worker != "liar" {
				t.Errorf("seed %d: %v", seed, err)
			}
			tr.desk.Restart()
			all, err = step()
		}
		if err != nil {
			t.Fatal(err)
		}
		for i, scores := range all {
			if tr.dropped["liar"] != "" && !reflect.DeepEqual(scores, a.Scores) {
				t.Errorf("seed %d: call %d is wrong", seed, i)
			}
		}
	}
	if again == 0 {
		t.Error("no wrong answer was used")
	}
}

// Of answers that have been forgotten nobody knows that they were right.
func TestDeskForgottenAnswers(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{Threads: 1})
	d := newTroupe(t, m, 0, 1).desk
	for _, by := range []string{"bad", "good"} {
		d.past.add(pastUnit{payload: make([]byte, mostPast/2+1), by: by})
	}
	if n := len(d.past.units); n != 1 || d.past.units[0].by != "good" {
		t.Fatalf("%d are kept", n)
	}
	if err := d.distrust(t.Context(), "bad"); err != nil || d.wrong == nil {
		t.Errorf("%v, %v", err, d.wrong)
	}
}

// What counts are answers of workers that take part, and have a name: of one that was
// dropped nothing does, also what is on its way.
func TestDeskWhoCounts(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{Threads: 1})
	a := enginetest.NewAsks(t, m, 4)
	u := Unit{questions: a.Questions[:1]}
	lie, err := u.Compute(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	lie.Scores[0][0][0]++
	tr := newTroupe(t, m, 0, 1)
	d := tr.desk
	d.gone["dropped"] = true
	c := d.begin([]Unit{u})
	task := c.tasks[0]
	for _, from := range []string{"", "dropped"} {
		if d.Arrived(task.number, from, lie, nil); task.state == done {
			t.Errorf("the answer of %q counts", from)
		}
	}
	d.Arrived(task.number, "liar", lie, nil)
	if !task.settled() {
		t.Fatal("the answer of a worker does not count")
	}
	d.Suspect("liar")
	if err := d.finish(t.Context(), c, func() {}); err != nil {
		t.Fatal(err)
	}
	if task.by != "" || task.answer.same(lie) {
		t.Error("the answer of a worker counts that was found to be wrong elsewhere")
	}
	if err := d.end(c); err != nil {
		t.Error(err)
	}
}

// Answers that no model gives are the worker's failure; numbers that are none this machine
// decides about, since a model may give them.
func TestDeskSenseless(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{Threads: 1})
	a := enginetest.NewAsks(t, m, 8)
	questions, requests := Unit{questions: a.Questions}, Unit{requests: a.Requests}
	vocab := m.Config().Vocab
	for what, spoil := range map[string]func(s, r *Answers){
		"none":                 func(s, r *Answers) { s.Scores = nil },
		"one less":             func(s, r *Answers) { s.Scores[0] = s.Scores[0][1:] },
		"a rank":               func(s, r *Answers) { s.Scores[0][0][3] = uint64(vocab) },
		"a rank below 0":       func(s, r *Answers) { s.Scores[0][0][3] = math.MaxUint64 },
		"neither yes nor no":   func(s, r *Answers) { s.Scores[0][0][4] = 2 },
		"a token":              func(s, r *Answers) { r.Results[1].IDs[0] = int32(vocab) },
		"a token below 0":      func(s, r *Answers) { r.Results[1].IDs[0] = -1 },
		"too many tokens":      func(s, r *Answers) { r.Results[1].IDs = make([]int32, 100) },
		"too many generated":   func(s, r *Answers) { r.Results[1].Generated = 100 },
		"another prompt":       func(s, r *Answers) { r.Results[1].Prompted = 100 },
		"no end":               func(s, r *Answers) { r.Results[1].Finish = "" },
		"a text not asked for": func(s, r *Answers) { r.Results[1].StopText = "zz" },
	} {
		s, err := questions.Compute(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		r, err := requests.Compute(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.fits(questions, vocab), r.fits(requests, vocab)); err != nil {
			t.Fatalf("what is right: %v", err)
		}
		spoil(&s, &r)
		if errors.Join(s.fits(questions, vocab), r.fits(requests, vocab)) == nil {
			t.Errorf("%s: taken", what)
		}
	}

	right, err := questions.Compute(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []float64{math.NaN(), math.Inf(-1)} {
		tr := newTroupe(t, m, 0, 1)
		c := tr.desk.begin([]Unit{questions})
		task := c.tasks[0]
		odd, err := Unit{questions: a.Questions}.Compute(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		odd.Scores[0][0][1] = bitsOfFloat(x)
		tr.desk.Arrived(task.number, "odd", odd, nil)
		if task.settled() {
			t.Errorf("%v counts unchecked", x)
		}
		if err := tr.desk.finish(t.Context(), c, func() {}); err != nil || !task.answer.same(right) || tr.dropped["odd"] == "" {
			t.Errorf("%v: %v, dropped: %q", x, err, tr.dropped["odd"])
		}
		if err := tr.desk.end(c); err != nil {
			t.Error(err)
		}
	}
}

// What is kept of workers is bounded, however many come and go.
func TestDeskForgets(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{Threads: 1})
	tr := newTroupe(t, m, 0, 1, &player{id: "stays", dies: -1})
	c := tr.desk.begin([]Unit{{questions: enginetest.NewAsks(t, m, 1).Questions}})
	tr.desk.known["stays"] = true
	for i := range 3 * mostKept {
		tr.desk.Arrived(c.tasks[0].number, fmt.Sprint("w", i), Answers{}, nil)
	}
	if n := len(tr.desk.fails); n > mostKept || !tr.desk.known["stays"] {
		t.Errorf("of %d workers it is known how often they failed", n)
	}
	if err := tr.desk.end(c); err != nil {
		t.Error(err)
	}
}

// A call whose context ends tells so and leaves nothing behind, with what there is.
func TestDeskCancelled(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{Threads: 2})
	a := enginetest.NewAsks(t, m, 40)
	tr := newTroupe(t, m, 0, 1, &player{id: "a", dies: -1, mute: 1}) // which cannot be done before the context ends
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	results, err := m.Through(tr.desk).Generate(ctx, a.Requests, func(int, int32) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	there := 0
	for i, r := range results {
		if r.Err == nil {
			there++
			if !reflect.DeepEqual(r, a.Results[i]) {
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
	a := enginetest.NewAsks(t, m, 40)
	tr := newTroupe(t, m, 5, 1, &player{id: "a", dies: 9}, &player{id: "b", dies: -1})
	through := m.Through(tr.desk)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() { a.Check(t, fmt.Sprint("caller ", i), through) })
	}
	all.Wait()
}

// Units are of the sizes that machines and messages ask for, and have everything once, in
// order.
func TestCut(t *testing.T) {
	for _, c := range []struct {
		n, units, bytes, generated int
		want                       string
	}{
		{3, 12, 10, 0, "3"},
		{10, 6, 10, 0, "4 4 2"},
		{60, 9, 10, 0, "7 7 7 7 7 7 7 7 4"},
		{500, 6, 10, 0, "32 32 32 32 32 32 32 32 32 32 32 32 32 32 32 20"},
		{5, 1, mostUnitBytes / 2, 0, "2 2 1"},
		{3, 1, mostUnitBytes * 2, 0, "1 1 1"},
		{4, 1, 1, mostGenerated / 2, "2 2"},
	} {
		var got []int
		at := 0
		for _, run := range cut(c.n, c.units, func(int) (int, int) { return c.bytes, c.generated }) {
			if run[0] != at {
				t.Fatalf("%+v: a run begins at %d, not %d", c, run[0], at)
			}
			at = run[1]
			got = append(got, run[1]-run[0])
		}
		if s := fmt.Sprint(got); s != "["+c.want+"]" || at != c.n {
			t.Errorf("%d into %d units: %s, want %s", c.n, c.units, s, c.want)
		}
	}
}

// What a worker has is left to it for as long as that takes, unless it has gone; and of the
// last units of a call a worker gets one at a time, so that none has several while another
// has nothing.
func TestDeskLeavesUnitsToWorkers(t *testing.T) {
	m := enginetest.Tiny(t, engine.Options{Threads: 1})
	units := make([]Unit, 8)
	for i := range units {
		units[i] = Unit{questions: []engine.Question{{Prompt: []int32{1}, Answers: [][]int32{{2}}}}}
	}
	for _, test := range []struct{ units, workers, sent int }{
		{8, 1, perWindow}, {4, 1, 2}, {3, 1, 1}, {2, 1, 1}, {1, 1, 1}, {8, 2, 5}, {8, 8, 8}, {8, 0, 0},
	} {
		tr := newTroupe(t, m, 0, 0)
		d := tr.desk
		c := d.begin(units[:test.units])
		d.fill(test.workers)
		if d.out != test.sent || tr.sends != test.sent {
			t.Errorf("%d workers were sent %d of %d units, not %d", test.workers, tr.sends, test.units, test.sent)
		}
		if first, _, _ := d.pick(c, test.workers); test.sent < test.units && first != c.tasks[test.units-1] {
			t.Errorf("%d workers, %d units: here begins with %+v", test.workers, test.units, first)
		}
		for _, o := range c.tasks {
			if o.state == waiting {
				o.state = done
			}
		}
		d.took = time.Minute
		if o, left, later := d.pick(c, test.workers); test.sent > 0 && (o != nil || !left || time.Until(later) < time.Minute) {
			t.Errorf("%d workers: here does, too, what they do: %+v, %v, %v", test.workers, o, left, later)
		}
		if o, _, _ := d.pick(c, 0); test.sent > 0 && o == nil {
			t.Errorf("%d workers that have gone: nobody does what they did", test.workers)
		}
		d.took = 0
		if o, _, _ := d.pick(c, test.workers); test.sent > 0 && o == nil {
			t.Errorf("%d workers that are late: nobody does what they do", test.workers)
		}
	}
}
