package main

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"bankai/internal/experiment"
	"bankai/internal/flagtype"
	"bankai/internal/repair"
	"bankai/internal/report"
	"bankai/internal/text"
	"bankai/internal/watched"
	"bankai/probe"
	"bankai/score"
	"bankai/search"

	"github.com/spf13/cobra"
)

// ablateFlags are the flags of `experiment ablate`.
type ablateFlags struct {
	experimentFlags
	probes, heldOut, controls, text string
	held, seeds, steps, baseCount   flagtype.Count
	maxCost, kl                     float64

	strategy    flagtype.Choice[score.Method] // of the base, as the next four
	metric      *flagtype.Choice[probe.Metric]
	granularity string
	projections string // empty: as is usual for the strategy
	layers      string

	vary    []string
	levels  map[string]*[]string // by factor
	changed func(flag string) bool
}

// levelFlags are the flags for the levels of each factor.
var levelFlags = []struct {
	factor, flag, usage string
	usual               []string
}{
	{"probes", "counts", "`NUMBERS` of probes to search with", []string{"6", "15", "30", "60", "120"}},
	{"strategy", "strategies", "`NAMES` as of --strategy", []string{"guided", "greedy", "random"}},
	{"granularity", "granularities", "`SIZES` as of --granularity", []string{"row", "group", "bit"}},
	{"proj", "projs", "`SETS` as of --proj", []string{"gate+up", "gate+up+v+o", "q+k+v+o", "gate+up+down+q+k+v+o"}},
	{"layers", "layer-sets", "`SETS` as of --layers", []string{"0-2", "3-5", "all"}},
	{"metric", "metrics", "`METRICS` as of --metric", []string{"answer_logprob", "seq_logprob"}},
}

func ablateCommand(a *app) *cobra.Command {
	f := &ablateFlags{
		held: 300, seeds: 3, steps: 1000, baseCount: 60, levels: map[string]*[]string{},
		strategy: flagtype.NewChoice(score.MethodGuided, "NAME", score.ParseMethod),
	}
	cmd := &cobra.Command{
		Use:   "ablate",
		Short: "the same search with one thing changed: what generalises?",
		Long: `Repeats one search with one thing changed at a time, and says of each setting
how many held-out answers its patches fix and break. This is the published
experiments 5 and 9 to 12, each of which was a single search on an 8B model:

  6 probes, the first search        2 of 90 held-out fixed, 15 broken
  60 probes, seq_logprob            5 of 16 fixed, 0 broken
  the same with attention as well   the held-out gain is gone
  with 8 layers                     own probes better, 35 of 60 right; held out
                                    worse, 17 of 30 right
  groups of 128 weights             6 flips kept, no effect

Here every setting is searched with --seeds seeds. A seed draws the probes from
--probes and is the seed of the strategy, so the interval of a figure says how
far another draw may fall. The base is a search with --base-count probes, by
--strategy, --granularity, --proj, --layers and --metric. --vary says what is
changed; the lists say to what. In a list, commas part the settings, and "+"
joins what one setting has: gate+up,q+k+v+o.

How to read it: a setting generalises if it fixes more held-out answers than it
breaks, and the interval of the difference (net) is above 0. It memorises if it
gains much more on its own probes than on the held-out ones. P-values are
corrected for the number of settings. With 3 seeds intervals are wide: more
seeds, added with --resume, narrow them.

Every search has the same --max-cost, in passes over its own probes and the
controls: equal cost means equally many passes, so searches with more probes
take longer. The fitness is the base's but for the metric.

The published search is --strategy greedy --metric seq_logprob. Without flags it
is 27 searches on the built-in model, of some 2 minutes on two cores.`,
		Example: `  bankai experiment ablate --vary probes --counts 4,8 --base-count 8 --max-cost 4 --held 20
  bankai experiment ablate --vary proj,layers --projs q+k+v+o --layer-sets 0-2,3-5 --base-count 4 --max-cost 3 --held 20 --seeds 2 -o results
  bankai experiment ablate --vary proj --projs q+k+v+o,gate+up --base-count 4 --max-cost 3 --held 20 --seeds 3 -o results --resume`,
		Args: arguments(0, 0, "none; the probes are named with --probes"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if err := f.checkAll(); err != nil {
				return err
			}
			return f.run(ctx, a)
		}),
	}
	f.experimentFlags.add(cmd)
	f.declare(cmd)
	return cmd
}

func (f *ablateFlags) declare(cmd *cobra.Command) {
	flags := cmd.Flags()
	f.changed = flags.Changed
	f.file(cmd, &f.probes, "probes", "demo:search", "probe `FILE` that searches draw from")
	f.file(cmd, &f.heldOut, "heldout", "demo:heldout", "probe `FILE` that no search sees")
	f.file(cmd, &f.controls, "controls", "demo:control", "probe `FILE` of what must hold, \"\" for none")
	if err := flags.SetAnnotation("controls", mayBeNone, nil); err != nil {
		panic(err) // the flag was not declared
	}
	flags.StringVar(&f.text, "control-text", "", "`FILE` of sentences, one a line, to hold on to with --kl")
	flags.Float64Var(&f.kl, "kl", 0, "`WEIGHT` of the divergence from the unpatched model on --control-text")
	flags.Var(&f.held, "held", "how many of the held-out probes to draw, always the same; 0 for all")
	flags.Var(&f.seeds, "seeds", "searches of each setting, of seeds from --seed on")
	flags.Var(&f.steps, "steps", "candidates a search may try")
	flags.Float64Var(&f.maxCost, "max-cost", ablateCost, "forward-pass `EQUIVALENTS` a search may spend, in passes over its own probes; 0 for no limit")
	flags.Var(&f.baseCount, "base-count", "probes of the base")
	flags.Var(&f.strategy, "strategy", "of the base: guided, greedy, evolve, vote or random")
	flags.StringVar(&f.granularity, "granularity", "row", "of the base, `SIZE`: row, group or bit; row+bit for both in turn")
	flags.StringVar(&f.projections, "proj", "", "of the base, a `SET` of projections (default gate+up+v+o; greedy and random: gate+up)")
	flags.StringVar(&f.layers, "layers", "all", "of the base, a `SET` of layers, as 0-2+5, or all")
	f.metric = metricFlag(cmd, climbed, probe.AnswerLogprob)
	flags.StringSliceVar(&f.vary, "vary", []string{"probes", "strategy", "granularity"}, "`FACTORS` to vary: "+strings.Join(experiment.Factors(), ", "))
	for _, l := range levelFlags {
		f.levels[l.factor] = flags.StringSlice(l.flag, l.usual, "levels of "+l.factor+": "+l.usage)
	}
}

// ablateCost is what a search may spend unless it is said. Guided searches on the
// demo model find most of what they find for that.
const ablateCost = 40

// checkAll refuses what cannot be right whatever the files hold.
func (f *ablateFlags) checkAll() error {
	if err := f.check(); err != nil {
		return err
	}
	if f.probes == "" || f.heldOut == "" {
		return usagef("--probes and --heldout cannot be empty: name a file each")
	}
	limits := search.Config{Steps: int(f.steps), MaxCost: f.maxCost}
	if err := cmp.Or(limits.Check(), (score.Objective{Divergence: f.kl}).Check()); err != nil {
		return flagError(err)
	}
	switch {
	case f.seeds < 1:
		return usagef("--seeds 0: search at least once; 3 or more give intervals")
	case math.IsInf(f.maxCost, 0): // results hold it as a JSON number
		return usagef("--max-cost %v: must be 0 (no limit) or more", f.maxCost)
	case (f.kl > 0) != (f.text != ""):
		return usagef("--kl and --control-text need each other: give the weight and the text")
	}
	for _, l := range levelFlags {
		if f.changed(l.flag) && !slices.Contains(f.vary, l.factor) {
			return usagef("--%s has the levels of a factor that is not varied: add %s to --vary", l.flag, l.factor)
		}
	}
	base, err := f.base()
	if err != nil {
		return err
	}
	_, err = f.variations(base)
	return err
}

// base is the setting around which others vary.
func (f *ablateFlags) base() (s experiment.Setting, err error) {
	projections := f.projections
	if projections == "" {
		projections = strings.Join(score.NewPlan(f.strategy.Value).Projections, "+")
	}
	for _, part := range []struct{ factor, flag, value string }{
		{"probes", "base-count", f.baseCount.String()},
		{"strategy", "strategy", f.strategy.String()},
		{"granularity", "granularity", f.granularity},
		{"proj", "proj", projections},
		{"layers", "layers", f.layers},
		{"metric", "metric", f.metric.String()},
	} {
		if s, err = s.With(part.factor, part.value); err != nil {
			return s, usagef("--%s: %v", part.flag, err)
		}
	}
	return s, nil
}

// variations are what --vary asks for, in the order of the factors.
func (f *ablateFlags) variations(base experiment.Setting) (all []experiment.Variation, err error) {
	for _, name := range f.vary {
		if !slices.Contains(experiment.Factors(), name) {
			return nil, usagef("--vary: nothing called %q can be varied: use %s", name, text.Listed(experiment.Factors()))
		}
	}
	for _, l := range levelFlags {
		if !slices.Contains(f.vary, l.factor) {
			continue
		}
		v := experiment.Variation{Factor: l.factor, Values: *f.levels[l.factor]}
		for _, value := range v.Values {
			if _, err := base.With(l.factor, value); err != nil {
				return nil, usagef("--%s: %v", l.flag, err)
			}
		}
		all = append(all, v)
	}
	return all, nil
}

func (f *ablateFlags) run(ctx context.Context, a *app) error {
	o, facts, err := f.read()
	if err != nil {
		return err
	}
	if len(o.Controls.Set) == 0 {
		a.Warn("there are no --controls: nothing keeps the searches from breaking what works now")
	}
	m, err := a.openModel(&f.model)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := watched.Fit(m, o.Pool, o.HeldOut, o.Controls); err != nil {
		return err
	}
	if f.kl > 0 {
		repair.WarnCut(a.Console, m, f.text, o.Text)
	}
	return a.experiment(ctx, &f.experimentFlags, m, "ablate", facts, func(ctx context.Context, r *experiment.Run) (report.Result, error) {
		return experiment.MeasureAblate(ctx, r, o)
	})
}

// read reads the files.
func (f *ablateFlags) read() (o experiment.AblateOptions, facts []experiment.Fact, err error) {
	o = experiment.AblateOptions{Seeds: int(f.seeds), Steps: int(f.steps), MaxCost: f.maxCost, Divergence: f.kl}
	if o.Base, err = f.base(); err != nil {
		return o, nil, err
	}
	if o.Vary, err = f.variations(o.Base); err != nil {
		return o, nil, err
	}
	facts, err = o.Read(experiment.AblateFiles{Pool: f.probes, HeldOut: f.heldOut, Controls: f.controls, Text: f.text, Held: int(f.held)})
	return o, facts, err
}
