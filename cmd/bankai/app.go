package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// app is one run of the program.
type app struct {
	args   []string
	stdin  io.Reader
	stdout *bufio.Writer // what was asked for: text for people, or one JSON document
	stderr io.Writer     // progress, warnings and errors
	bars   bool          // progress bars: stderr is a terminal
	screen bool          // stdout is a terminal

	json    bool   // --json
	seed    uint64 // --seed
	threads count  // --threads, 0 for all cores
	quiet   bool   // --quiet: no notes, no progress

	started bool     // the command line was understood, and the command's work began
	open    []*meter // of work on files, which an error may have ended
}

func newApp(args []string, stdin io.Reader, stdout, stderr io.Writer) *app {
	return &app{
		args: args, stdin: stdin, stdout: bufio.NewWriter(stdout), stderr: stderr,
		bars: isTerminal(stderr), screen: isTerminal(stdout),
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// do adapts a command's work to cobra. An error before it is wrong usage.
func (a *app) do(work func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		a.started = true
		return work(cmd.Context(), args)
	}
}

// print writes a command's result: doc as JSON, or what text writes.
func (a *app) print(doc any, text func(w io.Writer)) error {
	if !a.json {
		text(a.stdout)
		return nil
	}
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(doc)
}

// warn tells the user about something that does not stop the work.
func (a *app) warn(format string, args ...any) {
	fmt.Fprintf(a.stderr, "bankai: warning: "+format+"\n", args...)
}

// note tells the user how the work goes. It never goes to stdout.
func (a *app) note(format string, args ...any) {
	if a.quiet {
		return
	}
	fmt.Fprintf(a.stderr, format+"\n", args...)
}
