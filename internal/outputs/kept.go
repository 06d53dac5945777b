package outputs

import (
	"context"
	"io/fs"
	"os"
	"strings"
	"sync"
)

// Interrupted says that a signal ended the work.
type Interrupted struct {
	Text   string // what was written and how to go on
	Useful bool   // something is written that the work need not begin with again
}

func (e *Interrupted) Error() string { return "interrupted: " + e.Text }

// Unwrap says that it is the end of a context.
func (e *Interrupted) Unwrap() error { return context.Canceled }

// Kept is what there is of the work so far, which an interruption tells.
type Kept struct {
	mu      sync.Mutex
	written []string    // outputs
	journal string      // that keeps the work
	before  fs.FileInfo // the journal of an earlier run in its place, nil if there is none
}

// wrote remembers an output that was written.
func (k *Kept) wrote(path string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.written = append(k.written, path)
}

// Resumable says that from now on a journal keeps the work: one that this run goes on
// with, or a new one, which takes the place of an older one at its first record.
func (k *Kept) Resumable(journal string, resumed bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.journal, k.before = journal, nil
	if info, err := os.Stat(journal); err == nil && info.Size() > 0 && !resumed {
		k.before = info
	}
}

// IsRecorded reports whether a journal holds anything of this run.
func (k *Kept) IsRecorded(journal string) bool {
	info, err := os.Stat(journal)
	return err == nil && info.Size() > 0 && (k.before == nil || !os.SameFile(k.before, info))
}

// Interruption is what there is to say of work that a signal ended.
func (k *Kept) Interruption() *Interrupted {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.journal != "" && k.IsRecorded(k.journal):
		return &Interrupted{Text: k.journal + " keeps the work: " + GoOn, Useful: true}
	case len(k.written) > 0:
		return &Interrupted{Text: "written before are " + strings.Join(k.written, ", ")}
	}
	return &Interrupted{Text: "nothing was written"}
}

// GoOn says how to go on with what a journal holds.
const GoOn = "the same command with --resume goes on"
