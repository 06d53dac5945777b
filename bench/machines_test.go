//go:build linux

package main

import (
	"bufio"
	"context"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bankai"
)

// Several machines, of which some are killed, find what one does.
func TestMachines(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: several machines take too long for -short")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("SKIPPED: several machines: there is no go here to build the program with")
	}
	r, err := newRig(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.refer(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, seed := range map[string]uint64{
		"the broker and the coordinator are killed": 1007,
		"a worker computes wrong bits":              10,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if played, err := r.schedule(t.Context(), seed, 5*time.Minute); err != nil {
				t.Errorf("%v\n%s", err, played.table())
			}
		})
	}
}

func TestParseMachines(t *testing.T) {
	o, err := parseMachines([]string{"-schedules", "3", "-seed", "7", "-at-once", "2"})
	if err != nil || o.schedules != 3 || o.seed != 7 || o.atOnce != 2 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range [][]string{{}, {"-speed", "-soak", "1m"}, {"-schedules", "1", "more"}, {"-speed", "-rounds", "0"}, {"-schedules", "1", "-at-once", "0"}, {"-speed", "-shape", "9b"}, {"-soak", "1m", "-shape", "8b"}} {
		if _, err := parseMachines(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// A seed is a schedule; together they have everything that can happen to everybody.
func TestPlans(t *testing.T) {
	takes := [stages]time.Duration{2 * time.Second, time.Second}
	seen := map[string]bool{}
	for seed := range uint64(300) {
		p := newPlan(seed, takes)
		if again := newPlan(seed, takes); again.String() != p.String() {
			t.Fatalf("seed %d: %s is not %s", seed, again, p)
		}
		if p.embedded {
			seen["embedded"] = true
		}
		if p.wrong >= 0 {
			seen["wrong"] = true
		}
		for g, all := range p.stages {
			for _, i := range all {
				if i.at > takes[g]*3/2 || i.who >= p.workers || p.embedded && (i.who == theBroker || i.who == theCoordinator && i.act == rain) {
					t.Errorf("seed %d: %s in %s", seed, i, p)
				}
				seen[i.act.String()] = true
				seen[i.weather.String()] = true
				seen[[]string{"coordinator", "broker", "worker"}[min(i.who, 0)+2]] = true
			}
		}
	}
	for _, want := range []string{"embedded", "wrong", "kill", "leave", "freeze", "full disk", "join", "slow", "hole", "cut", "coordinator", "broker", "worker"} {
		if !seen[want] {
			t.Errorf("no plan has %q", want)
		}
	}
}

// What goes over a line arrives, late or not at all, as the weather is.
func TestLine(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		for {
			c, err := server.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	l, err := newLine(server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	dial := func() (net.Conn, *bufio.Reader) {
		c, err := net.Dial("tcp", l.address())
		if err != nil {
			t.Fatal(err)
		}
		return c, bufio.NewReader(c)
	}
	c, echo := dial()
	for _, w := range []weather{fair, slow, hole} {
		l.set(w, time.Millisecond)
		io.WriteString(c, w.String()+"\n")
		if w == hole {
			c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			if line, err := echo.ReadString('\n'); err == nil {
				t.Errorf("%q comes through a hole", line)
			}
			c.SetReadDeadline(time.Time{})
			l.set(fair, 0)
		}
		if line, err := echo.ReadString('\n'); line != w.String()+"\n" {
			t.Errorf("%s: %q, %v", w, line, err)
		}
	}
	l.set(cut, 0)
	if _, err := echo.ReadString('\n'); err == nil {
		t.Error("a connection stays when its line is cut")
	}
	c, echo = dial()
	if _, err := echo.ReadByte(); err == nil {
		t.Error("a new connection gets through a line that is cut")
	}
	c.Close()
	l.set(fair, 0)
	c, echo = dial()
	io.WriteString(c, "again\n")
	if line, err := echo.ReadString('\n'); line != "again\n" {
		t.Errorf("mended: %q, %v", line, err)
	}
	c.Close()
}

// What differs between results is found; times and who helped are no difference.
func TestOutcomes(t *testing.T) {
	dir := t.TempDir()
	write := func(journal, printed string, row uint32) outcome {
		p := bankai.New(bankai.Digest{}, bankai.Meta{}, bankai.Flip{Tensor: "blk.0.ffn_gate.weight", Row: row, N: bankai.ToEnd})
		if err := p.WriteFile(filepath.Join(dir, "fix.bankai")); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "fix.bankai.journal"), []byte(journal), 0o666); err != nil {
			t.Fatal(err)
		}
		o, err := searching.outcome(dir, []byte(printed))
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	const journal = "{\"run\":[]}\n{\"on\":\"a\",\"seconds\":0.25,\"trial\":{\"step\":1}}\t\"0123abcd\"\n{\"on\":\"a\",\"seconds\":0,\"written\":0.5}\t\"5\"\n"
	const printed = `{"flips":1,"cost":{"seconds":1,"forward_equivalents":2}}`
	alone := write(journal, printed, 1)
	same := write(strings.NewReplacer("0.25", "1e-3", "0123abcd", "f").Replace(journal), `{"flips":1,"cost":{"seconds":3,"forward_equivalents":2},"workers":[{"units":3},{"units":4}]}`, 1)
	if err := same.differs(alone); err != nil || same.units != 7 {
		t.Errorf("%v, %d units", err, same.units)
	}
	for want, o := range map[string]outcome{
		"patch":   write(journal, printed, 2),
		"journal": write(strings.Replace(journal, `"step":1`, `"step":2`, 1), printed, 1),
		"printed": write(journal, strings.Replace(printed, `"flips":1`, `"flips":2`, 1), 1),
	} {
		if err := o.differs(alone); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestCurves(t *testing.T) {
	flat, grows := curve{name: "flat"}, curve{name: "grows"}
	for i := range 30 {
		at := time.Duration(i) * time.Minute
		flat.add(at, 100e6+int64(i%2)*1e5)
		grows.add(at, 100e6+int64(i)*1e6)
	}
	if slope, _ := grows.slope(); math.Abs(slope-60e6) > 1 {
		t.Errorf("%g bytes an hour instead of 60e6", slope)
	}
	if v := grows.verdict(); !strings.HasSuffix(v, "it grows") {
		t.Error(v)
	}
	if v := flat.verdict(); !strings.HasSuffix(v, "flat") {
		t.Error(v)
	}
}

// A process that does not listen to SIGTERM is killed, and what is left is found.
func TestProcesses(t *testing.T) {
	dir := t.TempDir()
	p, err := command{"deaf", dir, environment(dir), []string{"sh", "-c", `trap "" TERM; echo ready >&2; while :; do sleep 0.05; done`}}.start()
	if err != nil {
		t.Fatal(err)
	}
	defer p.kill()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := p.until(ctx, func() bool { return strings.Contains(p.said(), "ready") }); err != nil {
		t.Fatal(err)
	}
	if left := leftOver(folderVariable + "=" + dir + "\x00"); len(left) == 0 || !strings.Contains(left[0], "sh -c") {
		t.Errorf("%q are left", left)
	}
	if err := p.end(50 * time.Millisecond); err == nil || p.alive() {
		t.Errorf("%v, alive %t", err, p.alive())
	}
}
