// Command bankai finds, applies and measures XOR patches to true 1-bit language
// models. Run it with --help.
//
// Each subcommand has a file of its own, with its flags, its messages and its texts. What
// they share is app: the flags that all commands take, and the opening of models and
// patches. What a server needs as well stands below: package repair does the main job,
// outputs says what files may replace, anatomy what a model or a patch holds, dialog holds a
// conversation, store reads patches, and source opens models, probes and texts.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"slices"
	"time"

	"bankai/internal/durable"
	"bankai/internal/outputs"
	"bankai/internal/terminal"
	"bankai/web"
)

func main() {
	os.Exit(doMain(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// doMain runs one command line and returns the exit status: 0 done, 1 failed, 2
// wrong usage, 3 interrupted with something to go on with. The first signal ends
// the work cleanly, within a second, a second one ends the program.
func doMain(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := context.Background(), func() {}
	if signals := heeded(terminal.Endings); len(signals) > 0 { // none would mean all
		ctx, stop = signal.NotifyContext(ctx, signals...)
	}
	defer stop()
	if os.Getenv(web.UntilVariable) != "" {
		until, cancel := context.WithCancel(ctx)
		defer cancel()
		ctx = until
		go func() {
			io.Copy(io.Discard, stdin)
			cancel()
		}()
	}
	a := newApp(args, stdin, stdout, stderr)
	if os.Getenv(web.UntilVariable) != "" {
		a.LinesEvery = time.Second // whoever started it shows how far it is
	}
	defer context.AfterFunc(ctx, func() {
		a.watch(stop)
	})()
	cmd, err := a.root().ExecuteContextC(ctx)
	return a.exit(cmd, err)
}

// heeded are the signals that whoever started the program left it to heed: nohup(1)
// has it ignore the end of the terminal, and a shell Ctrl-C in what it runs beside.
func heeded(all []os.Signal) []os.Signal {
	return slices.DeleteFunc(slices.Clone(all), signal.Ignored)
}

// grace is how long a command may take to end after a signal. What waits for a pipe
// or reads a large model cannot look at its context; it is ended then.
const grace = 800 * time.Millisecond

// echo is how long a second signal counts as the first one once more: timeout(1)
// sends each to the program and then to its group, so that it comes twice. Nobody hits
// Ctrl-C twice as fast.
const echo = 40 * time.Millisecond

// watch ends the program a while after a signal, unless it has ended by then. Before
// that, another signal ends it at once, which stop brings about.
func (a *app) watch(stop func()) {
	time.Sleep(echo)
	stop()
	time.Sleep(grace + time.Duration(a.longer.Load()) - echo)
	a.ending.Lock() // and never unlock: whoever is late must not say another thing
	durable.End()
	if a.leaves.Load() {
		os.Exit(statusDone)
	}
	e := a.Interruption()
	a.Fail(e.Error())
	os.Exit(statusOf(e))
}

// statusOf is the exit status after an interruption.
func statusOf(e *outputs.Interrupted) int {
	if e.Useful {
		return statusInterrupted
	}
	return statusFailed
}
