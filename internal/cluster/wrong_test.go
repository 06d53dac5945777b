package cluster

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"bankai"
	"bankai/engine"
	"bankai/internal/cluster/division"
	"bankai/score"
	"bankai/search"
)

// liar is a machine whose bits are wrong from an answer on.
type liar struct {
	division.Here
	left atomic.Int64 // right answers
}

func (l *liar) Name() string { return "liar" }

func (l *liar) Values(ctx context.Context, cur *bankai.Patch, moves []search.Move, parts []score.Part, got func(i int, values [][]float64) error) (time.Duration, error) {
	return l.Here.Values(ctx, cur, moves, parts, func(i int, values [][]float64) error {
		if l.left.Add(-1) < 0 {
			for _, row := range values {
				for k := range row {
					row[k] = math.Nextafter(row[k]+0.5, 1)
				}
			}
		}
		return got(i, values)
	})
}

func (l *liar) Effects(ctx context.Context, cur *bankai.Patch, w search.Want, blocks []score.Block, got func(i int, e *score.Effects) error) (time.Duration, error) {
	return l.Here.Effects(ctx, cur, w, blocks, func(i int, e *score.Effects) error {
		if e != nil && l.left.Add(-1) < 0 {
			for k := range e.Data {
				e.Data[k] = -e.Data[k]
			}
		}
		return got(i, e)
	})
}

// A search that has gone on from wrong bits goes back to before them, and ends as that of
// one machine, with its journal to the byte.
func TestSearchGoesBackFromWrongBits(t *testing.T) {
	m := golden(t, engine.Options{Threads: 2})
	const steps = 6
	want, journal := guided(t, m, measured(t, m), steps)
	back := 0
	for _, right := range []int64{4, 30} {
		l := &liar{Here: division.Here{Evaluator: measured(t, m)}}
		l.left.Store(right)
		dropped := 0
		d := division.New(division.Here{Evaluator: measured(t, m)}, 9, division.Memory, func(division.Peer, error) { dropped++ })
		d.Join(l)
		e := measured(t, m)
		marks := map[int]int64{} // before each call
		mark := func() {}
		e.Divide(between{d, func() { mark() }})
		st, err := search.NewGuided(searchedMatrices(t, m), 5, search.Row, search.Group)
		if err != nil {
			t.Fatal(err)
		}
		path, start := filepath.Join(t.TempDir(), "journal"), bankai.New(m.Digest(), bankai.Meta{})
		j, err := search.OpenJournal(path, search.Identity(start, e, st), false)
		if err != nil {
			t.Fatal(err)
		}
		mark = func() { marks[d.Calls()+1] = j.Mark() }
		var got *search.Result
		for {
			got, err = search.Run(t.Context(), e, st, start, search.Config{Steps: steps, Journal: j})
			tainted := (*division.TaintedError)(nil)
			if !errors.As(err, &tainted) {
				break
			}
			back++
			at, known := marks[tainted.Since]
			if !known {
				t.Fatalf("there was no call %d", tainted.Since)
			}
			if err := j.CutBack(at); err != nil {
				t.Fatal(err)
			}
			e = measured(t, m) // which remembers nothing wrong
			e.Divide(between{d, func() { mark() }})
			if st, err = search.NewGuided(searchedMatrices(t, m), 5, search.Row, search.Group); err != nil {
				t.Fatal(err)
			}
		}
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
		if got.Patch.ContentDigest() != want.Patch.ContentDigest() || !bytes.Equal(timeless(text), journal) {
			t.Errorf("wrong after %d answers: the patch or the journal is another than of one machine", right)
		}
		if dropped != 1 {
			t.Errorf("wrong after %d answers: it was dropped %d times", right, dropped)
		}
	}
	if back == 0 {
		t.Errorf("%d times something was taken back", back)
	}
}

// Who was found to compute wrong bits anywhere in a session is doubted by all that the
// session measures.
func TestDistrustIsOfAll(t *testing.T) {
	m := golden(t, engine.Options{Threads: 2})
	b := startBroker(t, BrokerOptions{})
	s := openSession(t, dial(t, remote(b)), m, Options{Cache: t.TempDir()})
	var ds []*Measurer
	var es []*score.Evaluator
	for _, right := range []int64{4, math.MaxInt64} { // the first unit is checked, and no other
		e := measured(t, m)
		d, err := s.Measurer(e)
		if err != nil {
			t.Fatal(err)
		}
		l := &liar{Here: division.Here{Evaluator: measured(t, m)}}
		l.left.Store(right)
		d.Join(l)
		d.peers.all["liar"] = append(d.peers.all["liar"], l)
		e.Divide(d)
		ds, es = append(ds, d), append(es, e)
	}
	ask := func(e *score.Evaluator, row uint32) error {
		move := search.Move{Flips: []bankai.Flip{{Tensor: "blk.0.ffn_up.weight", Row: row, N: bankai.ToEnd}}}
		_, err := e.Score(t.Context(), bankai.New(m.Digest(), bankai.Meta{}), []search.Move{move})
		return err
	}
	for i, e := range es {
		if err := ask(e, 3); err != nil {
			t.Fatalf("measurer %d: %v", i, err)
		}
	}
	s.distrust("liar", "it computes wrong bits")
	err := ask(es[0], 5)
	if tainted := (*division.TaintedError)(nil); !errors.As(err, &tainted) {
		t.Errorf("where it was wrong, too: %v", err)
	}
	wantError(t, err, "wrong bits of liar")
	if err := ask(es[1], 5); err != nil {
		t.Errorf("where it was right: %v", err)
	}
	ds[0].Close()
	if s.distrust("liar", "again"); len(s.work.assemblies) != 1 {
		t.Errorf("%d measurers are open", len(s.work.assemblies))
	}
}
