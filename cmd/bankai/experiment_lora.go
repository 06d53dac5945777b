package main

import (
	"context"
	"fmt"
	"math"
	"slices"

	"bankai/engine"
	"bankai/internal/benchmark"
	"bankai/internal/experiment"
	"bankai/internal/flagtype"
	"bankai/internal/guard"
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
	problems, windowText            string
	layers                          flagtype.IntList
	ranks, signRanks, windows       []int
	seeds, steps, rounds            flagtype.Count
	rate, signRate                  float64
	kl, costs, patchCosts           []float64
	onlyTiming, noControls, guarded bool
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

An adapter of signs is the rival at the size of a patch: both factors are +1 and
−1, a bit each, with a scale for each rank of a matrix (after LoRDBA, arXiv
2605.24058). It is computed here with floats, so its times are none.

The adapters climb the fitness that searches climb, on the same --probes and
--controls, by Adam with the engine's own backward pass: always --steps of them.
To compare like with like, give patches that were found with the same probes;
each is measured alone. --guard holds adapters by what holds a search that is
given no controls: what the model itself says now. With --costs every adapter is
measured several times as it is trained, and --patch-costs puts the patches on
the same curves, where x-60.bankai and x-120.bankai are one.

What is lost where nobody looks: --also, --problems, --windows.

For another model than the built-in one give all files, or --only-timing, which
needs none.`,
		Example: `  bankai experiment lora --ranks 1 --seeds 1 --steps 1 --probes demo:control_few --heldout demo:control_heldout --rounds 1
  bankai experiment lora --only-timing --rounds 2
  bankai experiment lora --probes demo:search_few --heldout demo:validate --seeds 1 --ranks 1 --costs 8 --windows 64 -o results`,
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
	cmd.Flags().Lookup("patch").Usage = "`PATCH` to compare: a file, or a name of the library; may be repeated, each is measured alone"
	flags := cmd.Flags()
	f.file(cmd, &f.probes, "probes", "demo:search", "probe `FILE` to learn from")
	f.file(cmd, &f.controls, "controls", "demo:control", "probe `FILE` of what must hold")
	flags.BoolVar(&f.noControls, "no-controls", false, "let nothing but --kl hold the adapters back")
	f.file(cmd, &f.heldOut, "heldout", "demo:heldout", "probe `FILE` for the result")
	flags.StringArrayVar(&f.also, "also", nil, "further probe `FILE` to measure; may be repeated")
	f.file(cmd, &f.text, "control-text", "demo:control_text", "`FILE` of sentences, one a line, to hold on to, and whose perplexity to report")
	flags.StringSliceVar(&f.projections, "proj", []string{"gate", "up", "down"}, "`PROJECTIONS` with an adapter: gate, up, down, q, k, v, o, and a hybrid's qkv, z, alpha, beta, out")
	flags.Var(&f.layers, "layers", "`LAYERS` with an adapter, as 0,3,8-11 (default all)")
	flags.IntSliceVar(&f.ranks, "ranks", []int{1, 4}, "`RANKS` of the adapters of floats")
	flags.IntSliceVar(&f.signRanks, "sign-ranks", []int{1}, "`RANKS` of the adapters of signs")
	flags.Var(&f.seeds, "seeds", "random starts of each rank")
	flags.Var(&f.steps, "steps", "of Adam, each over all probes")
	flags.Float64SliceVar(&f.costs, "costs", nil, "instead of --steps: measure every adapter where it has cost these `PASSES`")
	flags.Float64SliceVar(&f.patchCosts, "patch-costs", nil, "`PASSES` that the search of each --patch took, in their order")
	flags.Float64Var(&f.rate, "rate", lora.DefaultRate, "`RATE` of Adam: about how far a number moves in a step")
	flags.Float64Var(&f.signRate, "sign-rate", lora.DefaultSignRate, "the same `RATE` for adapters of signs")
	flags.Float64SliceVar(&f.kl, "kl", nil, fmt.Sprintf("`WEIGHTS` of the divergence on --control-text or the guard (default 1, with --guard %v)", guard.DefaultWeight))
	flags.StringVar(&f.problems, "problems", "", "problem `FILE` to measure, in the form of experiment gsm8k")
	flags.IntSliceVar(&f.windows, "windows", nil, "`TOKENS` of the windows in which to measure --window-text")
	for _, name := range []string{"costs", "patch-costs", "kl"} {
		flags.Lookup(name).DefValue = "" // none, or said above
	}
	flags.StringVar(&f.windowText, "window-text", "demo:text", "text `FILE` whose perplexity to measure in --windows")
	flags.BoolVar(&f.guarded, "guard", false, "hold the adapters by the guard of a search without --controls, and by nothing else")
	flags.Var(&f.rounds, "rounds", "of timing; 0 for none")
	flags.BoolVar(&f.onlyTiming, "only-timing", false, "train and ask nothing")
	return cmd
}

// check refuses what cannot be right whatever the files hold, and sets what was not
// given.
func (f *loraFlags) check() error {
	if err := f.checkNumbers(); err != nil {
		return err
	}
	switch {
	case f.seeds < 1 || f.steps < 1:
		return usagef("--seeds and --steps must be 1 or more")
	case f.onlyTiming && f.rounds == 0:
		return usagef("--only-timing with --rounds 0 leaves nothing to do")
	case len(f.patchCosts) > 0 && len(f.patchCosts) != len(f.model.patches):
		return usagef("%d --patch-costs for %d --patch: give one for each", len(f.patchCosts), len(f.model.patches))
	case len(f.kl) > 0:
	case f.guarded:
		f.kl = []float64{guard.DefaultWeight}
	default:
		f.kl = []float64{1}
	}
	if f.onlyTiming {
		f.files = nil // are not read
	}
	if err := f.experimentFlags.check(); err != nil {
		return err
	}
	if f.noControls || f.guarded {
		f.controls = ""
	}
	return nil
}

// checkNumbers refuses numbers out of range, and puts those that are a set in order.
func (f *loraFlags) checkNumbers() error {
	for _, ranks := range []*[]int{&f.ranks, &f.signRanks} {
		for _, rank := range *ranks {
			if rank < 1 || rank > 1024 {
				return usagef("--ranks and --sign-ranks %d: must be from 1 to 1024", rank)
			}
		}
		slices.Sort(*ranks)
		*ranks = slices.Compact(*ranks)
	}
	for _, rate := range []float64{f.rate, f.signRate} {
		if !(rate > 0) || math.IsInf(rate, 1) {
			return usagef("--rate and --sign-rate %v: must be above 0", rate)
		}
	}
	for _, cost := range slices.Concat(f.costs, f.patchCosts) {
		if !(cost > 0) || math.IsInf(cost, 1) {
			return usagef("--costs and --patch-costs %v: must be above 0", cost)
		}
	}
	slices.Sort(f.costs)
	for _, kl := range f.kl {
		if err := (score.Objective{Divergence: kl}).Check(); err != nil {
			return flagError(err)
		}
	}
	return nil
}

func (f *loraFlags) run(ctx context.Context, a *app) error {
	o := experiment.LoRAOptions{
		Projections: f.projections, Layers: f.layers.String(), Ranks: f.ranks, SignRanks: f.signRanks, Seeds: int(f.seeds),
		Steps: int(f.steps), Costs: f.costs, Rate: f.rate, SignRate: f.signRate, KL: f.kl, Rounds: int(f.rounds), PatchCosts: f.patchCosts,
		Names: [4]string{f.probes, f.controls, f.heldOut, f.text}, OnlyTiming: f.onlyTiming,
	}
	if err := f.readProblems(&o); err != nil {
		return err
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
	if err := o.Rivals(m, a.patches(m.Weights()), f.model.patches, f.layers.Ints()); err != nil {
		return err
	}
	if !f.onlyTiming {
		cut, err := f.checkFiles(ctx, a, m, &o)
		if err != nil {
			return err
		}
		facts = append(facts, cut...)
	}
	return a.experiment(ctx, &f.experimentFlags, m, "lora", facts, func(ctx context.Context, r *experiment.Run) (report.Result, error) {
		return experiment.CompareLoRA(ctx, r, o)
	})
}

// readProblems reads the problems, if any, which are put as experiment gsm8k puts them.
func (f *loraFlags) readProblems(o *experiment.LoRAOptions) error {
	if f.problems == "" || f.onlyTiming {
		return nil
	}
	g := benchmarkFlags{experimentFlags: f.experimentFlags}
	g.usualPrompt(gsm8kPrompt)
	problems, err := benchmark.ReadFile(f.problems, benchmark.ReadProblems)
	if err != nil {
		return err
	}
	o.Problems = benchmark.ProblemOptions{
		File: f.problems, Problems: problems, Prompt: g.prompt, MaxTokens: gsm8kTokens,
		Stop: []string{benchmark.StopFor(g.prompt)}, Rules: benchmark.AnswerRules,
	}.Quiz()
	return nil
}

// checkFiles checks what was read against the model, reads the text of the windows, and
// makes the guard. It returns what decides the figures beside what was read before.
func (f *loraFlags) checkFiles(ctx context.Context, a *app, m *engine.Model, o *experiment.LoRAOptions) (facts []experiment.Fact, err error) {
	if len(f.windows) > 0 {
		data, err := source.Read(f.windowText)
		if err != nil {
			return nil, err
		}
		if facts, err = o.CutText(m, f.windowText, data, f.windows); err != nil {
			return nil, err
		}
	}
	if slices.Max(f.kl) > 0 && !f.guarded {
		repair.WarnCut(a.Console, m, f.text, o.Text)
	}
	if err := watched.Fit(m, append(slices.Clone(o.Also), measure.Named{Name: f.probes, Set: o.Search}, measure.Named{Name: f.controls, Set: o.Controls}, measure.Named{Name: f.heldOut, Set: o.HeldOut})...); err != nil {
		return nil, err
	}
	held := []source.Set{{Set: o.HeldOut, Source: f.heldOut}}
	for _, s := range []source.Set{{Set: o.Search, Source: f.probes}, {Set: o.Controls, Source: f.controls}} {
		if len(s.Set) == 0 { // no controls
			continue
		}
		if _, err := repair.Checked(ctx, a.Console, m, s, probe.AnswerLogprob, held, false); err != nil {
			return nil, err
		}
	}
	if !f.guarded {
		return facts, nil
	}
	g, err := repair.GuardBeside(ctx, m, o.Search, guard.Options{Seed: a.seed, To: a.Console})
	if err != nil {
		return nil, err
	}
	o.Keep, o.Guard = guard.Keep(g.Used), g.Digest().String()
	return append(facts, experiment.Fact{Name: "guard", Value: o.Guard}), nil
}
