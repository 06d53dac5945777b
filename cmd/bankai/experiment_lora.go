package main

import (
	"context"
	"math"
	"slices"

	"bankai/internal/experiment"
	"bankai/internal/flagtype"
	"bankai/internal/lora"
	"bankai/internal/repair"
	"bankai/internal/report"
	"bankai/internal/source"
	"bankai/internal/watched"
	"bankai/measure"
	"bankai/probe"
	"bankai/score"

	"github.com/spf13/cobra"
)

// loraFlags are the flags of `experiment lora`.
type loraFlags struct {
	experimentFlags
	probes, controls, heldOut, text string
	also, projections               []string
	layers                          flagtype.IntList
	ranks                           []int
	seeds, steps, rounds            flagtype.Count
	rate, kl                        float64
	onlyTiming                      bool
}

func loraCommand(a *app) *cobra.Command {
	f := &loraFlags{layers: flagtype.IntList{Ranges: true}, seeds: 3, steps: 40, rounds: 10}
	cmd := &cobra.Command{
		Use:   "lora [--patch P]...",
		Short: "set patches beside LoRA on the same frozen bits",
		Long: `Trains low-rank adapters (LoRA) beside the frozen 1-bit weights, and measures
them and the given patches on the same held-out probes: answers fixed and broken,
bytes, perplexity, the time for a token, and the time to switch.

The published work has no such comparison; it said that LoRA cannot work on
1-bit models. It can: the bits are frozen, but activations are continuous. What a
patch has instead: far fewer bytes, no work for a token, and a model that stays
one file of bits.

The adapters climb the fitness that searches climb, on the same --probes and
--controls, by Adam with the engine's own backward pass: always --steps of them.
To compare like with like, give patches that were found with the same probes;
each is measured alone. For another model than the built-in one give all files,
or --only-timing, which needs none.`,
		Example: `  bankai experiment lora --ranks 1 --seeds 1 --steps 1 --probes demo:control_few --heldout demo:control_heldout --rounds 1
  bankai experiment lora --only-timing --rounds 2`,
		Args: arguments(0, 0, "none; the files are given by flags"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return f.run(ctx, a)
		}),
	}
	f.add(cmd)
	f.model.addPatch(cmd)
	cmd.Flags().Lookup("patch").Usage = "patch `FILE` to compare; may be repeated, each is measured alone"
	flags := cmd.Flags()
	f.file(cmd, &f.probes, "probes", "demo:search", "probe `FILE` to learn from")
	f.file(cmd, &f.controls, "controls", "demo:control", "probe `FILE` of what must hold")
	f.file(cmd, &f.heldOut, "heldout", "demo:heldout", "probe `FILE` for the result")
	flags.StringArrayVar(&f.also, "also", nil, "further probe `FILE` to measure; may be repeated")
	f.file(cmd, &f.text, "control-text", "demo:control_text", "`FILE` of sentences, one a line, to hold on to, and whose perplexity to report")
	flags.StringSliceVar(&f.projections, "proj", []string{"gate", "up", "down"}, "`PROJECTIONS` with an adapter: gate, up, down, q, k, v, o, and a hybrid's qkv, z, alpha, beta, out")
	flags.Var(&f.layers, "layers", "`LAYERS` with an adapter, as 0,3,8-11 (default all)")
	flags.IntSliceVar(&f.ranks, "ranks", []int{1, 4}, "`RANKS` of the adapters")
	flags.Var(&f.seeds, "seeds", "random starts of each rank")
	flags.Var(&f.steps, "steps", "of Adam, each over all probes")
	flags.Float64Var(&f.rate, "rate", lora.DefaultRate, "`RATE` of Adam: about how far a number moves in a step")
	flags.Float64Var(&f.kl, "kl", 1, "`WEIGHT` of the divergence from the model as it is on --control-text")
	flags.Var(&f.rounds, "rounds", "of timing; 0 for none")
	flags.BoolVar(&f.onlyTiming, "only-timing", false, "train and ask nothing")
	return cmd
}

// check refuses what cannot be right whatever the files hold.
func (f *loraFlags) check() error {
	for _, rank := range f.ranks {
		if rank < 1 || rank > 1024 {
			return usagef("--ranks %d: must be from 1 to 1024", rank)
		}
	}
	slices.Sort(f.ranks)
	f.ranks = slices.Compact(f.ranks)
	switch {
	case f.seeds < 1 || f.steps < 1:
		return usagef("--seeds and --steps must be 1 or more")
	case !(f.rate > 0) || math.IsInf(f.rate, 1):
		return usagef("--rate %v: must be above 0", f.rate)
	case f.onlyTiming && f.rounds == 0:
		return usagef("--only-timing with --rounds 0 leaves nothing to do")
	}
	if err := (score.Objective{Divergence: f.kl}).Check(); err != nil {
		return flagError(err)
	}
	if f.onlyTiming {
		f.files = nil // are not read
	}
	return f.experimentFlags.check()
}

func (f *loraFlags) run(ctx context.Context, a *app) error {
	o := experiment.LoRAOptions{
		Projections: f.projections, Layers: f.layers.String(), Ranks: f.ranks, Seeds: int(f.seeds), Steps: int(f.steps), Rate: f.rate, KL: f.kl, Rounds: int(f.rounds),
		Names: [4]string{f.probes, f.controls, f.heldOut, f.text}, OnlyTiming: f.onlyTiming,
	}
	facts, err := o.Read(f.also)
	if err != nil {
		return err
	}
	m, err := a.openModel(&f.model)
	if err != nil {
		return err
	}
	defer m.Close()
	if f.kl > 0 && !f.onlyTiming {
		repair.WarnCut(a.Console, m, f.text, o.Text)
	}
	if err := o.Rivals(m, a.patches(m.Weights()), f.model.patches, f.layers.Ints()); err != nil {
		return err
	}
	if err := watched.Fit(m, append(slices.Clone(o.Also), measure.Named{Name: f.probes, Set: o.Search}, measure.Named{Name: f.controls, Set: o.Controls}, measure.Named{Name: f.heldOut, Set: o.HeldOut})...); err != nil {
		return err
	}
	if !f.onlyTiming {
		held := []source.Set{{Set: o.HeldOut, Source: f.heldOut}}
		for _, s := range []source.Set{{Set: o.Search, Source: f.probes}, {Set: o.Controls, Source: f.controls}} {
			if _, err := repair.Checked(ctx, a.Console, m, s, probe.AnswerLogprob, held, false); err != nil {
				return err
			}
		}
	}
	return a.experiment(ctx, &f.experimentFlags, m, "lora", facts, func(ctx context.Context, r *experiment.Run) (report.Result, error) {
		return experiment.CompareLoRA(ctx, r, o)
	})
}
