package main

import (
	"context"

	"bankai/internal/experiment"
	"bankai/internal/flagtype"
	"bankai/internal/report"
	"bankai/internal/source"

	"github.com/spf13/cobra"
)

// perplexityFlags are the flags of `experiment perplexity`.
type perplexityFlags struct {
	experimentFlags
	text   string
	window flagtype.Count
	stride flagtype.Count
}

func perplexityCommand(a *app) *cobra.Command {
	f := &perplexityFlags{}
	cmd := &cobra.Command{
		Use:   "perplexity --text F [--patch P]...",
		Short: "how well a text is predicted, and what a patch changes",
		Long: `Measures the perplexity of any text as llama.cpp's perplexity tool does, so that
figures of one model compare: the text is cut into windows of --window tokens
(its --ctx-size), each a context of its own, and of each the second half is
predicted. With --stride below half a window the windows overlap and every token
is predicted from at least half a window: slower, and a little lower.

With patches it also measures the Kullback-Leibler divergence of the patched
model's predictions from the model's own. Perplexity may stay as it is while
answers break; the divergence shows any change: 0.001 nats a token is hardly
anything, 0.1 is another model.

The published work used the perplexity of 5 sentences (experiment 1); see
"bankai experiment robustness" for that.`,
		Example: `  bankai experiment perplexity --text demo:text
  bankai experiment perplexity --text demo:control_text --window 64 --patch old.json -o results`,
		Args: arguments(0, 0, "the text with --text"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if f.text == "" {
				return usagef("give the text with --text")
			}
			if err := f.check(); err != nil {
				return err
			}
			return f.run(ctx, a)
		}),
	}
	f.add(cmd)
	f.model.addPatch(cmd)
	cmd.Flags().StringVar(&f.text, "text", "", "text `FILE`")
	cmd.Flags().Var(&f.window, "window", "`N` tokens of a window (default 512, or the model's context if that is less)")
	cmd.Flags().Var(&f.stride, "stride", "`N` tokens from one window to the next (default: a window)")
	return cmd
}

func (f *perplexityFlags) run(ctx context.Context, a *app) error {
	data, err := source.Read(f.text)
	if err != nil {
		return err
	}
	m, with, err := a.openPatching(&f.model)
	if err != nil {
		return err
	}
	defer m.Close()
	o, facts, err := experiment.NewTextOptions(m, f.text, data, int(f.window), int(f.stride), with)
	if err != nil {
		return err
	}
	return a.experiment(ctx, &f.experimentFlags, m, "perplexity", facts, func(ctx context.Context, r *experiment.Run) (report.Result, error) {
		return experiment.MeasurePerplexity(ctx, r, o)
	})
}
