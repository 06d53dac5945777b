package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
	width  int           // of texts on stdout, in columns

	json    bool      // --json
	seed    uint64    // --seed
	threads count     // --threads, 0 for all cores
	quiet   bool      // --quiet: no notes, no progress
	force   bool      // --force, of the commands that have it
	color   colorMode // --color

	flags   *pflag.FlagSet // of the command that runs
	inputs  []string       // files that its command line names, to be read
	command string         // that runs, as "bankai patch compose"
	chosen  []string       // flags that settings stand for, in the recorded command line
	helpErr error          // of printing a page
	started bool           // the command line was understood, and the command's work began
	open    []*meter       // of work on files, which an error may have ended

	mu      sync.Mutex // for what follows, which tells what an interruption leaves
	written []string
	journal string      // that keeps the work
	before  fs.FileInfo // the journal of an earlier run in its place, nil if there is none
	ending  sync.Mutex  // held by whoever says how the program ends
}

func newApp(args []string, stdin io.Reader, stdout, stderr io.Writer) *app {
	return &app{
		args: args, stdin: stdin, stdout: bufio.NewWriter(stdout), stderr: stderr,
		bars: isTerminal(stderr), screen: isTerminal(stdout), width: widthOf(stdout), color: "auto",
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// do adapts a command's work to cobra. An error before it is wrong usage.
func (a *app) do(work func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := checkEmpty(cmd.Flags()); err != nil {
			return err
		}
		if err := a.applySettings(cmd); err != nil {
			a.started = true
			return err
		}
		return a.doAsBuilt(work)(cmd, args)
	}
}

// maxThreads bounds what the memory of each thread can add up to.
const maxThreads = 1024

func checkThreads(n count) error {
	if n > maxThreads {
		return fmt.Errorf("%d: at most %d, and more than there are cores is of no use", n, maxThreads)
	}
	return nil
}

// doAsBuilt is do for a command that the user's settings do not concern.
func (a *app) doAsBuilt(work func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := checkThreads(a.threads); err != nil {
			return usagef("--threads %w", err)
		}
		a.started, a.flags, a.command = true, cmd.Flags(), cmd.CommandPath()
		a.force, _ = cmd.Flags().GetBool(forceName)
		a.inputs = inputsOf(cmd.Flags(), args)
		return work(cmd.Context(), args)
	}
}

// text is stdout for texts that people read: wrapped, and coloured on a terminal. It
// has to be ended.
func (a *app) text() *wrapper {
	return &wrapper{to: a.stdout, width: a.width, colored: a.color.on(a.screen)}
}

// print writes a command's result: doc as JSON, or what text writes.
func (a *app) print(doc any, text func(w io.Writer)) error {
	if !a.json {
		w := a.text()
		text(w)
		return w.end()
	}
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(doc)
}

// warn tells the user about something that does not stop the work.
func (a *app) warn(format string, args ...any) {
	fmt.Fprintf(a.stderr, "%s "+format+"\n", append([]any{a.said("bankai: warning:", yellow)}, args...)...)
}

// said is how a line on stderr begins, in a colour if there is one.
func (a *app) said(text, color string) string {
	if a.color.on(a.bars) {
		return paint(color, text)
	}
	return text
}

// note tells the user how the work goes. It never goes to stdout.
func (a *app) note(format string, args ...any) {
	if a.quiet {
		return
	}
	fmt.Fprintf(a.stderr, format+"\n", args...)
}
