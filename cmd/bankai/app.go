package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// app is one run of the program: what all commands share.
type app struct {
	*console
	kept
	args  []string
	stdin io.Reader

	seed    uint64 // --seed
	threads count  // --threads, 0 for all cores
	force   bool   // --force, of the commands that have it

	flags   *pflag.FlagSet // of the command that runs
	inputs  []string       // files that its command line names, to be read
	command string         // that runs, as "bankai patch compose"
	chosen  []string       // flags that settings stand for, in the recorded command line
	helpErr error          // of printing a page
	started bool           // the command line was understood, and the command's work began
	open    []*meter       // of work on files, which an error may have ended
	ending  sync.Mutex     // held by whoever says how the program ends
}

func newApp(args []string, stdin io.Reader, stdout, stderr io.Writer) *app {
	return &app{
		args: args, stdin: stdin,
		console: &console{
			stdout: bufio.NewWriter(stdout), stderr: stderr,
			bars: isTerminal(stderr), screen: isTerminal(stdout), width: widthOf(stdout), color: "auto",
		},
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
