package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"bankai/internal/durable"
)

// grace is how long a command may take to end after a signal. What waits for a pipe
// or reads a large model cannot look at its context; it is ended then.
const grace = 800 * time.Millisecond

// echo is how long a second signal counts as the first one once more: timeout(1)
// sends each to the program and then to its group, so that it comes twice.
const echo = 200 * time.Millisecond

// interrupted says that a signal ended the work.
type interrupted struct {
	text   string // what was written and how to go on
	useful bool   // something is written that the work need not begin with again
}

func (e *interrupted) Error() string { return "interrupted: " + e.text }

// Unwrap says that it is the end of a context.
func (e *interrupted) Unwrap() error { return context.Canceled }

// wrote remembers an output that was written.
func (a *app) wrote(path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.written = append(a.written, path)
}

// resumable says that from now on a journal keeps the work: one that this run goes on
// with, or a new one, which takes the place of an older one at its first record.
func (a *app) resumable(journal string, resumed bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.journal, a.before = journal, nil
	if info, err := os.Stat(journal); err == nil && info.Size() > 0 && !resumed {
		a.before = info
	}
}

// isRecorded reports whether a journal holds anything of this run.
func (a *app) isRecorded(journal string) bool {
	info, err := os.Stat(journal)
	return err == nil && info.Size() > 0 && (a.before == nil || !os.SameFile(a.before, info))
}

// interruption is what there is to say of work that a signal ended.
func (a *app) interruption() *interrupted {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.journal != "" && a.isRecorded(a.journal):
		return &interrupted{a.journal + " keeps the work: " + a.goOn(), true}
	case len(a.written) > 0:
		return &interrupted{"written before are " + strings.Join(a.written, ", "), false}
	}
	return &interrupted{"nothing was written", false}
}

// goOn says how to go on with what a journal holds.
func (a *app) goOn() string { return "the same command with --resume goes on" }

// watch ends the program a while after a signal, unless it has ended by then. Before
// that, another signal ends it at once, which stop brings about.
func (a *app) watch(stop func()) {
	time.Sleep(echo)
	stop()
	time.Sleep(grace - echo)
	a.ending.Lock() // and never unlock: whoever is late must not say another thing
	durable.End()
	e := a.interruption()
	fmt.Fprintf(a.stderr, "bankai: %s\n", e.Error())
	os.Exit(e.status())
}

func (e *interrupted) status() int {
	if e.useful {
		return statusInterrupted
	}
	return statusFailed
}
