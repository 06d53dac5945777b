package main

import (
	"bufio"
	"strings"
	"testing"

	"bankai/engine"
)

// What can be shown is printed at once.
func TestEventsArePrinted(t *testing.T) {
	var out strings.Builder
	a := &app{stdout: bufio.NewWriter(&out)}
	printed := ""
	for _, text := range []string{"3x", "", "^2 é"} {
		a.printEvent(engine.Event{Text: text})
		if printed += text; out.String() != printed {
			t.Fatalf("printed %q, told %q", out.String(), printed)
		}
	}
}

// On a terminal, a model cannot send control sequences.
func TestShown(t *testing.T) {
	const text = "a\x1b[2Jb\tc\nd\u009be"
	if got := (&app{}).shown(text); got != text {
		t.Errorf("a file gets %q", got)
	}
	if got, want := (&app{screen: true}).shown(text), "a\uFFFD[2Jb\tc\nd\uFFFDe"; got != want {
		t.Errorf("a terminal gets %q, want %q", got, want)
	}
}
