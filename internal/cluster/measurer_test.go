package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"testing"

	"bankai"
	"bankai/engine"
	"bankai/internal/cluster/division"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// measured is an evaluator of some probes, in several blocks.
func measured(t testing.TB, m *engine.Model) *score.Evaluator {
	t.Helper()
	var set probe.Set
	for i := range 60 {
		set = append(set, probe.Probe{Name: fmt.Sprint("p", i), Prompt: fmt.Sprintf("The sum of %d and %d, as everybody knows, is", i, i%7), Correct: fmt.Sprint(" ", i+i%7), Wrong: fmt.Sprint(" ", i)})
	}
	e, err := score.NewProbeEvaluator(m, set[:40], set[40:], score.Options{
		Objective: score.Objective{Metric: probe.AnswerLogprob, Penalty: 2, Slack: 0.1}, Samples: score.Samples{Block: 20, Seed: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// searchedMatrices are some of the tiny model's.
func searchedMatrices(t testing.TB, m *engine.Model) (ms []search.Matrix) {
	t.Helper()
	for _, name := range []string{"blk.0.ffn_up.weight", "blk.1.ffn_gate.weight"} {
		tensor, ok := m.Weights().Tensor(name)
		if !ok {
			t.Fatalf("there is no %s", name)
		}
		ms = append(ms, score.MatrixOf(tensor))
	}
	return ms
}

// guided runs a guided search with a journal, whose text is returned without the times.
func guided(t testing.TB, m *engine.Model, e *score.Evaluator, steps int) (*search.Result, []byte) {
	t.Helper()
	st, err := search.NewGuided(searchedMatrices(t, m), 5, search.Row, search.Group)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "journal")
	start := bankai.New(m.Digest(), bankai.Meta{})
	j, err := search.OpenJournal(path, search.Identity(start, e, st), false)
	if err != nil {
		t.Fatal(err)
	}
	r, err := search.Run(t.Context(), e, st, start, search.Config{Steps: steps, Journal: j})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return r, timeless(text)
}

// timeless is a journal without the times, and the checksums that follow from them.
func timeless(text []byte) []byte {
	return regexp.MustCompile(`"seconds":[^,}]+|\t"[0-9a-f]{8}"`).ReplaceAll(text, nil)
}

// A search that is measured by workers over a server has the journal and the patch of one
// machine, to the byte: also when a worker leaves in the middle, another comes, and the
// server goes away for a while.
func TestSearchOfManyMachines(t *testing.T) {
	m := golden(t, engine.Options{Threads: 2})
	const steps = 10
	want, journal := guided(t, m, measured(t, m), steps)
	if want.Accepted < 2 {
		t.Fatalf("%d moves accepted: that shows little", want.Accepted)
	}

	dir := t.TempDir()
	b, err := StartBroker(BrokerOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	open := opener(tinyFile(t))
	log := &lines{}
	s := openSession(t, dial(t, remote(b)), m, Options{Name: "test", Check: 3, Cache: t.TempDir(), Log: log.log})
	worker := func(name string) (stop func() error) {
		return runWorker(t, Worker{Conn: dial(t, remote(b)), Name: name, Open: open, Cache: t.TempDir()})
	}
	first := worker("first")
	worker("second")
	if err := s.Wait(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	e := measured(t, m)
	d, err := s.Measurer(e)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	calls := 0
	e.Divide(between{d, func() {
		switch calls++; calls {
		case 4:
			if err := first(); err != nil {
				t.Error(err)
			}
			worker("third")
		case 9:
			listen := b.URL()[len("nats://"):]
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			b = startBroker(t, BrokerOptions{Dir: dir, Listen: listen})
		}
	}})
	got, text := guided(t, m, e, steps)
	same := func(p *bankai.Patch) []byte {
		b, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if !bytes.Equal(same(got.Patch), same(want.Patch)) || !bytes.Equal(text, journal) {
		t.Error("the patch or the journal is another than of one machine")
	}
	if calls < 10 {
		t.Errorf("%d calls: the server was never gone", calls)
	}
	units := int64(0)
	for _, w := range s.Workers() {
		units += w.Units
	}
	if units == 0 {
		t.Error("the workers have done nothing")
	}
	t.Logf("%d calls, %d units by those who are there\n%s", calls, units, log)
}

// between is a measurer that does something before each call.
type between struct {
	score.Measurer
	before func()
}

func (b between) Values(ctx context.Context, cur *bankai.Patch, moves []search.Move, parts []score.Part) ([][][]float64, error) {
	b.before()
	return b.Measurer.Values(ctx, cur, moves, parts)
}

func (b between) Effects(ctx context.Context, cur *bankai.Patch, w search.Want, flips map[score.Subject]int, parts []score.Part, got func(k int, said score.Effects) error) error {
	b.before()
	return b.Measurer.Effects(ctx, cur, w, flips, parts, got)
}

// Workers that compute are asked for their share, and what they send is what they have
// computed, to the bit.
func TestWorkersAreAsked(t *testing.T) {
	m := golden(t, engine.Options{Threads: 2})
	b := startBroker(t, BrokerOptions{})
	s := openSession(t, dial(t, remote(b)), m, Options{Cache: t.TempDir(), Check: -1})
	runWorker(t, Worker{Conn: dial(t, remote(b)), Name: "far", Open: opener(tinyFile(t)), Cache: t.TempDir()})
	if err := s.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	e := measured(t, m)
	task, err := s.objects.PutBytes(t.Context(), "task", encode(e.Task()))
	if err != nil {
		t.Fatal(err)
	}
	members, _ := s.peers()
	far, here := &remotePeer{session: s, member: members[0], task: task}, division.Here{Evaluator: e}
	cur := bankai.New(m.Digest(), bankai.Meta{Name: "with metadata"}, bankai.Flip{Tensor: "blk.1.ffn_gate.weight", Row: 3, N: bankai.ToEnd})
	moves := []search.Move{{}, {Flips: []bankai.Flip{{Tensor: "blk.1.ffn_up.weight", Row: 7, N: 128}}}}
	n, err := e.Blocks(search.Sample{})
	if err != nil {
		t.Fatal(err)
	}
	var parts []score.Part
	var blocks []score.Block
	for i := range n {
		parts = append(parts, score.Part{Block: score.Block{Index: i}, Tokens: 256}, score.Part{Block: score.Block{Index: i}, Questions: []int{0}})
		blocks = append(blocks, score.Block{Index: i})
	}
	w := search.Want{Matrices: searchedMatrices(t, m), Best: [search.Granularities]int{5, 5}, Held: true}
	said := func(p division.Peer) (values map[int][][]float64, effects map[int][]score.Effects) {
		values, effects = map[int][][]float64{}, map[int][]score.Effects{}
		busy, err := p.Values(t.Context(), cur, moves, parts, func(i int, v [][]float64) error {
			values[i] = v
			return nil
		})
		if err != nil || busy <= 0 {
			t.Errorf("%s: busy for %v, %v", p.Name(), busy, err)
		}
		ended := 0
		_, err = p.Effects(t.Context(), cur, w, blocks, func(i int, e *score.Effects) error {
			if e == nil {
				ended++
			} else {
				effects[i] = append(effects[i], *e)
			}
			return nil
		})
		if err != nil || ended != n {
			t.Errorf("%s: %d of %d blocks, %v", p.Name(), ended, n, err)
		}
		return values, effects
	}
	wantValues, wantEffects := said(here)
	values, effects := said(far)
	if len(values) != len(parts) || !reflect.DeepEqual(values, wantValues) || !reflect.DeepEqual(effects, wantEffects) {
		t.Error("a worker says something else")
	}
	eventually(t, "the worker's units are counted", func() bool { return s.Workers()[0].Units == int64(len(parts)+n) })

	none := errors.New("no more")
	if _, err := far.Effects(t.Context(), cur, w, blocks, func(int, *score.Effects) error { return none }); !errors.Is(err, none) {
		t.Errorf("got's error: %v", err)
	}
	w.Best[search.Bit] = 1
	_, err = far.Effects(t.Context(), cur, w, blocks, func(int, *score.Effects) error { return nil })
	wantError(t, err, "effects of bits")
	w.Best[search.Bit] = 0
	ctx, cancel := context.WithCancel(t.Context())
	_, err = far.Values(ctx, cur, moves, parts, func(int, [][]float64) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
	if again, _ := said(far); !reflect.DeepEqual(again, wantValues) {
		t.Error("after requests that were given up, a worker says something else")
	}
}

// What is sent comes back as it was, of any length.
func TestMeasureWire(t *testing.T) {
	q := division.Query{
		Patch: bankai.New(bankai.Digest{1}, bankai.Meta{Name: "x"}, bankai.Flip{Tensor: "a", Row: 1, N: bankai.ToEnd}),
		Moves: []search.Move{{}, {Flips: []bankai.Flip{{Tensor: "b", Row: math.MaxUint32, Col: 5, N: 3}, {Tensor: "c", N: bankai.ToEnd}}}},
	}
	parts := []score.Part{
		{Block: score.Block{Sample: search.Sample{First: 3, N: 2}, Index: 4}, Tokens: 12.5},
		{Questions: []int{}},
		{Questions: []int{7, 1}},
	}
	data, err := encodeAsk(bankai.Digest{9}, q, parts)
	if err != nil {
		t.Fatal(err)
	}
	task, back, backParts, err := decodeAsk(data)
	if err != nil {
		t.Fatal(err)
	}
	if task != (bankai.Digest{9}) || back.Patch.ContentDigest() != q.Patch.ContentDigest() || back.Patch.Base() != q.Patch.Base() || back.Want != nil ||
		!reflect.DeepEqual(backParts, parts) || !reflect.DeepEqual(back.Moves, q.Moves) {
		t.Errorf("came back as %+v of %+v", back, backParts)
	}
	for n := range data {
		if _, _, _, err := decodeAsk(data[:n]); err == nil {
			t.Errorf("%d of %d bytes are a request", n, len(data))
		}
	}

	values := [][]float64{{1, math.Inf(-1), math.Copysign(0, -1)}, {}, {math.NaN()}}
	text := encodeValues(values)
	if got, err := decodeValues(text); fmt.Sprint(got) != fmt.Sprint(values) || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	effects := &score.Effects{Tensor: "blk.1", Size: search.Group, Columns: []int{4, 0}, Data: []float32{1, -2, float32(math.Inf(1))}}
	more := encodeEffects(effects)
	if got, err := decodeEffects(more); !reflect.DeepEqual(got, effects) || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	for n := range text {
		if _, err := decodeValues(text[:n]); err == nil {
			t.Errorf("%d of %d bytes are values", n, len(text))
		}
	}
	for n := range more {
		if _, err := decodeEffects(more[:n]); err == nil {
			t.Errorf("%d of %d bytes are effects", n, len(more))
		}
	}
	if _, err := decodeValues([]byte{255, 255, 255, 255}); err == nil {
		t.Error("values of 4 billion moves in 4 bytes")
	}

	for _, n := range []int{0, 1, maxMessage - frameHead, maxMessage - frameHead + 1, 3*maxMessage + 7} {
		whole, last := make([]byte, 0, n), 0
		sent := bytes.Repeat([]byte("x"), n)
		err := pieces(sent, 3, valuesFrame, valuesLast, func(f frame) error {
			f.seq = 77
			back, err := decodeFrame(f.encode())
			if err != nil || back.seq != 77 || back.part != 3 || len(f.encode()) > maxMessage || last > 0 {
				t.Errorf("a frame of %d bytes: %v", n, err)
			}
			if back.kind == valuesLast {
				last++
			}
			whole = append(whole, back.data...)
			return nil
		})
		if err != nil || last != 1 || !bytes.Equal(whole, sent) {
			t.Errorf("%d bytes came as %d", n, len(whole))
		}
	}
}
