package main

import (
	"io"
	"testing"
)

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
		{[]string{"search", "--workers", "embedded", "-o", "p", "--token-file=t", "--nkey", "n", "--creds", "c", "--ca", "a"}, "bankai search -o p"},
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
