package main

import (
	"slices"
	"testing"
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
