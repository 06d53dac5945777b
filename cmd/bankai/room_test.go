package main

import (
	"os"
	"runtime"
	"testing"
)

// Messages get processors beside those that compute, whose number stays, also of models that
// are loaded later; unless somebody has said how many there are.
func TestRoomForMessages(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })

	t.Setenv("GOMAXPROCS", "")
	os.Unsetenv("GOMAXPROCS")
	a := &app{}
	back := a.roomForMessages()
	if now := runtime.GOMAXPROCS(0); now != before+2 || int(a.threads) != before {
		t.Errorf("%d processors instead of %d and 2, to compute with %d", now, before, a.threads)
	}
	back()
	if now := runtime.GOMAXPROCS(0); now != before || a.threads != 0 {
		t.Errorf("%d processors instead of %d, to compute with %d instead of all", now, before, a.threads)
	}

	asked := &app{threads: 1}
	back = asked.roomForMessages()
	if asked.threads != 1 {
		t.Errorf("%d threads instead of 1", asked.threads)
	}
	back()

	t.Setenv("GOMAXPROCS", "3")
	a.roomForMessages()()
	if now := runtime.GOMAXPROCS(0); now != before || a.threads != 0 {
		t.Errorf("with GOMAXPROCS: %d processors instead of %d", now, before)
	}
}
