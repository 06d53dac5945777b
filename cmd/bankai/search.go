package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"bankai"
	"bankai/internal/flagtype"
	"bankai/internal/guard"
	"bankai/internal/repair"
	"bankai/internal/report"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/internal/text"
	"bankai/internal/weights"
	"bankai/probe"
	"bankai/score"
	"bankai/search"

	"github.com/spf13/cobra"
)

// searchFlags are the flags of `search`.
type searchFlags struct {
	model       modelFlags
	probes      []string
	weights     flagtype.NumberList
	floors      flagtype.NumberList
	validate    string
	controls    string
	controlText string
	out         string

	strategy    flagtype.Choice[score.Method]
	granularity flagtype.SizeList
	layers      flagtype.IntList
	projections []string
	metric      *flagtype.Choice[probe.Metric]
	fitness     flagtype.Choice[score.Reduce]
	penalty     float64
	slack       flagtype.Optional
	cap         float64
	harm        float64
	tie         float64
	kl          float64
	guard       guardFlag
	screen      flagtype.Count
	changed     func(flag string) bool // it was given
	steps       flagtype.Count
	maxFlips    flagtype.Count
	maxBytes    flagtype.Count
	maxCost     float64
	minutes     float64
	block       flagtype.Count
	noPrune     bool
	draws       flagtype.Count
	votes       flagtype.Count
	report      string
	said        saidFlags
	resume      bool
}

func searchCommand(a *app) *cobra.Command {
	f := &searchFlags{
		strategy:    flagtype.NewChoice(score.MethodGuided, "NAME", score.ParseMethod),
		granularity: flagtype.SizeList{search.Row},
		layers:      flagtype.IntList{Ranges: true},
		fitness:     flagtype.NewChoice(score.Mean, "mean|min", score.ParseReduce),
		screen:      score.DefaultScreen,
		steps:       300,
		draws:       3,
		block:       score.DefaultBlock,
		votes:       2,
	}
	cmd := &cobra.Command{
		Use:   "search --probes F -o P",
		Short: "find a patch",
		Long: `Searches for the flips that make a model answer a set of probes better, and
writes them as a patch. The fitness that it climbs is

  mean gain of --metric over the probes
    - --penalty x mean loss of the controls beyond --slack
    - --kl x divergence from the unpatched model on --control-text and the guard

Several --probes are helped together: their gains are averaged by --weights, and
none may fall below its floor.

Where neither --controls nor --control-text is given, a guard keeps it from
breaking what nobody thought of. That is made of the model itself, without
data: what it says to a built-in list of prompts in many languages, and what
it says from nothing at temperature 1, less what resembles the probes. A third
of it is kept from the search. How many of those answers stayed the same is
said at the end, and recorded in the patch. --guard N asks for one in any
case, of about N tokens. Auto takes as many as the probes have, from 2,000 to
16,000, so that a pass takes up to twice as long. To make and measure it takes
about as long as reading 45,000 tokens: under a minute on the built-in model,
four on one of 1.7B. Greedy and random searches are as they were published,
and have no guard unless they are asked to.

"guided" predicts the fitness for every flip at once, by one backward pass
through the frozen bits, tries the most promising on the true fitness, keeps what
raises it, and predicts anew: rows and groups one at a time, bits many together.
At the end it takes out what turned out to be of no use. Nothing of it is drawn,
so --seed changes nothing; by bits, it decides what is tried after a failure.
"vote" lets several guided searches, each with half of the probes, decide by
majority. "evolve" keeps a population of patches that it crosses. "greedy" is the
published method: it draws rows with a probability in proportion to their scale
and keeps a flip if the fitness rises; "random" draws all alike, as a baseline.

A fitness can rise by means that help no answer: seq_logprob does, under a strong
optimiser. So with --validate the model's own answers to those probes, which the
search does not use, are watched, every 15 forward-pass equivalents and at the
end. The patch that is written is the one with the most right answers of those
looked at; of several, the fittest. If it is no better there than no patch, the
last lines say so. If answers get worse while the fitness rises, beyond chance
(p < 0.01), the search ends, and where every patch loses answers beyond chance
none is kept. For both the file needs 200 probes; with fewer there is only a
warning. In a vote every draw keeps to this, and the vote is then looked at.

Rows make the smallest patches, which the original tool can read too. Bits break
the least for what they fix. To do no harm, stop early: --granularity bit
--proj gate,up --slack 0.2 --max-cost 40, with as many probes as there are.

The probes are audited first; defects that would void the result stop the search
unless --force is given. A journal beside the output (P.journal) holds every
step: the same command with --resume goes on where it ended, also after a crash,
to the same result. A patch and a journal that were there before are kept as P.1
and P.journal.1, the next ones as P.2, and so on.

Ctrl-C ends the search with exit status 3, and keeps the best patch so far if it
has flips: in P, or beside a patch of another run, which stays, in a file with
"interrupted" in its name.`,
		Example: `  bankai search --probes demo:search_few --validate demo:validate --controls demo:control_few -o fix.bankai --steps 20
  bankai search --probes demo:search_few --validate demo:validate --controls demo:control_few -o fix.bankai --steps 30 --resume --report fix.html
  bankai search --probes demo:search_few -o few.json --granularity row --layers 1,2,4-5 --proj gate,up,down --max-flips 2 --steps 40`,
		Args: arguments(0, 0, "the probe file with --probes"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return f.run(ctx, a)
		}),
	}
	f.add(cmd)
	cmd.Flags().Bool(forceName, false, "search in spite of fatal findings, and replace files that are no earlier result of a search")
	return cmd
}

func (f *searchFlags) add(cmd *cobra.Command) {
	f.model.add(cmd)
	f.model.workers.add(cmd)
	flags := cmd.Flags()
	f.changed = flags.Changed
	flags.StringArrayVar(&f.probes, "probes", nil, "probe `FILE` to search with; several are helped together")
	flags.Var(&f.weights, "weights", "`WEIGHTS` of several probe files, in their order (default all alike)")
	flags.Var(&f.floors, "floors", "least `GAIN` that each of several probe files must have (default 0)")
	flags.StringVar(&f.validate, "validate", "", "probe `FILE` to watch the answers of, and to measure the patch on at the end")
	flags.StringVar(&f.controls, "controls", "", "probe `FILE` of what must hold")
	flags.StringVar(&f.controlText, "control-text", "", "`FILE` of sentences, one a line, whose perplexity to report, and to hold on to with --kl")
	outFlag(cmd, &f.out, patchNames)
	flags.Var(&f.strategy, "strategy", "guided (by predictions), sampled (by blocks of many), evolve, vote, greedy or random")
	flags.Var(&f.granularity, "granularity", "what a flip takes in: row, group (128 weights) or bit; several are used in turn")
	flags.Var(&f.layers, "layers", "`LAYERS` to search, as 0,3,8-11 (default all)")
	flags.StringSliceVar(&f.projections, "proj", nil, "`PROJECTIONS` to search: gate, up, down, q, k, v, o, and a hybrid's qkv, z, alpha, beta, out (default gate,up,v,o; greedy and random: gate,up)")
	f.metric = metricFlag(cmd, climbed, probe.AnswerLogprob)
	flags.Var(&f.fitness, "fitness", "mean gain over the probes, or the min")
	flags.Float64Var(&f.penalty, "penalty", score.DefaultPenalty, "`WEIGHT` of the controls' loss")
	flags.Var(&f.slack, "slack", "what a control may lose for nothing, in nats (default 1; greedy and random: 0)")
	flags.Float64Var(&f.cap, "cap", 0, "`VALUE` of the metric beyond which a probe's gain hardly counts; 0 for none")
	flags.Float64Var(&f.harm, "harm", 0, "`WEIGHT` of a probe's own loss beyond --slack, besides that it gains nothing")
	flags.Float64Var(&f.tie, "tie", 0, "`WEIGHT` that a control with nothing lost has in predictions, 0 to 1; for --granularity bit")
	flags.Float64Var(&f.kl, "kl", 0, "`WEIGHT` of the divergence from the unpatched model (default 3 with a guard, or else 0)")
	flags.Var(&f.guard, "guard", "hold on to what the model itself says: auto (without other controls), none, or N tokens of it")
	flags.Var(&f.screen, "screen", "give a candidate up that helps none of the `N` worst probes; 0 for never, as in guided searches")
	flags.Var(&f.steps, "steps", "candidates to try")
	flags.Var(&f.maxFlips, "max-flips", "the most flips a patch may have; 0 for no limit")
	flags.Var(&f.maxBytes, "max-bytes", "the most bytes the patch's content may take: its .bankai file without provenance; 0 for no limit")
	flags.Float64Var(&f.maxCost, "max-cost", 0, "stop when so many forward-pass `EQUIVALENTS` are spent; 0 for no limit")
	flags.Float64Var(&f.minutes, "minutes", 0, "stop after so many `MINUTES`, those of a resumed run included; 0 for no limit")
	flags.Var(&f.block, "block", "probes in a block of a --strategy sampled, which measures on some blocks at a time")
	flags.BoolVar(&f.noPrune, "no-prune", false, "keep flips that turn out to be of no use at the end of a guided search")
	flags.Var(&f.draws, "draws", "searches of a --strategy vote, each with its own half of the probes")
	flags.Var(&f.votes, "votes", "draws of a --strategy vote that have to agree on a flip")
	flags.StringVar(&f.report, "report", "", "write a page about the search to `FILE`.html")
	f.said.add(cmd)
	flags.BoolVar(&f.resume, "resume", false, "go on with the journal of an earlier run")
}

// plan is what the flags ask for.
func (f *searchFlags) plan(sets repair.Sets, seed uint64) score.Plan {
	p := score.NewPlan(f.strategy.Value)
	p.Sizes, p.Text, p.Seed = f.granularity, sets.Text, seed
	if len(f.projections) > 0 {
		p.Projections = f.projections
	}
	if f.changed("screen") {
		p.Screen = int(f.screen)
	}
	p.Objective = score.Objective{
		Metric: f.metric.Value, Reduce: f.fitness.Value, Penalty: f.penalty,
		Slack: f.slack.Or(p.Objective.Slack), Cap: f.cap, Harm: f.harm, Tie: f.tie, Divergence: f.divergence(), Sets: f.shares(sets.Targets),
	}
	p.Draws, p.Votes, p.Block = int(f.draws), int(f.votes), int(f.block)
	p.Limits = search.Config{
		Steps: int(f.steps), MaxFlips: int(f.maxFlips), MaxBytes: int(f.maxBytes), MaxCost: f.maxCost, MaxSeconds: float64(60 * f.minutes),
		Prune: !f.noPrune && p.Limits.Prune,
	}
	for _, l := range f.layers.Values {
		p.Layers = append(p.Layers, int(l))
	}
	return p
}

// guarding says whether a guard is made, and of what size.
func (f *searchFlags) guarding() repair.Guarding {
	watched := f.controls != "" || f.controlText != ""
	if f.guard.none || f.guard.tokens == 0 && (watched || !f.strategy.Value.Guided()) {
		return repair.Guarding{}
	}
	return repair.Guarding{Wanted: true, Tokens: f.guard.tokens}
}

// divergence is the weight of it.
func (f *searchFlags) divergence() float64 {
	if f.guarding().Wanted && !f.changed("kl") {
		return guard.DefaultWeight
	}
	return f.kl
}

// shares are those of several probe files. Before the files are read, nothing is in
// them yet.
func (f *searchFlags) shares(sets []source.Set) []score.Share {
	if len(f.probes) < 2 {
		return nil
	}
	shares := make([]score.Share, len(f.probes))
	for i := range shares {
		shares[i].Weight = 1
		if len(f.weights) > 0 {
			shares[i].Weight = f.weights[i]
		}
		if len(f.floors) > 0 {
			shares[i].Floor = f.floors[i]
		}
		if len(sets) > 0 {
			shares[i].Probes = len(sets[i].Set)
		}
	}
	return shares
}

// read reads them all, before any long work.
func (f *searchFlags) read() (sets repair.Sets, err error) {
	if sets.Targets, err = source.ReadSets(f.probes); err != nil {
		return sets, err
	}
	for _, s := range []struct {
		source string
		set    *source.Set
	}{{f.validate, &sets.Validation}, {f.controls, &sets.Controls}} {
		if s.source == "" {
			continue
		}
		if *s.set, err = source.ReadSet(s.source); err != nil {
			return sets, err
		}
	}
	if sets.TextFile = f.controlText; f.controlText != "" {
		sets.Text, err = source.ReadLines(f.controlText)
	}
	return sets, err
}

func (f *searchFlags) run(ctx context.Context, a *app) error {
	files := repair.NewFiles(&a.Run, f.out, f.report)
	if err := files.Check(); err != nil {
		return err
	}
	sets, err := f.read()
	if err != nil {
		return err
	}
	if f.controls == "" && !f.guarding().Wanted {
		a.Warn("there are no --controls and no guard: nothing keeps the search from breaking what works now")
	}
	plan := f.plan(sets, a.seed)
	m, err := a.openChecked(&f.model, func(w *weights.File) error {
		if len(f.projections) == 0 { // of the usual ones, those that these layers have
			have := score.ProjectionsOf(w, plan.Layers)
			plan.Projections = slices.DeleteFunc(plan.Projections, func(p string) bool { return !slices.Contains(have, p) })
		}
		matrices, err := score.Matrices(w, plan.Layers, plan.Projections)
		if err != nil || filepath.Ext(f.out) != ".json" {
			return err
		}
		for _, m := range matrices {
			if _, _, ok := bankai.SplitTensor(m.Name); !ok {
				return usagef("the JSON form has no name for tensor %s: let the name after -o end in .bankai", m.Name)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	defer m.Close()
	m, done, err := a.share(ctx, &f.model, m)
	if err != nil {
		return err
	}
	defer done()
	var task *repair.Probes
	var found *repair.Result
	err = a.again(func() (err error) {
		if task, err = repair.NewProbes(m, f.model.path, sets, plan.Objective, a.Force, a.Console); err != nil {
			return err
		}
		job := repair.Job{
			Task: task, Model: m, Path: f.model.path, Plan: plan,
			Guarding: f.guarding(), Files: files, Resume: f.resume, By: a.provenance(), Said: f.said.meta(), Run: &a.Run, To: a.Console, Divide: a.divide(), Searcher: a.searcher(),
		}
		found, err = job.Do(ctx)
		return err
	})
	if found == nil {
		return err
	}
	doc := searchDoc{found, &task.ProbesResult, a.sharers()}
	return cmp.Or(a.Print(doc, func(w io.Writer) { doc.write(w) }), err)
}

// searchDoc is the result of `search`.
type searchDoc struct {
	*repair.Result
	*repair.ProbesResult
	Workers []workerDoc `json:"workers,omitempty"` // that took part at the end; left out where this machine was alone
}

// check refuses what cannot be right whatever the files hold.
func (f *searchFlags) check() error {
	least, err := bankai.New(bankai.Digest{1}, bankai.Meta{}).ContentSize()
	switch {
	case err != nil:
		return err
	case len(f.probes) == 0:
		return usagef("give the probe file with --probes")
	case f.kl > 0 && f.controlText == "" && !f.guarding().Wanted:
		return usagef("--kl needs something to hold on to: give a text with --control-text, or ask for a --guard")
	case slices.Contains(f.granularity, search.Bit) && filepath.Ext(f.out) == ".json":
		return usagef("the JSON form holds rows and groups, no bits: let the name after -o end in .bankai")
	case f.maxBytes > 0 && filepath.Ext(f.out) == ".json":
		return usagef("--max-bytes counts those of the compact form: let the name after -o end in .bankai")
	case f.maxBytes > 0 && int64(f.maxBytes) < least:
		return usagef("--max-bytes %d: too few: the content of a patch without any flip takes %d", f.maxBytes, least)
	case f.report != "" && filepath.Ext(f.report) != ".html":
		return usagef("--report %s: must end in .html", f.report)
	}
	if err := f.checkShares(); err != nil {
		return err
	}
	return cmp.Or(f.model.workers.check(), f.said.check(), f.checkTime(), f.checkPlan(), f.checkUsed(), checkPatchName(f.out))
}

// checkTime refuses a time that is none.
func (f *searchFlags) checkTime() error {
	if !(f.minutes >= 0) {
		return usagef("--minutes %v: must be 0 (no limit) or more", f.minutes)
	}
	return nil
}

// checkUsed refuses flags of which the search that is asked for makes no use.
func (f *searchFlags) checkUsed() error {
	method := f.strategy.Value
	for _, x := range []struct {
		flag  string
		used  bool
		users string
	}{
		{"draws", method == score.MethodVote, "--strategy vote"},
		{"votes", method == score.MethodVote, "--strategy vote"},
		{"block", method == score.MethodSampled, "--strategy sampled"},
		{"no-prune", method.Guided(), "--strategy guided, sampled, evolve and vote"},
		{"tie", method.Guided() && slices.Contains(f.granularity, search.Bit), "--granularity bit, of which it weighs predictions"},
	} {
		if f.changed(x.flag) && !x.used {
			return usagef("--%s has no effect in a search with --strategy %s --granularity %s: it is for %s",
				x.flag, method, f.granularity.String(), x.users)
		}
	}
	return nil
}

// checkPlan refuses what the strategy cannot do, and what is no part of a fitness.
func (f *searchFlags) checkPlan() error {
	p := f.plan(repair.Sets{}, 0)
	err := cmp.Or(p.Check(), p.Limits.Check())
	if wrong := (*search.OptionError)(nil); errors.As(err, &wrong) {
		switch wrong.Field {
		case "Votes":
			return usagef("--votes %d of --draws %d: %s", p.Votes, p.Draws, wrong.Rule)
		case "Sizes":
			if len(p.Sizes) > score.MaxSizes {
				return usagef("--granularity: %s", wrong.Rule)
			}
			if len(p.Sizes) > 1 {
				return usagef("--strategy %s searches by one granularity: give one of row, group and bit", p.Method)
			}
			return usagef("--strategy %s draws rows or groups: use --strategy guided for bits", p.Method)
		}
	}
	return flagError(err)
}

// optionFlags are the flags that set the options of a search, by the names of its
// fields, and what is said of a wrong value where that is not the option's own rule.
var optionFlags = map[string]struct{ flag, rule string }{
	"Steps":      {"steps", "try at least 1 candidate"},
	"Draws":      {"draws", ""},
	"MaxFlips":   {"max-flips", ""},
	"MaxBytes":   {"max-bytes", ""},
	"MaxCost":    {"max-cost", "must be 0 (no limit) or more"},
	"Block":      {"block", ""},
	"Penalty":    {"penalty", ""},
	"Slack":      {"slack", ""},
	"Harm":       {"harm", ""},
	"Divergence": {"kl", ""},
	"Cap":        {"cap", ""},
	"Tie":        {"tie", ""},
	"Weight":     {"weights", ""},
	"Floor":      {"floors", ""},
}

// flagError names the flag that a wrong option of a search was set by. Other errors
// are as they were.
func flagError(err error) error {
	var wrong *search.OptionError
	if !errors.As(err, &wrong) {
		return err
	}
	f, ok := optionFlags[wrong.Field]
	if !ok {
		return err
	}
	return usagef("--%s %v: %s", f.flag, wrong.Value, cmp.Or(f.rule, wrong.Rule))
}

// checkShares refuses weights and floors that are not one for each of several
// probe files.
func (f *searchFlags) checkShares() error {
	for _, list := range []struct {
		flag    string
		numbers []float64
	}{{"weights", f.weights}, {"floors", f.floors}} {
		if n := len(list.numbers); n > 0 && (n != len(f.probes) || n == 1) {
			return usagef("--%s has %s for %s: give several files, and one number for each",
				list.flag, text.Count(n, "number"), text.Count(len(f.probes), "probe file"))
		}
	}
	return nil
}

// write tells what a search found.
func (d searchDoc) write(w io.Writer) {
	validation, controls, perplexity, guarded, patch := "", "", "", "", ""
	if d.OnValidation != nil {
		validation = report.Verdict(d.OnValidation)
	}
	if d.OnControls != nil {
		controls = report.Verdict(d.OnControls)
	}
	if d.Perplexity != nil {
		perplexity = fmt.Sprintf("%.4g before, %.4g after", d.Perplexity.Before, d.Perplexity.After)
	}
	if d.Guard != nil {
		guarded = repair.GuardText(d.Guard)
	}
	if d.Patch != "" {
		patch = d.Out.String()
	}
	terminal.WriteFacts(w,
		terminal.Fact{"model", d.Model.String()},
		terminal.Fact{"ended by", fmt.Sprintf("%s, after %s: %d kept, %d given up early", d.Ended, text.Count(d.Steps, "candidate"), d.Accepted, d.Screened)},
		terminal.Fact{"cost", text.Elapsed(d.Cost.Seconds) + ", " + text.Measure(d.Cost.ForwardEquivalents, "forward-pass equivalent")},
		terminal.Fact{"fitness", fmt.Sprintf("%+.4f nats", d.Fitness)},
		terminal.Fact{"validation", validation},
		terminal.Fact{"controls", controls},
		terminal.Fact{"perplexity", perplexity},
		terminal.Fact{"guard", guarded},
		terminal.Fact{"went back", d.WentBack},
		terminal.Fact{"warning", d.Warning},
		terminal.Fact{"patch", patch})
	if d.Flips == 0 && d.WentBack == "" && d.Stopped != search.StopInterrupted {
		advice := "Try more --steps, other --proj or fewer --controls."
		if d.Drawn {
			advice = "Try more --steps, other --proj, fewer --controls or another --seed."
		}
		fmt.Fprintln(w, "\nNo flip made things better: the patch is empty. "+advice)
	}
}
