package terminal

import (
	"io"
	"os"
	"testing"

	"golang.org/x/term"
)

// Ctrl-C drops what is in a line, and only in an empty one asks to leave.
func TestCtrlC(t *testing.T) {
	for keys, begun := range map[string]bool{
		"\x03": false, "abc\x03": true, "a\x7f\x03": false, "ab\x1b[D\x1b[D\x03": true, "\t\x03": false, "a\tb\x03": true,
	} {
		in, keyboard, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		keyboard.WriteString(keys)
		keyboard.Close()
		e := &Editor{screen: &screen{in: in}}
		line := term.NewTerminal(struct {
			io.Reader
			io.Writer
		}{e.screen, io.Discard}, "> ")
		line.AutoCompleteCallback = e.complete
		if _, err := line.ReadLine(); err != io.EOF || !e.screen.ctrlC || e.begun != begun {
			t.Errorf("%q: %v, noticed %v, begun %v, want %v", keys, err, e.screen.ctrlC, e.begun, begun)
		}
	}
}

// The tab key writes what all that a line may become begins with.
func TestComplete(t *testing.T) {
	words := []string{"/patch", "/patches", "/größe", "/große"}
	e := &Editor{Complete: func(line string) (all []string) {
		for _, w := range words {
			if len(w) >= len(line) && w[:len(line)] == line {
				all = append(all, w)
			}
		}
		return all
	}}
	for _, c := range []struct {
		line string
		pos  int
		key  rune
		want string // "" if the key is none of ours
	}{
		{"/p", 2, '\t', "/patch"},
		{"/patche", 7, '\t', "/patches"},
		{"/gr", 3, '\t', "/gr"}, // ö and o differ
		{"/x", 2, '\t', "/x"},
		{"/p", 1, '\t', ""},
		{"/p", 2, 'a', ""},
	} {
		got, pos, ok := e.complete(c.line, c.pos, c.key)
		if ok != (c.want != "") || ok && (got != c.want || pos != len(got)) {
			t.Errorf("%q at %d, key %q: got %q at %d, %v, want %q", c.line, c.pos, c.key, got, pos, ok, c.want)
		}
	}
	if _, _, ok := (&Editor{}).complete("/p", 2, '\t'); ok {
		t.Error("an editor without completions takes the tab key")
	}
}
