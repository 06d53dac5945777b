package main

import (
	"bufio"
	"slices"
	"strings"
	"testing"

	"bankai/engine"
)

func TestReadStops(t *testing.T) {
	stops := []string{`\n`, "END", `a\tb`}
	if err := readStops(stops); err != nil || !slices.Equal(stops, []string{"\n", "END", "a\tb"}) {
		t.Errorf("got %q, %v", stops, err)
	}
	for _, stop := range []string{"", "a\xff"} {
		if readStops([]string{"x", stop}) == nil {
			t.Errorf("%q was accepted", stop)
		}
	}
}

// What can be shown is printed at once.
func TestEventsArePrinted(t *testing.T) {
	var out strings.Builder
	a := &console{stdout: bufio.NewWriter(&out)}
	printed := ""
	for _, text := range []string{"3x", "", "^2 é"} {
		a.printEvent(engine.Event{Text: text})
		if printed += text; out.String() != printed {
			t.Fatalf("printed %q, told %q", out.String(), printed)
		}
	}
}
