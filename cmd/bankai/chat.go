package main

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"
	"strings"

	"bankai/chat"
	"bankai/engine"
	"bankai/internal/dialog"
	"bankai/internal/durable"
	"bankai/internal/flagtype"
	"bankai/internal/outputs"
	"bankai/internal/terminal"

	"github.com/spf13/cobra"
)

// chatFlags are the flags of `chat`.
type chatFlags struct {
	model    modelFlags
	patches  []string // NAME=PATCH or PATCH
	n        flagtype.Count
	sampling engine.Sampling
	stop     []string
	compare  bool
	talk     talkFlags
	cmd      *cobra.Command
}

func chatCommand(a *app) *cobra.Command {
	f := &chatFlags{}
	cmd := &cobra.Command{
		Use:   "chat",
		Short: "talk to a model, and change its patches meanwhile",
		Long: `Talks to a model at the terminal. All that was said stays in mind, until /clear.
Answers are printed as they come, and reasoning before them fainter. A line that
begins with / is a command, one with // a message:

` + chatHelp() + `
A message goes on in the next line behind a \, and from one """ to the next.
Ctrl-C ends an answer, of which stays what was said, or drops the line that is
being typed. Ctrl-D leaves.

--patch P puts a patch on from the start, --patch NAME=P has one at hand for
/patch NAME; P is a file, or a name of the library. The prompt shows which are
on. --compare has the model as it is answer too, in the same batch and by the
same seed: what differs is the patch's doing.

Tokens are drawn as the model's file recommends, or else with --temperature 0.8,
--top-k 40, --top-p 0.95 and --min-p 0.05. Every answer has the next seed.
Without --seed the first one is drawn; /seed tells it.

If standard input is no terminal, each of its lines is a message or a command,
the answers alone are printed on standard output, and a command that fails ends
the conversation. With --json each answer is a document in a line.

A model without a chat template, such as demo, continues the lines of what was
said; its answer ends with the line, unless --stop says otherwise.`,
		Example: `  bankai chat --patch fix.bankai
  bankai chat --model Bonsai-8B.gguf --patch math=fix.bankai --no-think
  echo 'The derivative of 2x^5 + 4x^3 is' | bankai chat --temperature 0`,
		Args: arguments(0, 0, "no argument; --model names the model"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return f.run(ctx, a)
		}),
	}
	f.cmd = cmd
	f.model.add(cmd)
	flags := cmd.Flags()
	flags.StringArrayVar(&f.patches, "patch", nil, "`PATCH` to put on: a file, or a name of the library; or NAME=PATCH for /patch NAME; may be repeated")
	flags.Bool(forceName, false, "let /save replace other files, and take patches made for other settings of the model, or that must not be combined")
	flags.VarP(&f.n, "tokens", "n", "at most `N` tokens an answer; 0 for as many as the context holds")
	addSampling(cmd, &f.sampling, "`T` from 0 (greedy); 1 draws as the model says")
	stopFlag(cmd, &f.stop)
	flags.BoolVar(&f.compare, "compare", false, "answers without the patches, too")
	f.talk.add(cmd)
	return cmd
}

func (f *chatFlags) check() error {
	if err := f.sampling.Check(); err != nil {
		return usageError{err}
	}
	if err := readStops(f.stop); err != nil {
		return err
	}
	return f.talk.check()
}

// talkFlags say how a conversation begins.
type talkFlags struct {
	system         string
	think, noThink bool
}

func (f *talkFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.system, "system", "", "`TEXT` that tells the model what it is to be")
	flags.BoolVar(&f.think, "think", false, "let the model reason first, if its template has the choice")
	flags.BoolVar(&f.noThink, "no-think", false, "have it answer at once, if its template has the choice")
}

func (f *talkFlags) check() error {
	if f.think && f.noThink {
		return usagef("--think and --no-think exclude each other: give one of them")
	}
	return nil
}

// begin begins the conversation.
func (f *talkFlags) begin(a *app, m *engine.Model, path string, o dialog.Options) (*dialog.Dialog, error) {
	o.System, o.Patches = f.system, a.patches(m.Weights())
	if f.think || f.noThink {
		o.Thinking = &f.think
	}
	d, err := dialog.New(m, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if o.Thinking != nil && !d.CanChooseThinking() {
		a.Warn("--think and --no-think change nothing: the model has no template with that choice")
	}
	return d, nil
}

func (f *chatFlags) run(ctx context.Context, a *app) error {
	var paths []string
	for _, p := range f.patches {
		paths = append(paths, p[strings.IndexByte(p, '=')+1:])
	}
	if err := a.patches(nil).CheckRefs(paths); err != nil {
		return err
	}
	a.Inputs = append(a.Inputs, outputs.Inputs(paths)...)
	m, err := a.openModel(&f.model)
	if err != nil {
		return err
	}
	defer m.Close()
	d, err := f.begin(a, m)
	if err != nil {
		return err
	}
	defer d.Close()
	t := &talk{app: a, dialog: d, first: d.Sampling.Seed, lines: bufio.NewReader(a.stdin), saves: map[string]*durable.Output{}}
	if !a.JSON && a.Screen && terminal.CanEdit(a.stdin, os.Stdout) {
		t.editor = terminal.NewEditor(a.stdin, os.Stdout)
		t.editor.Complete = t.complete
		if !signal.Ignored(os.Interrupt) {
			// From here on Ctrl-C ends an answer, not the program.
			signal.Reset(os.Interrupt)
			interrupts := make(chan os.Signal, 1)
			signal.Notify(interrupts, os.Interrupt)
			defer signal.Stop(interrupts)
			t.interrupts = interrupts
		}
		a.Note("%s, a context of %d tokens; /help lists commands, Ctrl-D leaves", f.model.path, m.Context())
	}
	if !d.HasTemplate() {
		a.Note("this model has no chat template: it continues the lines of what was said")
	}
	return t.run(ctx)
}

// begin begins the conversation with the patches that are on from the start.
func (f *chatFlags) begin(a *app, m *engine.Model) (*dialog.Dialog, error) {
	o := dialog.Options{Sampling: f.drawing(a, m), Max: int(f.n), Stops: f.stop}
	if f.n == 0 {
		o.Max = math.MaxInt32
	}
	d, err := f.talk.begin(a, m, f.model.path, o)
	if err != nil {
		return nil, err
	}
	d.Compare = f.compare
	if !d.HasTemplate() && len(f.stop) == 0 {
		d.Stops = []string{"\n"}
	}
	var on []*dialog.Patch
	for _, flag := range f.patches {
		name, path, named := strings.Cut(flag, "=")
		var p *dialog.Patch
		if named {
			_, err = d.Add(name, path)
		} else if p, err = d.AddFile(flag); err == nil {
			on = append(on, p)
		}
		if err != nil {
			break
		}
	}
	if err == nil {
		err = d.Put(on...)
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// drawing is how tokens are drawn: as the flags say, or else the model's file.
func (f *chatFlags) drawing(a *app, m *engine.Model) engine.Sampling {
	s, given := chat.SamplingOf(m.Weights()), f.cmd.Flags().Changed
	if given("temperature") {
		s.Temperature = f.sampling.Temperature
	}
	if given("top-k") {
		s.TopK = f.sampling.TopK
	}
	if given("top-p") {
		s.TopP = f.sampling.TopP
	}
	if given("min-p") {
		s.MinP = f.sampling.MinP
	}
	if s.Seed = a.seed; !given("seed") {
		s.Seed = rand.Uint64() >> 32 // few enough digits to be typed
	}
	return s
}
