package main

import (
	"bufio"
	"slices"
	"strings"
	"testing"

	"bankai/internal/terminal"
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

// Texts of models keep their lines and spaces beside each other, too, and steer no terminal.
func TestWriteCompared(t *testing.T) {
	var out strings.Builder
	c := &terminal.Console{Stdout: bufio.NewWriter(&out), Width: terminal.MaxWidth}
	w := c.Text()
	writeCompared(w, " 4\n 5", "\t\x1b[31mx\u202e")
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
	c.Stdout.Flush()
	if want := "base      4\n 5\npatched  \t\uFFFD[31mx\uFFFD\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
