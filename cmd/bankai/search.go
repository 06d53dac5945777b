package main

import (
	"context"

	"github.com/spf13/cobra"

	"bankai/probe"
	"bankai/search"
)

// searchFlags are the flags of `search`.
type searchFlags struct {
	model       modelFlags
	probes      string
	validate    string
	controls    string
	controlText string
	out         string

	strategy    choice[strategy]
	granularity choice[search.Granularity]
	layers      intList
	projections []string
	metric      *choice[probe.Metric]
	fitness     choice[search.Reduce]
	penalty     float64
	screen      count
	steps       count
	maxFlips    count
	maxCost     float64
	resume      bool
	force       bool
}

func (a *app) searchCommand() *cobra.Command {
	f := &searchFlags{
		strategy:    choice[strategy]{"guided", "NAME", parseStrategy},
		granularity: choice[search.Granularity]{search.Row, "SIZE", parseGranularity},
		layers:      intList{ranges: true},
		fitness:     choice[search.Reduce]{search.Mean, "mean|min", search.ParseReduce},
		screen:      search.DefaultScreen,
		steps:       300,
	}
	cmd := &cobra.Command{
		Use:   "search --probes F -o P",
		Short: "find a patch",
		Long: `Searches for the flips that make a model answer a set of probes better, and
writes them as a patch.

The fitness that it climbs is

  mean gain of the metric over the probes - penalty x mean loss over the controls

"guided" predicts it for every row at once, by one backward pass through the
frozen bits, tries the most promising rows on the true fitness, keeps those that
raise it, and predicts anew. It ends by itself when nothing helps any more.

"greedy" is the published method: it draws rows with a probability in proportion
to their scale and keeps a flip if the fitness rises; "random" draws all alike,
as a baseline. Candidates that help none of the probes that were worst at the
start are given up early (--screen).

The probes are audited first; defects that would void the result stop the search
unless --force is given. With --validate the patch is measured at the end on
probes that the search did not use, by greedy generation.

Ctrl-C ends the search and keeps the best patch so far. A journal beside the
output (P.journal) holds every step: the same command with --resume goes on
where it ended, also after a crash, to the same result. A patch that was there
before is kept as P.old.`,
		Example: `  bankai search --probes demo:search --validate demo:validate --controls demo:control -o fix.bankai --steps 40
  bankai search --probes demo:search --validate demo:validate --controls demo:control -o fix.bankai --steps 60 --resume
  bankai search --probes demo:search -o few.json --layers 1,2,4-5 --proj gate,up,down --max-flips 2 --steps 40`,
		Args: arguments(0, 0, "the probe file with --probes"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return a.search(ctx, f)
		}),
	}
	f.add(cmd)
	return cmd
}

func (f *searchFlags) add(cmd *cobra.Command) {
	f.model.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.probes, "probes", "", "probe `FILE` to search with")
	flags.StringVar(&f.validate, "validate", "", "probe `FILE` to measure the patch on at the end")
	flags.StringVar(&f.controls, "controls", "", "probe `FILE` of what must hold")
	flags.StringVar(&f.controlText, "control-text", "", "`FILE` of sentences, one a line, whose perplexity to report before and after")
	outFlag(cmd, &f.out, patchNames)
	flags.Var(&f.strategy, "strategy", "guided (by predictions), greedy (draw by scale) or random (draw all alike)")
	flags.Var(&f.granularity, "granularity", "what a flip takes in: row or group (128 weights)")
	flags.Var(&f.layers, "layers", "`LAYERS` to search, as 0,3,8-11 (default all)")
	flags.StringSliceVar(&f.projections, "proj", nil, "`PROJECTIONS` to search: gate, up, down, q, k, v, o (default gate,up)")
	f.metric = metricFlag(cmd, probe.AnswerLogprob)
	flags.Var(&f.fitness, "fitness", "mean gain over the probes, or the min")
	flags.Float64Var(&f.penalty, "penalty", search.DefaultPenalty, "`WEIGHT` of the controls' loss")
	flags.Var(&f.screen, "screen", "give a candidate up that helps none of the `N` worst probes; 0 for never")
	flags.Var(&f.steps, "steps", "candidates to try")
	flags.Var(&f.maxFlips, "max-flips", "stop at so many flips; 0 for no limit")
	flags.Float64Var(&f.maxCost, "max-cost", 0, "stop when so many forward-pass `EQUIVALENTS` are spent; 0 for no limit")
	flags.BoolVar(&f.resume, "resume", false, "go on with the journal of an earlier run")
	flags.BoolVar(&f.force, "force", false, "search in spite of fatal findings of the audit")
}

// check refuses what cannot be right whatever the files hold.
func (f *searchFlags) check() error {
	switch {
	case f.probes == "":
		return usagef("give the probe file with --probes")
	case f.steps < 1:
		return usagef("--steps 0: try at least 1 candidate")
	case !(f.penalty >= 0):
		return usagef("--penalty %v: must be 0 or more", f.penalty)
	case !(f.maxCost >= 0):
		return usagef("--max-cost %v: must be 0 (no limit) or more", f.maxCost)
	}
	return checkPatchName(f.out)
}

// plan is what the flags ask for.
func (f *searchFlags) plan(seed uint64) plan {
	p := plan{
		strategy: f.strategy.value, granularity: f.granularity.value, projections: f.projections,
		objective: search.Objective{Metric: f.metric.value, Reduce: f.fitness.value, Penalty: f.penalty},
		screen:    int(f.screen), seed: seed,
		limits: search.Config{Steps: int(f.steps), MaxFlips: int(f.maxFlips), MaxCost: f.maxCost},
	}
	for _, l := range f.layers.values {
		p.layers = append(p.layers, int(l))
	}
	return p
}

// searchSets are the files that a search reads.
type searchSets struct {
	targets, validation, controls set
	text                          []string // lines, for perplexity
}

// read reads them all, before any long work.
func (f *searchFlags) read() (sets searchSets, err error) {
	for _, s := range []struct {
		source string
		set    *set
	}{{f.probes, &sets.targets}, {f.validate, &sets.validation}, {f.controls, &sets.controls}} {
		if s.source == "" {
			continue
		}
		if *s.set, err = readSet(s.source); err != nil {
			return sets, err
		}
	}
	if f.controlText != "" {
		sets.text, err = readLines(f.controlText)
	}
	return sets, err
}

func (a *app) search(ctx context.Context, f *searchFlags) error {
	sets, err := f.read()
	if err != nil {
		return err
	}
	if f.controls == "" {
		a.warn("there are no --controls: nothing keeps the search from breaking what works now")
	}
	m, err := a.openModel(&f.model)
	if err != nil {
		return err
	}
	defer m.Close()
	found, err := a.checked(ctx, m, sets.targets, f.metric.value, []set{sets.validation, sets.controls}, f.force)
	if err != nil {
		return err
	}
	h, err := newHunt(m, sets.targets, sets.controls, f.plan(a.seed))
	if err != nil {
		return err
	}
	return a.searchAndWrite(ctx, f, h, sets, found)
}
