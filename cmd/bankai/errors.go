package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"bankai/internal/outputs"
	"bankai/internal/text"

	"github.com/spf13/cobra"
)

// The exit statuses.
const (
	statusDone        = 0
	statusFailed      = 1
	statusUsage       = 2
	statusInterrupted = 3 // by a signal, and what was found or a journal to resume is there
)

// usageError says that a command line cannot be right, whatever the files hold.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// exit reports the error, if any, as one line, and returns the exit status.
func (a *app) exit(cmd *cobra.Command, err error) int {
	a.ending.Lock() // from here on it ends by itself
	unprinted := err == nil && a.helpErr != nil && !errors.As(a.helpErr, new(usageError))
	err = cmp.Or(err, a.helpErr)
	for _, m := range a.open {
		m.Stop()
	}
	if flushed := a.Stdout.Flush(); err == nil && flushed != nil {
		unprinted = true
		err = fmt.Errorf("standard output: %w", cause(flushed))
	}
	if err == nil {
		return statusDone
	}
	var stopped *outputs.Interrupted
	if errors.Is(err, context.Canceled) && !errors.As(err, &stopped) {
		stopped = a.Interruption()
		err = stopped
	}
	a.Fail(explain(err))
	if stopped != nil {
		return statusOf(stopped)
	}
	if usage := (usageError{}); !unprinted && (!a.started || errors.As(err, &usage)) {
		fmt.Fprintf(a.Stderr, "Run \"%s --help\" for how to use it.\n", cmd.CommandPath())
		return statusUsage
	}
	return statusFailed
}

// explain turns an error into one line: what is wrong, where, and what to do.
func explain(err error) string {
	said := err.Error()
	var path *fs.PathError
	if errors.As(err, &path) {
		// "open FILE: no such file" becomes "FILE: no such file".
		said = strings.Replace(said, path.Error(), path.Path+": "+path.Err.Error(), 1)
		twice := path.Path + ": " + path.Path + ": "
		said = strings.Replace(said, twice, path.Path+": ", 1) // where the error was given its path again
		if errors.Is(path, fs.ErrNotExist) {
			said += ": check the path"
		}
	}
	return text.Line(said)
}

// cause takes the system call and the path off an error about a file.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
