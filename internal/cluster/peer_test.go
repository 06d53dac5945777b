package cluster

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"bankai"
	"bankai/engine"
	"bankai/internal/cluster/division"
	"bankai/score"
	"bankai/search"

	"github.com/nats-io/nats.go"
)

// farAway is a session without workers, and the peer of one that a test plays.
func farAway(t *testing.T, timing timing) (*remotePeer, *Conn) {
	t.Helper()
	b := startBroker(t, BrokerOptions{})
	s := &Session{conn: dialTiming(t, remote(b), timing), record: sessionRecord{ID: "test", Name: "test"}}
	return &remotePeer{session: s, member: &member{id: "worker", name: "far", gone: make(chan struct{})}}, dialTiming(t, remote(b), timing)
}

// What is asked of peers that do not look at it.
var (
	somePatch = bankai.New(bankai.Digest{}, bankai.Meta{}, bankai.Flip{Tensor: "b", Row: 1, N: bankai.ToEnd})
	someMoves = []search.Move{{Flips: []bankai.Flip{{Tensor: "a", N: bankai.ToEnd}}}}
	someWant  = search.Want{Best: [search.Granularities]int{search.Row: 8}}
)

// blockTest measures without a model.
type blockTest struct {
	values  func(moves []search.Move) ([][]float64, error)
	effects func(emit func(score.Effects) error) error
}

func (b *blockTest) Values(_ context.Context, _ *bankai.Patch, _ score.Block, moves []search.Move, _ []int) ([][]float64, error) {
	return b.values(moves)
}

func (b *blockTest) Effects(_ context.Context, _ *bankai.Patch, _ score.Block, _ search.Want, emit func(score.Effects) error) error {
	return b.effects(emit)
}

// work lets a worker measure with b.
func work(t *testing.T, p *remotePeer, c *Conn, b division.Evaluator) {
	t.Helper()
	j := &joined{
		ctx: t.Context(), record: p.session.record, identity: called(t, p.member.id), conn: c,
		runner: &runner{turns: make(chan struct{}, 1), log: func(string, ...any) {}},
	}
	w := &measuring{j: j, more: make(chan struct{}, 1), kept: []keptTask{{task: p.task, Evaluator: b, release: func() {}}}}
	end, err := w.begin()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	if err := c.nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

// Requests and answers of many messages come whole; a worker runs ahead of who takes its
// effects by no more than it may.
func TestLongAnswers(t *testing.T) {
	p, c := farAway(t, quick)
	const tensors, floats = 15, 400_000 // 1.6 MB each: 4 messages
	var emitted, taken, most atomic.Int64
	work(t, p, c, &blockTest{
		values: func(moves []search.Move) (out [][]float64, err error) {
			for _, m := range moves {
				out = append(out, []float64{float64(len(m.Flips))})
			}
			return out, nil
		},
		effects: func(emit func(score.Effects) error) error {
			for i := range tensors {
				e := score.Effects{Tensor: fmt.Sprint("t", i), Columns: []int{1, 2}, Data: make([]float32, floats)}
				for k := range e.Data {
					e.Data[k] = float32(i*floats + k)
				}
				if err := emit(e); err != nil {
					return err
				}
				emitted.Add(1)
			}
			return nil
		},
	})
	long := make([]bankai.Flip, 100_000) // more than 2 MB
	for i := range long {
		long[i] = bankai.Flip{Tensor: "blk.11.ffn_gate.weight", Row: uint32(i), N: bankai.ToEnd}
	}
	parts := []score.Part{{}, {Block: score.Block{Index: 1}}}
	got := 0
	_, err := p.Values(t.Context(), somePatch, []search.Move{{Flips: long}, {}}, parts, func(i int, v [][]float64) error {
		got++
		if want := [][]float64{{100_000}, {0}}; !reflect.DeepEqual(v, want) {
			t.Errorf("part %d: %v", i, v)
		}
		return nil
	})
	if err != nil || got != 2 {
		t.Fatalf("%d parts, %v", got, err)
	}
	next := 0
	_, err = p.Effects(t.Context(), somePatch, someWant, []score.Block{{}}, func(i int, e *score.Effects) error {
		if e == nil {
			return nil
		}
		if e.Tensor != fmt.Sprint("t", next) || len(e.Data) != floats || e.Data[floats-1] != float32(next*floats+floats-1) {
			t.Errorf("tensor %s with %d numbers, after %d", e.Tensor, len(e.Data), next)
		}
		next++
		most.Store(max(most.Load(), emitted.Load()-taken.Load()))
		taken.Add(1)
		return nil
	})
	if err != nil || next != tensors {
		t.Errorf("%d tensors, %v", next, err)
	}
	// What is read here, what may be ahead, what was taken and not said to be, what is sent.
	if most.Load() > 1+ahead/4+1+1 {
		t.Errorf("the worker was %d tensors ahead", most.Load())
	}
}

// A worker's error, panic or silence, a message that is lost or makes no sense, and its end
// end a request with an error.
func TestAnswersThatFail(t *testing.T) {
	short := quick
	short.Lost = 300 * time.Millisecond
	p, c := farAway(t, short)
	var answer atomic.Value // of a func(inbox string)
	sub, err := c.nc.Subscribe(p.subject(askToken), func(m *nats.Msg) { answer.Load().(func(string))(m.Reply) })
	if err != nil {
		t.Fatal(err)
	}
	if err := c.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	says := func(frames ...frame) func(string) {
		return func(inbox string) {
			for _, f := range frames {
				c.nc.Publish(inbox, f.encode())
			}
		}
	}
	gone := make(chan struct{})
	good := encodeValues([][]float64{{1}})
	for name, test := range map[string]struct {
		answer func(string)
		want   string
	}{
		"silence":        {says(frame{kind: workingFrame}), "nothing was heard"},
		"lost":           {says(frame{kind: workingFrame}, frame{kind: valuesLast, seq: 2, data: good}), "message 1 of its answer is missing"},
		"its error":      {says(frame{kind: failedFrame, data: []byte("no room")}), "no room"},
		"a short one":    {func(inbox string) { c.nc.Publish(inbox, []byte("d")) }, "too short"},
		"another kind":   {says(frame{kind: '?'}), "kind '?'"},
		"another part":   {says(frame{kind: valuesLast, part: 1, data: good}), "was not asked"},
		"effects":        {says(frame{kind: effectsLast}), "was not asked"},
		"end of effects": {says(frame{kind: partEnd}), "was not asked"},
		"half of values": {says(frame{kind: valuesLast, data: good[:9]}), "makes no sense"},
		"it has left":    {func(string) { close(gone) }, "it has left"},
	} {
		answer.Store(test.answer)
		p := &remotePeer{session: p.session, member: &member{id: "worker", name: "far", gone: gone}}
		if test.want != "it has left" {
			p.member.gone = make(chan struct{})
		}
		_, err := p.Values(t.Context(), somePatch, someMoves, []score.Part{{}}, func(int, [][]float64) error { return nil })
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		wantError(t, err, test.want)
	}
	sub.Unsubscribe()
	work(t, p, c, &blockTest{
		values:  func([]search.Move) ([][]float64, error) { panic("index out of range") },
		effects: func(func(score.Effects) error) error { return errors.New("not of bits") },
	})
	_, err = p.Values(t.Context(), somePatch, someMoves, []score.Part{{}}, nil)
	wantError(t, err, "a fault in the program", "index out of range")
	_, err = p.Effects(t.Context(), somePatch, someWant, []score.Block{{}}, nil)
	wantError(t, err, "not of bits")
	if told := (*failure)(nil); !errors.As(err, &told) {
		t.Errorf("%T", err)
	}
}

// Whoever computes wrong bits, or fails time and again, is dropped from the session; who
// was not reached is asked again.
func TestLostPeers(t *testing.T) {
	m := golden(t, engine.Options{Threads: 2})
	b := startBroker(t, BrokerOptions{})
	left := make(chan string, 10)
	s := openSession(t, dial(t, remote(b)), m, Options{Cache: t.TempDir(), Left: func(w Member, why string) { left <- w.Name + ": " + why }})
	open := opener(tinyFile(t))
	for _, name := range []string{"wrong", "failing", "lost"} {
		runWorker(t, Worker{Conn: dial(t, remote(b)), Name: name, Open: open, Cache: t.TempDir()})
	}
	if err := s.Wait(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	d, err := s.Measurer(measured(t, m))
	if err != nil {
		t.Fatal(err)
	}
	// there is the peer of a name, once it is another one than before.
	there := func(name string, before *remotePeer) (found *remotePeer) {
		eventually(t, name+" takes part", func() bool {
			d.peers.mu.Lock()
			defer d.peers.mu.Unlock()
			for _, p := range d.peers.peers {
				if p.Name() == name && p != before {
					found = p
				}
			}
			return found != nil
		})
		return found
	}
	d.peers.lost(there("wrong", nil), &division.WrongBits{Worker: "wrong"})
	wantError(t, errors.New(<-left), "wrong: ", "other bits")
	lost := there("lost", nil)
	unheard := errors.New("nothing was heard")
	for i, err := range []error{unheard, unheard, nil, unheard, &lackError{"it was removed"}, division.ErrFruitless} {
		if err == nil {
			lost.answered()
			continue
		}
		d.peers.lost(lost, err)
		if lost = there("lost", lost); len(left) > 0 {
			t.Fatalf("failure %d: %s", i, <-left)
		}
	}
	for p := there("failing", nil); ; p = there("failing", p) {
		d.peers.lost(p, &failure{"no memory"})
		if len(left) > 0 || len(s.Workers()) == 1 {
			break
		}
	}
	wantError(t, errors.New(<-left), "failing: ", "it failed 3 times in a row to measure: no memory")
}
