package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"bankai/internal/text"

	"github.com/spf13/cobra"
)

// workerFlags are the flags of `worker`.
type workerFlags struct {
	accessFlags
	broker string
	model  string
	name   string
	once   bool
}

func workerCommand(a *app) *cobra.Command {
	f := &workerFlags{}
	cmd := &cobra.Command{
		Use:   "worker --connect URL",
		Short: "take a share of the work of another machine",
		Long: `Takes a share of what another machine searches, evaluates or measures. That one
is told with --workers, which search, adapt, eval and the experiments that run a
model take:

  machine A   bankai search --workers embedded:0.0.0.0:4222 --probes F -o P
  machine B   the command that A prints: bankai worker --connect nats://A:4222

What comes out is the same to the bit as on one machine, whatever processors the
machines have, whoever comes, leaves or dies meanwhile. A worker whose arithmetic
gives other bits, or that has another version of what is sent, is refused, and
both sides say why.

"embedded" starts the broker, a NATS server with JetStream, inside the command
and ends it with the command. Without a host only A itself can reach it: other
machines get there by SSH (ssh -R 4222:127.0.0.1:4222 B), or by an address such
as embedded:0.0.0.0:4222. It wants a token, which it makes, unless --token-file
or ` + workerTokenVariable + ` gives one. The token, and all else, is sent as it is:
in a network that you do not trust, use SSH, or a NATS server of your own with
TLS (tls://), and nkeys or credentials.

A worker needs the model. It has the built-in one and that of --model; another
it fetches from the coordinator, if that is a GGUF file in one piece, checks its
digest, and keeps it in the user's folder for caches (or $BANKAI_HOME/cluster).
It runs nothing that it is sent, and reads no paths: it computes our own
measurements on models, patches and questions that it can check.

It waits for work, and for the broker when that is not there. Ctrl-C or a
SIGTERM ends it with exit status 0 within a few seconds, also in the middle of a
long computation: what it had not finished, others do. A script that starts it
with & has it ignore Ctrl-C, as all that a shell starts so: use kill. With --json
every line is a document.`,
		Example: `  bankai worker --connect nats://192.168.1.5:4222 --token-file token
  bankai worker --connect tls://nats.lab:4222 --creds worker.creds --ca ca.pem --model Bonsai-8B-Q1_0.gguf`,
		Args: arguments(0, 0, "none; --connect names the broker"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if err := checkConnect(f.broker, &f.accessFlags); err != nil {
				return err
			}
			return runWorker(ctx, a, f)
		}),
	}
	modelFlag(cmd, &f.model)
	connectFlag(cmd, &f.broker)
	f.accessFlags.add(cmd)
	cmd.Flags().StringVar(&f.name, "name", "", "`NAME` of this worker, for people (default the machine's)")
	cmd.Flags().BoolVar(&f.once, "once", false, "end when the first piece of work that it took part in has ended")
	return cmd
}

func workersCommand(a *app) *cobra.Command {
	var broker string
	var access accessFlags
	cmd := &cobra.Command{
		Use:   "workers --connect URL",
		Short: "which workers are there, doing what, how fast",
		Long: `Lists the workers that are connected to a broker: what each does and for how
long, how many units of work it did since it began, and how many tokens a second
in the last ten seconds of computing. Counted are the tokens of questions, once
for each candidate that was measured on them, and those that were generated. A
candidate that changes only late layers takes less than a whole pass, so that a
search shows more than an evaluation. Whole searches count as units alone.`,
		Example: `  bankai workers --connect nats://127.0.0.1:4222 --token-file token`,
		Args:    arguments(0, 0, "none; --connect names the broker"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if err := checkConnect(broker, &access); err != nil {
				return err
			}
			found, err := listWorkers(ctx, a, broker, &access)
			if err != nil {
				return err
			}
			return a.Print(workersDoc{found}, func(w io.Writer) { writeWorkers(w, found) })
		}),
	}
	connectFlag(cmd, &broker)
	access.add(cmd)
	return cmd
}

func connectFlag(cmd *cobra.Command, broker *string) {
	cmd.Flags().StringVar(broker, "connect", "", "`URL` of the broker: nats://HOST:PORT or tls://HOST:PORT")
}

func checkConnect(broker string, access *accessFlags) error {
	if broker == "" {
		return usagef("give the broker with --connect, such as nats://host:4222")
	}
	if _, err := brokerURL("--connect", broker); err != nil {
		return err
	}
	return access.check()
}

// workerDoc is a machine that takes part in work, or waits for some.
type workerDoc struct {
	Name    string  `json:"name"`
	Doing   string  `json:"doing"`       // "": it waits for work
	For     float64 `json:"for_seconds"` // it has been doing that
	Units   int64   `json:"units"`       // of work that it did
	Tokens  int64   `json:"tokens"`      // that it computed
	Speed   float64 `json:"speed"`       // tokens a second, in the last ten seconds or so of computing
	Session string  `json:"session"`     // that it works for
	Digest  string  `json:"digest"`      // of the model that it computes with; "" for none
	Kernel  string  `json:"kernel"`
	Cores   int     `json:"cores"`
	Tool    string  `json:"tool"`
}

// workersDoc are those that are there.
type workersDoc struct {
	Workers []workerDoc `json:"workers"`
}

// eventDoc is a line of what a worker says.
type eventDoc struct {
	Time time.Time `json:"time"`
	Said string    `json:"said"`
}

// writeWorkers lists workers for people.
func writeWorkers(w io.Writer, all []workerDoc) {
	if len(all) == 0 {
		fmt.Fprintln(w, "There are no workers: \"bankai worker --connect URL\" on a machine makes it one.")
		return
	}
	t := text.Table{Right: []bool{false, false, true, true, true, false, false, true, false}}
	t.Add("name", "doing", "for", "units", "tokens/s", "model", "kernels", "cores", "version")
	for _, d := range all {
		doing, speed, model := d.Doing, "–", "–"
		if doing == "" {
			doing = "waits"
		}
		if d.Speed > 0 {
			speed = text.Rounded(d.Speed)
		}
		if d.Digest != "" {
			model = fmt.Sprintf("%.12s…", d.Digest)
		}
		t.Add(d.Name, doing, text.Elapsed(d.For), text.Thousands(d.Units), speed, model, d.Kernel, d.Cores, d.Tool)
	}
	fmt.Fprint(w, t.String())
}

// said are the lines of a worker: documents on stdout with --json, or else notes, which
// have the time where they go to a file or another program.
func (a *app) said(format string, args ...any) {
	if !a.JSON {
		line := fmt.Sprintf(format, args...)
		if !a.Bars {
			line = time.Now().UTC().Format(time.RFC3339) + " " + line
		}
		a.Note("%s", line)
		return
	}
	a.Print(eventDoc{time.Now().UTC(), text.Line(fmt.Sprintf(format, args...))}, nil)
	a.Stdout.Flush() // an error stays, and is reported at the end
}
