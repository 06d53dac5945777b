//go:build linux

package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// echoes says whether a terminal shows what is typed.
func (s *seat) echoes() bool {
	s.t.Helper()
	state, err := unix.IoctlGetTermios(int(s.keyboard.Fd()), unix.TCGETS)
	if err != nil {
		s.t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// hides waits until the terminal does not show what is typed.
func (s *seat) hides() {
	s.t.Helper()
	for range 1000 { // emulated and busy machines take long
		if !s.echoes() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatal("the password would be shown")
}

// A new password is asked for twice and not shown. Passwords that differ make no key.
func TestPasswordsOnATerminal(t *testing.T) {
	key := filepath.Join(t.TempDir(), "my.key")
	s := sit(t, "keygen", "-o", key, "--color", "never")
	s.sees("New password of " + key + ": ")
	s.hides()
	s.types("secret" + enter)
	s.sees("The same again: ")
	s.types("secrets" + enter)
	s.sees("the two passwords differ: try again; no key was written")
	if err := <-s.ended; err == nil {
		t.Error("it ends as if all were done")
	}
	if _, err := os.Stat(key); err == nil || !s.echoes() {
		t.Errorf("a key was written, or the terminal shows nothing: %v", err)
	}
}

// Ctrl-C at a password ends the program, and the terminal shows again what is typed.
func TestCtrlCAtAPassword(t *testing.T) {
	s := sit(t, "keygen", "-o", filepath.Join(t.TempDir(), "my.key"), "--color", "never")
	s.sees("New password of ")
	s.types(ctrlC)
	s.sees("interrupted")
	if err := <-s.ended; err == nil || !s.echoes() {
		t.Errorf("it ends with %v", err)
	}
}
