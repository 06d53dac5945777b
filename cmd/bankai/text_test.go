package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

func TestWriteFacts(t *testing.T) {
	var b strings.Builder
	writeFacts(&b, fact{"a", "1"}, fact{"nothing", ""}, fact{"größe", "2"})
	if want := "a      1\ngröße  2\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestExplain(t *testing.T) {
	path := &fs.PathError{Op: "open", Path: "x.gguf", Err: syscall.ENOENT}
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("plain"), "plain"},
		{path, "x.gguf: no such file or directory: check the path"},
		{fmt.Errorf("reading: %w", path), "reading: x.gguf: no such file or directory: check the path"},
		{&fs.PathError{Op: "read", Path: ".", Err: syscall.EISDIR}, ".: is a directory"},
		{errors.Join(errors.New("one"), errors.New("two")), "one; two"},
		{errors.New("an escape \x1b[2J and a\ttab"), "an escape  [2J and a tab"},
	} {
		if got := explain(c.err); got != c.want {
			t.Errorf("%v: got %q, want %q", c.err, got, c.want)
		}
	}
}

func TestIntList(t *testing.T) {
	for _, c := range []struct {
		text   string
		ranges bool
		want   string // "" for an error
	}{
		{"1,2,3", false, "1,2,3"},
		{"[1, 2, 3]", false, "1,2,3"},
		{" 7 ", false, "7"},
		{"0,3-5", true, "0,3,4,5"},
		{"3-3", true, "3"},
		{"3-5", false, ""},
		{"5-3", true, ""},
		{"-1", true, ""},
		{"-1", false, ""},
		{"1.5", false, ""},
		{"", false, ""},
		{"[]", false, ""},
		{",", false, ""},
		{"99999999999", false, ""},
		{"0-2000000000", true, ""},
		{"1--2", true, ""},
	} {
		l := &intList{ranges: c.ranges}
		err := l.Set(c.text)
		if (err == nil) != (c.want != "") || err == nil && l.String() != c.want {
			t.Errorf("%q: got %v, %v, want %q", c.text, l, err, c.want)
		}
	}
}

// A list that was printed reads back as itself.
func TestIntListRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := intList{values: rapid.SliceOfN(rapid.Int32Min(0), 1, 20).Draw(t, "values")}
		var b intList
		if err := b.Set(a.String()); err != nil || b.String() != a.String() {
			t.Fatalf("%s became %s, %v", &a, &b, err)
		}
	})
}

func TestCount(t *testing.T) {
	var c count
	for text, ok := range map[string]bool{"0": true, "300": true, "-1": false, "1e3": false, "": false, "99999999999999999999": false} {
		if err := c.Set(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A command line in a patch can be pasted into a shell.
func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"demo"}, "bankai demo"},
		{[]string{"search", "-o", "a b.json", "--proj=gate,up"}, "bankai search -o 'a b.json' --proj=gate,up"},
		{[]string{"tokenize", "it's", "", "$HOME"}, `bankai tokenize 'it'\''s' '' '$HOME'`},
		// What no result depends on is not recorded, wherever it stands.
		{[]string{"--threads", "2", "search", "--json", "-o", "p", "--resume", "--probes", "a", "--threads=3"}, "bankai search -o p --probes a"},
		{[]string{"search", "--report", "p.html", "--force", "--report=q.html", "-op"}, "bankai search -op"},
		{[]string{"search", "--probes", "--json", "-o", "--threads"}, "bankai search --probes --json -o --threads"}, // are values
		{[]string{"search", "--json=false", "--", "--threads", "2"}, "bankai search -- --threads 2"},
		{[]string{"search", "--threads"}, "bankai search"},
	} {
		a := newApp(c.args, nil, io.Discard, io.Discard)
		cmd, _, err := a.root().Find(c.args)
		if err != nil {
			t.Fatal(err)
		}
		cmd.InheritedFlags() // merges those of the root, as parsing does
		a.flags = cmd.Flags()
		if got := a.commandLine(); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

// Controls are shared in proportion, and both sets get some as far as that goes.
func TestProportion(t *testing.T) {
	for _, c := range []struct{ n, a, b, want int }{
		{49, 60, 60, 25},
		{49, 20, 60, 12},
		{49, 60, 20, 37},
		{2, 1, 99, 1},
		{2, 99, 1, 1},
		{1, 5, 5, 0},
		{0, 5, 5, 0},
		{3, 5, 0, 3},
		{3, 0, 5, 0},
	} {
		if got := proportion(c.n, c.a, c.b); got != c.want {
			t.Errorf("of %d for %d and %d: %d, want %d", c.n, c.a, c.b, got, c.want)
		}
	}
}

func TestCheckPatchName(t *testing.T) {
	for name, ok := range map[string]bool{"a.json": true, "a.BANKAI": true, "x/y.bankai": true, "": false, "a": false, "a.gguf": false, "a.json/": false} {
		if err := checkPatchName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}
