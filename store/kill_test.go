package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
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
	"bankai/store/signature"
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
	kind      string // add, remove, sign, trust or gc
	name, tag string
	patch     *bankai.Patch
	key       signature.PublicKey // the child's own
	text      string              // of a signature, or what the key is trusted with, "" for nothing
}

// changeOf is the n-th change of a child, to names of its own.
func changeOf(child, n int) change {
	r := rand.New(rand.NewPCG(uint64(child), uint64(n)))
	c := change{kind: "add", name: fmt.Sprintf("child%d-%d", child, r.IntN(3)), tag: []string{Latest, "v1", "v2"}[r.IntN(3)]}
	c.key, c.text = keyOfChild(child), fmt.Sprint("x", n)
	switch r.IntN(10) {
	case 0:
		c.kind = "gc"
	case 1, 2:
		c.kind = "remove"
	case 3:
		c.kind, c.text = "sign", c.text+strings.Repeat("x", r.IntN(10_000))
	case 4:
		c.kind = "trust"
		if n%3 == 0 {
			c.text = ""
		}
	default:
		flip := upRow
		flip.Row = uint32(r.IntN(5)) // patches come again, under other names, too
		c.patch = bankai.New(bankai.Digest{1}, bankai.Meta{Description: strings.Repeat("x", r.IntN(50_000))}, flip)
	}
	return c
}

// keyOfChild is a key that checks nothing.
func keyOfChild(child int) signature.PublicKey {
	line := append([]byte("Ed"), make([]byte, 40)...)
	line[2] = byte(child + 1)
	k, err := signature.ParsePublicKey([]byte(base64.StdEncoding.EncodeToString(line)))
	if err != nil {
		panic(err)
	}
	return k
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
		_, err = l.Remove(ctx, c.name+":"+c.tag)
	case "sign":
		var e Entry
		if e, err = l.Resolve(c.name + ":" + c.tag); err == nil {
			err = l.Sign(ctx, e.Patch, Signature{Key: c.key.ID().String(), Text: []byte(c.text)})
		}
	case "trust":
		if c.text == "" {
			err = l.DistrustKey(ctx, c.key.ID())
		} else {
			_, err = l.TrustKey(ctx, signature.Trusted{Key: c.key, Names: []string{c.text}})
		}
	case "gc":
		_, err = l.GC(ctx)
	}
	if errors.Is(err, fs.ErrNotExist) && c.kind != "add" && c.kind != "gc" {
		return nil // what it is about is not there
	}
	return err
}

// model is what a library should have of one child.
type model struct {
	names   map[string]*tagFile      // a plain copy of its tags
	signed  map[bankai.Digest]string // with its key, of patches that have had a tag ever since
	trusted string                   // with what its key is
}

func (m *model) do(c change) {
	t := m.names[c.name]
	if t == nil {
		t = &tagFile{Tags: map[string]Entry{}}
		m.names[c.name] = t
	}
	e, there := t.Tags[c.tag]
	switch c.kind {
	case "add":
		data, _ := c.patch.Encode()
		delete(m.signed, e.Patch)
		t.set(Entry{Name: c.name, Tag: c.tag, Patch: sum(data)})
	case "remove":
		delete(m.signed, e.Patch)
		delete(t.Tags, c.tag)
	case "sign":
		if there {
			m.signed[e.Patch] = c.text
		}
	case "trust":
		m.trusted = c.text
	}
}

// String lists names, tags, digests and signatures, in order.
func (m *model) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "trusted with %q\n", m.trusted)
	for i := range 3 {
		for name, t := range m.names {
			if strings.HasSuffix(name, fmt.Sprint("-", i)) {
				for _, tag := range t.names() {
					d := t.Tags[tag].Patch
					fmt.Fprintf(&b, "%s:%s %.8s %.8s\n", name, tag, d, sum([]byte(m.signed[d])))
				}
			}
		}
	}
	return b.String()
}

// have is what a library has of a child, in the words of its model.
func have(t *testing.T, l *Library, child int, m *model) string {
	t.Helper()
	all, err := l.List()
	if err != nil {
		t.Fatal(err)
	}
	trust, err := l.Trust()
	if err != nil {
		t.Fatal(err)
	}
	with := ""
	for _, k := range trust {
		if k.Key.Equal(keyOfChild(child)) {
			with = k.Names[0]
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "trusted with %q\n", with)
	for _, e := range all {
		if strings.HasPrefix(e.Name, fmt.Sprintf("child%d-", child)) {
			fmt.Fprintf(&b, "%s:%s %.8s %.8s\n", e.Name, e.Tag, e.Patch, sum([]byte(signedAs(t, l, e, m))))
		}
	}
	return b.String()
}

// signedAs is the text of a child's signature of a patch, if it has to have one.
func signedAs(t *testing.T, l *Library, e Entry, m *model) string {
	t.Helper()
	if m.signed[e.Patch] == "" {
		return ""
	}
	sigs, err := l.Signatures(e.Patch)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sigs {
		if strings.HasPrefix(string(s), "x") {
			return string(s)
		}
	}
	return ""
}

// Three programs that add, remove, sign, trust and collect are killed at random moments, again and
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
	next, models := make([]int, children), make([]*model, children)
	for i := range models {
		models[i] = &model{names: map[string]*tagFile{}, signed: map[bankai.Digest]string{}}
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
			if begun >= 0 && have(t, l, i, models[i]) != models[i].String() {
				models[i].do(changeOf(i, begun)) // it was made before the kill
				next[i] = begun + 1
			}
			if got := have(t, l, i, models[i]); got != models[i].String() {
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
