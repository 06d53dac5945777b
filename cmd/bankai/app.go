package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"

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

	force   bool   // --force, of the commands that write
	command string // that runs, as "bankai patch compose"
	started bool   // the command line was understood, and the command's work began

	mu      sync.Mutex // for what follows, which tells what an interruption leaves
	written []string
	journal string     // that keeps the work
	ending  sync.Mutex // held by whoever says how the program ends
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
		a.started, a.command = true, cmd.CommandPath()
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
	fmt.Fprintf(a.stderr, format+"\n", args...)
}
