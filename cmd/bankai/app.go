package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"bankai/internal/flagtype"
	"bankai/internal/outputs"
	"bankai/internal/progress"
	"bankai/internal/terminal"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// app is one run of the program: what all commands share.
type app struct {
	*terminal.Console
	outputs.Run
	args  []string
	stdin io.Reader

	seed    uint64         // --seed
	threads flagtype.Count // --threads, 0 for all cores

	flags    *pflag.FlagSet   // of the command that runs
	chosen   []string         // flags that settings stand for, in the recorded command line
	helpErr  error            // of printing a page
	started  bool             // the command line was understood, and the command's work began
	open     []progress.Meter // of work on files, which an error may have ended
	ending   sync.Mutex       // held by whoever says how the program ends
	machines machines         // that share the work, nil if this one is alone
	longer   atomic.Int64     // nanoseconds beyond grace that the command may take to end
	leaves   atomic.Bool      // a signal is how the command is meant to end, and no failure
}

func newApp(args []string, stdin io.Reader, stdout, stderr io.Writer) *app {
	a := &app{args: args, stdin: stdin, Console: terminal.New(stdout, stderr)}
	a.Run = outputs.Run{CommandOf: commandOf, Open: a.openWeights}
	return a
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

func checkThreads(n flagtype.Count) error {
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
		a.started, a.flags, a.Command = true, cmd.Flags(), cmd.CommandPath()
		a.Force, _ = cmd.Flags().GetBool(forceName)
		a.Inputs = inputsOf(cmd.Flags(), args)
		return work(cmd.Context(), args)
	}
}
