package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/internal/watched"
	"bankai/measure"

	"github.com/spf13/cobra"
)

func mineCommand(a *app) *cobra.Command {
	var model modelFlags
	var prompts string
	var keep bool
	cmd := &cobra.Command{
		Use:   "mine --prompts F -o OUT",
		Short: "find the wrong answers that the model itself would give",
		Long: `Reads prompts with right answers and finds for each the likeliest wrong answer of
the model, its right answer's real competitor: what it generates, if that is
wrong, or else the likeliest of the answers that leave the right one at some
token. Writes a complete probe file; names, categories and alternates stay.

The prompts are a probe file (JSON, JSONL or CSV) in which "wrong" may be missing
or empty. Wrong answers that are there are replaced, or kept with --keep-wrong.
A prompt to which the model knows no wrong answer is left out, and named.

Wrong is what does not match "correct" or an entry of "alternates": other ways
of writing the right answer that the model might use belong there.`,
		Example: `  bankai probes mine --prompts prompts.json -o probes.json
  bankai probes mine --prompts demo:control -o mined.json --json`,
		Args: arguments(0, 0, "the file of prompts with --prompts"),
	}
	model.add(cmd)
	model.addPatch(cmd)
	cmd.Flags().StringVar(&prompts, "prompts", "", "`FILE` of prompts with right answers")
	cmd.Flags().BoolVar(&keep, "keep-wrong", false, "keep wrong answers that the file has")
	out := probesOut(cmd)
	forceFlag(cmd)
	cmd.RunE = a.do(func(ctx context.Context, _ []string) error {
		if prompts == "" {
			return usagef("give the file of prompts with --prompts")
		}
		if err := checkProbesOut(*out); err != nil {
			return err
		}
		return mine(ctx, a, &model, prompts, *out, keep)
	})
	return cmd
}

// mineDoc is what mining found.
type mineDoc struct {
	Model  source.ModelRef `json:"model"`
	Probes int             `json:"probes"`
	Files  []probeFile     `json:"files"`
	measure.Completion
}

func mine(ctx context.Context, a *app, f *modelFlags, prompts, out string, keep bool) error {
	o := a.probesOutput(out)
	if err := o.Check(); err != nil {
		return err
	}
	s, err := source.ReadPrompts(prompts)
	if err != nil {
		return err
	}
	m, overlay, err := a.openPatched(f)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := watched.Fit(m, watched.Named(s)...); err != nil {
		return err
	}
	mined, err := watched.Mine(ctx, a.Console, m, overlay, s)
	if err != nil {
		return err
	}
	complete, how := measure.Complete(s.Set, mined, keep)
	doc := &mineDoc{Probes: len(complete), Completion: how}
	if len(doc.LeftOut) > 0 {
		a.Warn("%s: left out, the model knows no wrong answer to %s: %s", prompts, text.Count(len(doc.LeftOut), "prompt"), strings.Join(doc.LeftOut, ", "))
	}
	if len(complete) == 0 {
		return fmt.Errorf("%s: no probe is left to write", prompts)
	}
	file, err := a.writeSet(ctx, complete, o, "probes")
	if err != nil {
		return err
	}
	doc.Files, doc.Model = []probeFile{file}, source.RefOf(f.path, m.Weights())
	return a.Print(doc, func(w io.Writer) { doc.writeText(w) })
}

func (d *mineDoc) writeText(w io.Writer) {
	fmt.Fprintf(w, "%s: %s, mined from %s\n\n", d.Files[0].Path, text.Count(d.Probes, "probe"), d.Model)
	fmt.Fprintf(w, "%5d of %d prompts the model answers right now\n", d.Right, d.Prompts)
	fmt.Fprintf(w, "%5d wrong answers are what it generates\n", d.Own)
	fmt.Fprintf(w, "%5d are what it would say instead of the right answer\n", d.Instead)
	if d.Kept > 0 {
		fmt.Fprintf(w, "%5d are the file's, kept\n", d.Kept)
	}
	if d.Same+d.Changed > 0 {
		fmt.Fprintf(w, "%5d of the file's own wrong answers were replaced, %d found again\n", d.Changed, d.Same)
	}
	if n := len(d.LeftOut); n > 0 {
		fmt.Fprintf(w, "%5d prompts without a wrong answer are left out\n", n)
	}
}
