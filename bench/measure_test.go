package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What `bankai bench` prints is what is read here: every figure arrives.
func TestRound(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	path, size, err := tiny.file(dir)
	if err != nil {
		t.Fatal(err)
	}
	e := engines{threads: 1}
	if e.bankai, err = build(ctx, dir); err != nil {
		t.Fatal(err)
	}
	res := result{Model: tiny.name, FileBytes: size}
	if err := e.round(ctx, &report{}, &res, path); err != nil {
		t.Fatal(err)
	}
	for i, u := range res.Runs {
		if u.Engine != "bankai, "+u.Kernel || u.Kernel == "" || u.PP <= 0 || u.TG <= 0 || u.Load <= 0 || u.Limits.TG <= 0 || u.Limits.Bandwidth <= 0 {
			t.Errorf("run %d: %+v", i, u)
		}
	}
	first := res.Runs[0].Kernel
	if second := res.Runs[len(res.Runs)-1].Kernel; first == "avx512" && (len(res.Runs) != 2 || second != "avx2") {
		t.Errorf("%d runs, of %s and %s", len(res.Runs), first, second)
	}
	if _, err := e.runBankai(ctx, filepath.Join(dir, "none"), promptTokens, ""); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("without a model: %v", err)
	}
}

// A llama.cpp that fails is left out, and bankai measured all the same.
func TestRoundWithBrokenPeer(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	path, _, err := tiny.file(dir)
	if err != nil {
		t.Fatal(err)
	}
	bankai, err := build(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	r, res := &report{Peer: peerVersion}, result{}
	e := engines{bankai: bankai, peer: &peer{node: filepath.Join(dir, "no-node")}, threads: 1}
	if err := e.round(ctx, r, &res, path); err != nil {
		t.Fatal(err)
	}
	if e.peer != nil || !strings.HasPrefix(r.Peer, "left out: ") || len(res.Runs) == 0 || res.Runs[0].Kernel == "" {
		t.Errorf("peer %v, %q, runs %+v", e.peer, r.Peer, res.Runs)
	}
}

func TestParse(t *testing.T) {
	o, err := parse([]string{"-threads", "3", "-shapes", "8b,1.7b"})
	if err != nil || o.threads != 3 || o.rounds != 2 || len(o.models) != 2 || o.models[0].name != "8B" {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err := parse([]string{"-quick"}); err != nil || o.rounds != 1 || len(o.models) != 1 || o.models[0].name != "1.7B" {
		t.Errorf("quick: %+v, %v", o, err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if o, err := parse([]string{"-rival", self}); err != nil || len(o.rivals) != 1 || string(o.rivals[0]) != self {
		t.Errorf("rival: %+v, %v", o, err)
	}
	for _, bad := range [][]string{{"-rival", "no/llama-bench"}, {"-shapes", "2b"}, {"-rounds", "0"}, {"-threads", "0"}, {"8b"}} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// An engine that prints no speeds has failed, whatever its exit status.
func TestNoSpeeds(t *testing.T) {
	if out, err := runJSON(exec.Command("go", "env", "-json", "GOOS")); err == nil || !strings.Contains(err.Error(), "no speeds") {
		t.Errorf("%+v, %v", out, err)
	}
}
