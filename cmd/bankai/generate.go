package main

import (
	"context"
	"io"
	"unicode/utf8"

	"bankai/engine"
	"bankai/internal/flagtype"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/internal/text"

	"github.com/spf13/cobra"
)

// generateFlags are the flags of `generate`.
type generateFlags struct {
	model    modelFlags
	prompt   promptFlags
	n        flagtype.Count
	sampling engine.Sampling
	stop     []string
	compare  bool
}

func generateCommand(a *app) *cobra.Command {
	f := &generateFlags{n: 64}
	cmd := &cobra.Command{
		Use:   "generate PROMPT",
		Short: "continue a text",
		Long: `Continues a prompt and prints the text as it comes, without the prompt. The
default is greedy: the likeliest token each time. With --temperature above 0
tokens are drawn, among those that --top-k, --top-p and --min-p leave; --seed
makes the draw repeatable.

It ends at the model's own end token, at a text given with --stop, or after -n
tokens. Probes are answered up to the end of the line: --stop '\n' does the same.

--compare prints what the model says without the patches beside it.

` + promptHelp,
		Example: `  bankai generate 'The derivative of 2x^5 + 4x^3 is' --stop '\n'
  bankai generate --prompt 'At night the' --temperature 0.8 --min-p 0.05 -n 30 --seed 7
  bankai generate --prompt 'Find the derivative of 2x^8:' --patch fix.bankai --compare --stop '\n'`,
		Args: arguments(0, 1, "the prompt as one argument, in quotes"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			f.sampling.Seed = a.seed
			if err := f.check(a); err != nil {
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
	flags := cmd.Flags()
	flags.VarP(&f.n, "tokens", "n", "at most `N` tokens")
	flags.Float64Var(&f.sampling.Temperature, "temperature", 0, "`T` from 0 (greedy); 1 draws as the model says")
	flags.IntVar(&f.sampling.TopK, "top-k", 0, "draw among the `K` likeliest tokens; 0 for all")
	flags.Float64Var(&f.sampling.TopP, "top-p", 0, "draw among the likeliest that have probability `P` together; 0 for all")
	flags.Float64Var(&f.sampling.MinP, "min-p", 0, "leave out what is less than `P` times as likely as the likeliest")
	flags.StringArrayVar(&f.stop, "stop", nil, `end at this `+"`TEXT`"+` and leave it out (\n is the end of a line); may be repeated`)
	flags.BoolVar(&f.compare, "compare", false, "also without the patches, side by side")
	return cmd
}

func (f *generateFlags) check(a *app) error {
	if err := f.sampling.Check(); err != nil {
		return usageError{err}
	}
	if f.compare && len(f.model.patches) == 0 {
		return usagef("--compare needs a --patch to compare with")
	}
	if err := readStops(f.stop); err != nil {
		return err
	}
	if s := f.sampling; s.Temperature == 0 && (s.TopK != 0 || s.TopP != 0 || s.MinP != 0) {
		a.Warn("--top-k, --top-p and --min-p change nothing at temperature 0, which is greedy")
	}
	return nil
}

// readStops reads the texts of --stop, in place.
func readStops(stops []string) error {
	for i, s := range stops {
		if stops[i] = escapes.Replace(s); s == "" {
			return usagef("--stop is empty: give it some text")
		}
		if !utf8.ValidString(s) {
			return usagef("--stop %q is not UTF-8, so no text can hold it: give it as UTF-8", s)
		}
	}
	return nil
}

// generated is a text that a model produced.
type generated struct {
	Text   string  `json:"text"`
	IDs    []int32 `json:"ids"`
	Finish string  `json:"finish_reason"` // "stop", "length" or "interrupted"
}

func (f *generateFlags) run(ctx context.Context, a *app) error {
	m, err := a.openModel(&f.model)
	if err != nil {
		return err
	}
	defer m.Close()
	prompt, err := f.prompt.tokens(m)
	if err != nil {
		return err
	}
	overlay, err := a.overlay(m, f.model.patches)
	if err != nil {
		return err
	}
	overlays := []*engine.Overlay{overlay}
	if f.compare {
		overlays = append(overlays, nil)
	}
	requests := make([]engine.Request, len(overlays))
	for i, o := range overlays {
		requests[i] = engine.Request{Prompt: prompt, Overlay: o, Max: int(f.n), Sampling: f.sampling, StopTexts: f.stop}
	}
	streams := !a.JSON && !f.compare
	if streams {
		requests[0].Emit = func(e engine.Event) { a.Stream(e.Text) }
	}
	results, err := m.Generate(ctx, requests, nil)
	if err != nil && ctx.Err() == nil {
		return err
	}
	if streams {
		a.Stdout.WriteByte('\n')
	}
	texts := make([]generated, len(results))
	for i, r := range results {
		texts[i] = generated{Text: r.Text, IDs: append([]int32{}, r.IDs...), Finish: r.Finish}
		if err != nil {
			texts[i].Finish = "interrupted"
		}
	}
	return printGenerated(a.Console, f, source.RefOf(f.model.path, m.Weights()), texts)
}

func printGenerated(c *terminal.Console, f *generateFlags, model source.ModelRef, texts []generated) error {
	doc := struct {
		generated
		Base  *generated      `json:"base,omitempty"`
		Model source.ModelRef `json:"model"`
	}{generated: texts[0], Model: model}
	if f.compare {
		doc.Base = &texts[1]
	}
	return c.Print(doc, func(w io.Writer) {
		if f.compare {
			terminal.WriteFacts(w, terminal.Fact{"base", c.Shown(doc.Base.Text)}, terminal.Fact{"patched", c.Shown(doc.Text)})
		}
		if texts[0].Finish == "interrupted" {
			c.Note("interrupted after %s", text.Count(len(texts[0].IDs), "token"))
		}
	})
}
