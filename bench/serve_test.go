package main

import (
	"context"
	"strings"
	"testing"
)

// Every measure runs and has values, with so little work that they mean nothing.
func TestServe(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	path, err := servedFile("demo", dir)
	if err != nil {
		t.Fatal(err)
	}
	binary, err := build(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{load: load{users: 3, prompt: 8, tokens: 6, long: 100}, name: "demo", path: path, threads: 2, rounds: 1, binary: binary}
	all, err := s.measure(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		// The demo's streams may end before the long prompt comes: then they have no gaps.
		positive := m.Name != "the same, of the fastest rounds" && !strings.HasSuffix(m.Name, "%") && !strings.HasPrefix(m.Name, "longest gap of these")
		if len(m.Values) == 0 || positive && m.Median <= 0 {
			t.Errorf("%+v", m)
		}
	}
	for _, want := range []string{"engine.Loop", "server", "adding", "bankai_overlay_seconds", "longest gap", "tokens alone", "/health"} {
		has := false
		for _, m := range all {
			has = has || strings.Contains(m.Name, want)
		}
		if !has {
			t.Errorf("nothing measured has %q in its name", want)
		}
	}
}

func TestServeTable(t *testing.T) {
	const want = `| model | measure | to reach | median | least to most | |
|---|---|---|---|---|---|
| demo | ratio | ≥ 0.95 | 0.97 | 0.90 to 1.00 | reached |
| demo | ms | ≤ 1 | 3.00 | 0.50 to 4.00 | missed |
| demo | tokens/s |  | 300 | 300 to 300 |  |

Some CPU, 2 threads, 3 rounds; llama.cpp: left out: no node
`
	r := served{CPU: "Some CPU", Threads: 2, Rounds: 3, Peer: "left out: no node\nat all", Models: []servedModel{{"demo", []measured{
		newMeasured("ratio", atLeast(0.95), 1, 0.97, 0.9), newMeasured("ms", atMost(1), 4, 3, 0.5), newMeasured("tokens/s", nil, 300),
	}}}}
	if got := r.table(); got != want {
		t.Errorf("table:\n%s\nwant:\n%s", got, want)
	}
}

func TestParseServe(t *testing.T) {
	o, err := parseServe([]string{"-models", "demo", "-rounds", "2", "-threads", "3"})
	if err != nil || len(o.models) != 1 || o.rounds != 2 || o.threads != 3 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range [][]string{{"-models", "2b"}, {"-rounds", "0"}, {"-threads", "0"}, {"demo"}, {"-only", "short"}, {"-llama-server", "no/llama-server"}} {
		if _, err := parseServe(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
