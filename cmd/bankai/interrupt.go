package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
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

// kept is what there is of the work so far, which an interruption tells.
type kept struct {
	mu      sync.Mutex
	written []string      // outputs
	journal string        // that keeps the work
	before  fs.FileInfo   // the journal of an earlier run in its place, nil if there is none
	longer  time.Duration // than grace that the command may take to end
}

// wrote remembers an output that was written.
func (k *kept) wrote(path string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.written = append(k.written, path)
}

// resumable says that from now on a journal keeps the work: one that this run goes on
// with, or a new one, which takes the place of an older one at its first record.
func (k *kept) resumable(journal string, resumed bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.journal, k.before = journal, nil
	if info, err := os.Stat(journal); err == nil && info.Size() > 0 && !resumed {
		k.before = info
	}
}

// patient says that the command may take longer to end after a signal.
func (k *kept) patient(longer time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.longer = longer
}

// patience is how long the command may take to end.
func (k *kept) patience() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return grace + k.longer
}

// isRecorded reports whether a journal holds anything of this run.
func (k *kept) isRecorded(journal string) bool {
	info, err := os.Stat(journal)
	return err == nil && info.Size() > 0 && (k.before == nil || !os.SameFile(k.before, info))
}

// interruption is what there is to say of work that a signal ended.
func (k *kept) interruption() *interrupted {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.journal != "" && k.isRecorded(k.journal):
		return &interrupted{k.journal + " keeps the work: " + goOn, true}
	case len(k.written) > 0:
		return &interrupted{"written before are " + strings.Join(k.written, ", "), false}
	}
	return &interrupted{"nothing was written", false}
}

// goOn says how to go on with what a journal holds.
const goOn = "the same command with --resume goes on"

// watch ends the program a while after a signal, unless it has ended by then. Before
// that, another signal ends it at once, which stop brings about.
func (a *app) watch(stop func()) {
	time.Sleep(echo)
	stop()
	time.Sleep(a.patience() - echo)
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
