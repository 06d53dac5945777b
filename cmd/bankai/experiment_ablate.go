package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"bankai/experiment"
	"bankai/probe"
	"bankai/score"
)

// ablateFlags are the flags of `experiment ablate`.
type ablateFlags struct {
	experimentFlags
	probes, heldOut, controls, text string
	held, seeds, steps, baseCount   count
	maxCost, kl                     float64

	strategy    choice[score.Method] // of the base, as the next four
	metric      *choice[probe.Metric]
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
		strategy: choice[score.Method]{score.MethodGuided, "NAME", score.ParseMethod},
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
	f.metric = metricFlag(cmd, probe.AnswerLogprob)
	flags.StringSliceVar(&f.vary, "vary", []string{"probes", "strategy", "granularity"}, "`FACTORS` to vary: "+strings.Join(experiment.Factors(), ", "))
	for _, l := range levelFlags {
		f.levels[l.factor] = flags.StringSlice(l.flag, l.usual, "levels of "+l.factor+": "+l.usage)
	}
}

// ablateCost is what a search may spend unless it is said. Guided searches on the
// demo model find most of what they find for that.
const ablateCost = 40
