package main

import (
	"context"
	"fmt"
	"io"

	"bankai/chat"
	"bankai/engine"
	"bankai/internal/anatomy"
	"bankai/internal/source"

	"github.com/spf13/cobra"
)

// traceFlags are the flags of `trace`.
type traceFlags struct {
	model  modelFlags
	prompt promptFlags
	chat   bool
	talk   talkFlags
	lens   bool
}

func traceCommand(a *app) *cobra.Command {
	f := &traceFlags{}
	cmd := &cobra.Command{
		Use:   "trace PROMPT --patch PATCH",
		Short: "on which tokens and layers a patch acts",
		Long: `Runs the model over a prompt as it is and under the patches, and compares, token
by token: how far the residual stream differs after every layer, as a share of
its length; the log-probability of the token that follows; what is likeliest to
follow; and by how many nats of KL divergence all of it differs. Below the lowest
matrix that a patch touches everything is the same, to the bit. Of a token that
is a part of a character the bytes are written, as <C3>.

--lens adds the logit lens: what each layer would say of the token that follows
if the layers above it were left out. It runs the head once for every layer,
which takes several times as long.

--chat makes the prompt a user's message, by the template in the model's file.

` + promptHelp,
		Example: `  bankai trace 'd/dx [x^3] =' --patch fix.bankai
  bankai trace --prompt 'Bees make honey' --patch fix.bankai --lens --json`,
		Args: arguments(0, 1, "the prompt as one argument, in quotes"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if err := f.prompt.read(a, args); err != nil {
				return err
			}
			return f.run(ctx, a)
		}),
	}
	f.model.add(cmd)
	f.model.addPatch(cmd)
	f.prompt.add(cmd)
	cmd.Flags().BoolVar(&f.lens, "lens", false, "also what each layer would say by itself")
	cmd.Flags().BoolVar(&f.chat, "chat", false, "ask the prompt by the model's chat template")
	f.talk.add(cmd)
	return cmd
}

func (f *traceFlags) check() error {
	switch {
	case len(f.model.patches) == 0:
		return usagef("there is no patch to trace: give one with --patch")
	case f.chat && f.prompt.cmd.Flags().Changed("ids"):
		return usagef("--ids and --chat exclude each other: a message is a text")
	case !f.chat && f.talk != talkFlags{}:
		return usagef("--system, --think and --no-think are for conversations: add --chat")
	}
	return f.talk.check()
}

func (f *traceFlags) run(ctx context.Context, a *app) error {
	m, overlay, err := a.openPatched(&f.model)
	if err != nil {
		return err
	}
	defer m.Close()
	ids, err := f.tokens(m)
	if err != nil {
		return err
	}
	trace, err := m.Trace(ctx, ids, overlay, engine.TraceOptions{Lens: f.lens})
	if err != nil {
		return err
	}
	doc := anatomy.NewTrace(source.RefOf(f.model.path, m.Weights()), m.Tokenizer(), f.model.patches, ids, trace)
	return a.Print(doc, func(w io.Writer) { doc.Write(w) })
}

// tokens are those of the prompt, or of the conversation that begins with it.
func (f *traceFlags) tokens(m *engine.Model) ([]int32, error) {
	if !f.chat {
		return f.prompt.tokens(m)
	}
	t, err := chat.TemplateOf(m)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.model.path, err)
	}
	o := chat.Options{Generate: true}
	if f.talk.think || f.talk.noThink {
		o.Thinking = &f.talk.think
	}
	var said []chat.Message
	if f.talk.system != "" {
		said = append(said, chat.Message{Role: "system", Content: f.talk.system})
	}
	ids, _, err := t.Encode(m.Tokenizer(), append(said, chat.Message{Role: "user", Content: f.prompt.text}), o)
	return ids, err
}
