package main

import (
	"context"
	"fmt"
	"io"
	"unicode/utf8"

	"bankai/chat"
	"bankai/engine"
	"bankai/internal/dialog"
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
	chat     bool
	talk     talkFlags
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

--chat makes the prompt a user's message, by the template in the model's file,
and prints the answer. Reasoning before it is printed on a terminal alone, and
stands apart with --json. "bankai chat" has longer conversations.

` + promptHelp,
		Example: `  bankai generate 'The derivative of 2x^5 + 4x^3 is' --stop '\n'
  bankai generate --prompt 'At night the' --temperature 0.8 --min-p 0.05 -n 30 --seed 7
  bankai generate --prompt 'Find the derivative of 2x^8:' --patch fix.bankai --compare --stop '\n'
  bankai generate --chat 'At night the' --stop '\n' --json`,
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
	addSampling(cmd, &f.sampling, "`T` from 0 (greedy); 1 draws as the model says")
	stopFlag(cmd, &f.stop)
	flags.BoolVar(&f.compare, "compare", false, "also without the patches, side by side")
	flags.BoolVar(&f.chat, "chat", false, "ask the prompt by the model's chat template")
	f.talk.add(cmd)
	return cmd
}

// addSampling declares the flags that say how tokens are drawn.
func addSampling(cmd *cobra.Command, s *engine.Sampling, temperature string) {
	flags := cmd.Flags()
	flags.Float64Var(&s.Temperature, "temperature", 0, temperature)
	flags.IntVar(&s.TopK, "top-k", 0, "draw among the `K` likeliest tokens; 0 for all")
	flags.Float64Var(&s.TopP, "top-p", 0, "draw among the likeliest that have probability `P` together; 0 for all")
	flags.Float64Var(&s.MinP, "min-p", 0, "leave out what is less than `P` times as likely as the likeliest")
}

// stopFlag declares --stop.
func stopFlag(cmd *cobra.Command, stops *[]string) {
	cmd.Flags().StringArrayVar(stops, "stop", nil, `end at this `+"`TEXT`"+` and leave it out (\n is the end of a line); may be repeated`)
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
	if err := f.talk.check(); err != nil {
		return err
	}
	switch {
	case f.chat && f.prompt.cmd.Flags().Changed("ids"):
		return usagef("--ids and --chat exclude each other: a message is a text")
	case !f.chat && f.talk != talkFlags{}:
		return usagef("--system, --think and --no-think are for conversations: add --chat")
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
	Text      string  `json:"text"`
	Reasoning string  `json:"reasoning,omitempty"` // that came before the text, in a conversation
	IDs       []int32 `json:"ids"`                 // of both
	Finish    string  `json:"finish_reason"`       // "stop", "length" or "interrupted"
}

func newGenerated(a *dialog.Answer) generated {
	return generated{Text: a.Text, Reasoning: a.Reasoning, IDs: append([]int32{}, a.IDs...), Finish: a.Finish}
}

func (f *generateFlags) run(ctx context.Context, a *app) error {
	m, err := a.openModel(&f.model)
	if err != nil {
		return err
	}
	defer m.Close()
	overlay, err := a.overlay(m, f.model.patches)
	if err != nil {
		return err
	}
	produce := f.continued
	if f.chat {
		produce = f.answered
	}
	texts, err := produce(ctx, a, m, overlay)
	if err != nil {
		return err
	}
	return printGenerated(a.Console, f, source.RefOf(f.model.path, m.Weights()), texts)
}

// streams says whether the text is printed as it comes.
func (f *generateFlags) streams(a *app) bool { return !a.JSON && !f.compare }

// continued is how the model goes on with the prompt: under the overlay, and, to compare,
// without it.
func (f *generateFlags) continued(ctx context.Context, a *app, m *engine.Model, overlay *engine.Overlay) ([]generated, error) {
	prompt, err := f.prompt.tokens(m)
	if err != nil {
		return nil, err
	}
	overlays := []*engine.Overlay{overlay}
	if f.compare {
		overlays = append(overlays, nil)
	}
	requests := make([]engine.Request, len(overlays))
	for i, o := range overlays {
		requests[i] = engine.Request{Prompt: prompt, Overlay: o, Max: int(f.n), Sampling: f.sampling, StopTexts: f.stop}
	}
	if f.streams(a) {
		requests[0].Emit = func(e engine.Event) { a.Stream(e.Text) }
	}
	results, err := m.Generate(ctx, requests, nil)
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	if f.streams(a) {
		a.Stdout.WriteByte('\n')
	}
	texts := make([]generated, len(results))
	for i, r := range results {
		texts[i] = generated{Text: r.Text, IDs: append([]int32{}, r.IDs...), Finish: r.Finish}
		if err != nil {
			texts[i].Finish = "interrupted"
		}
	}
	return texts, nil
}

// answered is what the model answers to the prompt: under the overlay, and, to compare,
// without it.
func (f *generateFlags) answered(ctx context.Context, a *app, m *engine.Model, overlay *engine.Overlay) ([]generated, error) {
	d, err := f.talk.begin(a, m, f.model.path, dialog.Options{Sampling: f.sampling, Max: int(f.n), Stops: f.stop})
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if !d.HasTemplate() {
		a.Warn("the model has no chat template: the prompt is continued as it is")
	}
	d.Under(overlay)
	d.Compare = f.compare
	v := voice{Console: a.Console}
	turn, err := d.Ask(ctx, f.prompt.text, func(d chat.Delta) {
		if f.streams(a) {
			v.say(d)
		}
	})
	if err != nil {
		return nil, err
	}
	if f.streams(a) {
		v.end()
	}
	texts := []generated{newGenerated(&turn.Answer)}
	switch {
	case turn.Base != nil:
		texts = append(texts, newGenerated(turn.Base))
	case f.compare: // the patches flip nothing
		texts = append(texts, texts[0])
	}
	return texts, nil
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
			writeCompared(w, doc.Base.Text, doc.Text)
		}
		if texts[0].Finish == "interrupted" {
			c.Note("interrupted after %s", text.Count(len(texts[0].IDs), "token"))
		}
	})
}

// writeCompared prints what a model says and what it says under patches, with the lines
// and spaces that these texts have.
func writeCompared(w io.Writer, base, patched string) {
	fmt.Fprintf(w, "base     %s\npatched  %s\n", base, patched)
}
