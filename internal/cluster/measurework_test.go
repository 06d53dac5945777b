package cluster

import (
	"bytes"
	"math"
	"testing"
	"time"

	"bankai/internal/cluster/division"

	"bankai/score"
	"bankai/search"
)

// TestRequestsAreBounded: what a worker holds of requests is, however many come, and is
// given back when the session ends.
func TestRequestsAreBounded(t *testing.T) {
	p, c := farAway(t, quick)
	all := &intake{most: mostAskings}
	j := &joined{
		ctx: t.Context(), record: p.session.record, identity: called(t, p.member.id), conn: c,
		runner: &runner{turns: make(chan struct{}, 1), intake: all, log: func(string, ...any) {}},
	}
	j.runner.turns <- struct{}{} // it computes something else, so that nothing is answered
	w := &measuring{j: j, intake: &intake{most: mostAsking, of: all}, more: make(chan struct{}, 1), kept: []keptTask{{task: p.task, release: func() {}}}}
	end, err := w.begin()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	held := func() int {
		all.mu.Lock()
		defer all.mu.Unlock()
		return all.held
	}
	data, err := encodeAsk(p.task, division.Query{Patch: somePatch, Moves: someMoves}, []score.Part{{}})
	if err != nil {
		t.Fatal(err)
	}
	data = append(bytes.Repeat([]byte(" "), 8<<20-len(data)), data...)
	nc := p.session.conn.nc
	for i := range 10 {
		inbox := nc.NewInbox()
		answers, err := nc.SubscribeSync(inbox)
		if err != nil {
			t.Fatal(err)
		}
		seq := uint32(0)
		if err := pieces(data, 0, askFrame, askLast, func(f frame) error {
			f.seq = seq
			seq++
			return nc.PublishRequest(p.subject(askToken), inbox, f.encode())
		}); err != nil {
			t.Fatal(err)
		}
		if (i+1)*len(data) <= mostAsking {
			continue // it waits for its turn
		}
		m, err := answers.NextMsg(time.Minute)
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		if f, err := decodeFrame(m.Data); err != nil || f.kind != failedFrame || string(f.data) != full {
			t.Errorf("request %d: it says %q", i, m.Data)
		}
	}
	if n := held(); n == 0 || n > mostAsking {
		t.Errorf("%d bytes are held", n)
	}
	end()
	if n := held(); n != 0 {
		t.Errorf("%d bytes are held of a session that has ended", n)
	}
}

// TestTooMuch refuses what would take more memory to answer than there may be.
func TestTooMuch(t *testing.T) {
	moves := make([]search.Move, 1<<16)
	for name, c := range map[string]struct {
		q     division.Query
		parts []score.Part
		fine  bool
	}{
		"usual":     {division.Query{Moves: moves[:64]}, make([]score.Part, 100), true},
		"parts":     {division.Query{Moves: moves[:1]}, make([]score.Part, mostParts+1), false},
		"moves":     {division.Query{Moves: append(moves, moves...)}, make([]score.Part, 1), false},
		"questions": {division.Query{Moves: moves}, []score.Part{{Questions: make([]int, 1000)}}, false},
		"negative":  {division.Query{Moves: moves[:1]}, []score.Part{{Tokens: -1}}, false},
		"NaN":       {division.Query{Moves: moves[:1]}, []score.Part{{Tokens: math.NaN()}}, false},
	} {
		if err := tooMuch(c.q, c.parts); (err == nil) != c.fine {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTaken refuses what no coordinator lets another machine search.
func TestTaken(t *testing.T) {
	usual := func() score.Job {
		return score.Job{Plan: score.NewPlan(score.MethodGuided), Limits: search.Config{Steps: 1000}}
	}
	if err := taken(usual()); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(j *score.Job){
		"a vote":        func(j *score.Job) { j.Plan.Method, j.Plan.Draws = score.MethodVote, 3 },
		"granularities": func(j *score.Job) { j.Plan.Sizes = make([]search.Granularity, score.MaxSizes+1) },
		"a batch":       func(j *score.Job) { j.Limits.Batch = search.MaxBatch + 1 },
		"no steps":      func(j *score.Job) { j.Limits.Steps = -1 },
		"steps":         func(j *score.Job) { j.Limits.Steps = math.MaxInt32 + 1 },
		"a block":       func(j *score.Job) { j.Plan.Method, j.Plan.Block = score.MethodSampled, math.MaxInt32+1 },
	} {
		j := usual()
		change(&j)
		if taken(j) == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
}
