package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"bankai/experiment"
	"bankai/internal/source"
	"bankai/search"
)

// robustnessFlags are the flags of `experiment robustness`.
type robustnessFlags struct {
	experimentFlags
	text        string
	lines       count
	flips       numberList
	where       []string
	layers      intList
	granularity sizeList
	scale       []string
	seeds       count
	cross       bool
}

func robustnessCommand(a *app) *cobra.Command {
	f := &robustnessFlags{
		lines: 100, seeds: 5, layers: intList{ranges: true},
		granularity: sizeList{search.Bit, search.Group, search.Row},
	}
	cmd := &cobra.Command{
		Use:   "robustness [--text F]",
		Short: "perplexity against random flips",
		Long: `Flips sign bits drawn at random, without replacement, and measures the perplexity
of the first --lines lines of a text: how much noise does the model bear?

It repeats the published experiment 1: 500,000 flips among the 5,435,817,984 MLP
bits of Bonsai 8B, 0.009 %, changed the perplexity of 5 sentences by less than
1 %. It adds what was not tested there: attention, embedding and head, and whole
groups and rows at equal bits.

The first of --where, --granularity and --scale make the standard curve; every
other one gives a curve that differs from it in that one thing. --cross makes a
curve of every combination. --flips are bits, or below 1 their share of all bits
of the part: N bits are N/128 groups, or as many rows as hold N bits on average.
--scale medium draws from groups whose scale |d| lies between the 40 % and the
60 % quantile of the part's groups, high from the top fifth (whole rows by the
mean of their groups). --layers restricts MLP and attention.

How to read it: a ratio of 1 is no change. The mean and its 95 % interval are
over --seeds draws, of the logarithm of the ratio. "Less than 1 %" is said only
where the whole interval is within 1 %, for that many flips and for fewer.
Perplexity is a blunt measure: answers are lost before it moves.`,
		Example: `  bankai experiment robustness --lines 10 --flips 0.001,0.01 --seeds 2
  bankai experiment robustness --lines 10 --where mlp,attention --granularity row --scale any --layers 0-2 --flips 5000 --seeds 2`,
		Args: arguments(0, 0, "the text with --text"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return f.run(ctx, a)
		}),
	}
	f.add(cmd)
	flags := cmd.Flags()
	f.file(cmd, &f.text, "text", "demo:text", "text `FILE`, a sentence a line")
	flags.Var(&f.lines, "lines", "`N` lines of it, the first ones")
	flags.Var(&f.flips, "flips", "`BITS` to flip, or shares of all below 1 (default 0.0001,0.0003,0.001,0.003,0.01,0.03,0.1; of a large model as far as a draw goes)")
	flags.Lookup("flips").DefValue = "" // said above
	flags.StringSliceVar(&f.where, "where", []string{"mlp", "attention", "embedding"}, "`PARTS` to draw from: mlp, attention, embedding, head, all")
	flags.Var(&f.layers, "layers", "`LAYERS` to draw from, as 0,3,8-11 (default all)")
	flags.Var(&f.granularity, "granularity", "`PIECES` to flip: bit, group, row")
	flags.StringSliceVar(&f.scale, "scale", []string{"any", "medium", "high"}, "`SCALES` of what is drawn: any, medium, high")
	flags.Var(&f.seeds, "seeds", "`N` draws of every amount")
	flags.BoolVar(&f.cross, "cross", false, "a curve for every combination")
	return cmd
}

// options are the experiment's, the text aside.
func (f *robustnessFlags) options() experiment.RobustnessOptions {
	return experiment.RobustnessOptions{
		Where: f.where, Sizes: f.granularity, Scales: f.scale, Cross: f.cross,
		Layers: f.layers.ints(), Amounts: f.flips, Draws: int(f.seeds),
	}
}

func (f *robustnessFlags) check() error {
	if f.lines < 1 {
		return usagef("--lines 0: measure at least 1 line")
	}
	if err := f.options().Check(); err != nil {
		return usagef("%w", err)
	}
	return f.experimentFlags.check()
}

func (f *robustnessFlags) run(ctx context.Context, a *app) error {
	lines, err := source.ReadLines(f.text)
	if err != nil {
		return err
	}
	o := f.options()
	o.Text, o.Lines = f.text, lines[:min(len(lines), int(f.lines))]
	m, err := a.openModel(&f.model)
	if err != nil {
		return err
	}
	defer m.Close()
	facts := []experiment.Fact{
		{Name: "text", Value: fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(o.Lines, "\n"))))},
		{Name: "seed", Value: fmt.Sprint(a.seed)},
		{Name: "layers", Value: fmt.Sprint(o.Layers)},
	}
	return a.experiment(ctx, &f.experimentFlags, m, "robustness", facts, func(ctx context.Context, r *experiment.Run) (experiment.Result, error) {
		return experiment.MeasureRobustness(ctx, r, o)
	})
}
