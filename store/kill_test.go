package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"bankai"
)

// TestMain lets the test binary be the program that is killed: it changes a library for
// ever, and says of every change that it begins and that it is done.
func TestMain(m *testing.M) {
	dir := os.Getenv("STORE_TEST_LIBRARY")
	if dir == "" {
		os.Exit(m.Run())
	}
	who, _ := strconv.Atoi(os.Getenv("STORE_TEST_CHILD"))
	first, _ := strconv.Atoi(os.Getenv("STORE_TEST_FIRST"))
	for n := first; ; n++ {
		c := changeOf(who, n)
		fmt.Printf("begin %d\n", n)
		if err := c.do(Open(dir)); err != nil {
			fmt.Fprintln(os.Stderr, c, err)
			os.Exit(1)
		}
		fmt.Printf("done %d\n", n)
	}
}

// change is one that a child makes, which its number decides.
type change struct {
	kind      string // add, remove or gc
	name, tag string
	patch     *bankai.Patch
}

// changeOf is the n-th change of a child, to names of its own.
func changeOf(child, n int) change {
	r := rand.New(rand.NewPCG(uint64(child), uint64(n)))
	c := change{kind: "add", name: fmt.Sprintf("child%d-%d", child, r.IntN(3)), tag: []string{Latest, "v1", "v2"}[r.IntN(3)]}
	switch r.IntN(8) {
	case 0:
		c.kind = "gc"
	case 1, 2:
		c.kind = "remove"
	default:
		flip := upRow
		flip.Row = uint32(r.IntN(5)) // patches come again, under other names, too
		c.patch = bankai.New(bankai.Digest{1}, bankai.Meta{Description: strings.Repeat("x", r.IntN(50_000))}, flip)
	}
	return c
}

func (c change) do(l *Library) (err error) {
	ctx := context.Background()
	switch c.kind {
	case "add":
		_, err = l.Add(ctx, c.name, c.tag, c.patch, AddOptions{
			Move: true, Files: []Attachment{{Probes, "set.json", []byte(c.name + c.tag)}},
			Signed: []Signature{{Key: "0123456789ABCDEF", Text: []byte("a signature")}},
		})
	case "remove":
		if _, err = l.Remove(ctx, c.name+":"+c.tag); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	case "gc":
		_, err = l.GC(ctx)
	}
	return err
}

// model is what a library should have of one child: a plain copy of its tags.
type model map[string]*tagFile

func (m model) do(c change) {
	t := m[c.name]
	if t == nil {
		t = &tagFile{Tags: map[string]Entry{}}
		m[c.name] = t
	}
	switch c.kind {
	case "add":
		var data bytes.Buffer
		c.patch.WriteTo(&data)
		t.set(Entry{Name: c.name, Tag: c.tag, Patch: sum(data.Bytes())})
	case "remove":
		delete(t.Tags, c.tag)
	}
}

// String lists names, tags and digests, in order.
func (m model) String() string {
	var b strings.Builder
	for i := range 3 {
		for name, t := range m {
			if strings.HasSuffix(name, fmt.Sprint("-", i)) {
				for _, tag := range t.names() {
					fmt.Fprintf(&b, "%s:%s %.8s\n", name, tag, t.Tags[tag].Patch)
				}
			}
		}
	}
	return b.String()
}

func have(t *testing.T, l *Library, child int) string {
	t.Helper()
	all, err := l.List()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range all {
		if strings.HasPrefix(e.Name, fmt.Sprintf("child%d-", child)) {
			fmt.Fprintf(&b, "%s:%s %.8s\n", e.Name, e.Tag, e.Patch)
		}
	}
	return b.String()
}

// Three programs that add, remove and collect are killed at random moments, again and
// again. Every change that one of them said is done is there, the one under way is there
// wholly or not at all, and all that is there reads as it was added. STORE_KILLS=N is how
// often.
func TestKill(t *testing.T) {
	kills := 60
	if n, err := strconv.Atoi(os.Getenv("STORE_KILLS")); err == nil {
		kills = n
	}
	const children = 3
	l := Open(t.TempDir())
	r := rand.New(rand.NewPCG(3, 1))
	next, models := make([]int, children), make([]model, children)
	for i := range models {
		models[i] = model{}
	}
	for range (kills + children - 1) / children {
		var all []*exec.Cmd
		outs := make([]bytes.Buffer, children)
		errs := make([]bytes.Buffer, children)
		for i := range children {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1", "STORE_TEST_LIBRARY="+l.Dir(), fmt.Sprint("STORE_TEST_CHILD=", i), fmt.Sprint("STORE_TEST_FIRST=", next[i]))
			cmd.Stdout, cmd.Stderr = &outs[i], &errs[i]
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			all = append(all, cmd)
			defer cmd.Process.Kill()
		}
		time.Sleep(time.Duration(30+r.IntN(120)) * time.Millisecond)
		for _, cmd := range all {
			cmd.Process.Kill()
		}
		for i, cmd := range all {
			if cmd.Wait(); cmd.ProcessState.ExitCode() == 1 {
				t.Fatalf("a program failed before it was killed: %s", errs[i].String())
			}
			begun := -1
			for lines := bufio.NewScanner(&outs[i]); lines.Scan(); {
				var what string
				var n int
				fmt.Sscan(lines.Text(), &what, &n)
				if begun = n; what == "done" {
					models[i].do(changeOf(i, n))
					next[i], begun = n+1, -1
				}
			}
			got := have(t, l, i)
			if got != models[i].String() && begun >= 0 {
				models[i].do(changeOf(i, begun)) // it was made before the kill
				next[i] = begun + 1
			}
			if got != models[i].String() {
				t.Fatalf("child %d, change %d: the library has\n%sand should have\n%s", i, begun, got, models[i])
			}
		}
		sound(t, l)
	}
	if _, err := l.GC(t.Context()); err != nil {
		t.Fatal(err)
	}
	sound(t, l)
	t.Logf("%d kills, %v changes", kills, next)
}

// sound checks that everything in a library reads as it was added, and that nothing else
// is there.
func sound(t *testing.T, l *Library) {
	t.Helper()
	faults, err := l.Check(t.Context())
	if err != nil || len(faults) > 0 {
		t.Fatalf("%v, %v", faults, err)
	}
}

func sum(data []byte) bankai.Digest { return sha256.Sum256(data) }
