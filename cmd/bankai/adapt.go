package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bankai/dataset"
	"bankai/internal/adapt"
	"bankai/internal/asking"
	"bankai/internal/flagtype"
	"bankai/internal/guard"
	"bankai/internal/repair"
	"bankai/internal/report"
	"bankai/internal/terminal"
	"bankai/internal/text"
	"bankai/internal/weights"
	"bankai/measure"
	"bankai/score"
	"bankai/search"
)

// adaptFlags are the flags of `adapt`.
type adaptFlags struct {
	model       modelFlags
	data        dataFlags
	out         string
	minutes     float64
	maxCost     float64
	maxBytes    flagtype.Count
	granularity flagtype.SizeList
	guard       guardFlag
	kl          float64
	validation  flagtype.Count
	heldOut     flagtype.Count
	report      string
	said        saidFlags
	splits      string
	resume      bool
	changed     func(flag string) bool // it was given
}

func adaptCommand(a *app) *cobra.Command {
	f := &adaptFlags{granularity: adapt.DefaultSizes, minutes: adapt.DefaultMinutes, maxBytes: adapt.DefaultBytes}
	cmd := &cobra.Command{
		Use:   "adapt FILE... -o P",
		Short: "from the data you have to a patch",
		Long: `Searches for a patch that makes a model answer as the examples in files do:
chats, prompts with answers, preferences, labelled texts, plain text (see
FORMAT.md). What they hold is found from their content, and said; lines that
cannot be used are named.

The examples are divided into three sets that share no prompt, conversation or
near duplicate: one to search with, one to watch, and one that is held out, on
which the patch is measured at the end (a fifth; three in ten of fewer than
100 examples, of which below 40 none are watched). A guard made of the model
itself keeps the search from breaking what nobody thought of (see bankai
search --help), and is measured as well.

What the search climbs depends on the data: of short answers their log-
probability, of longer ones its mean per token, so that a page counts as much
as a word; of preferences how much likelier the chosen answer becomes than the
rejected one, while it must not become less likely itself; of labels the lead
over the best other label.

The search ends after --minutes; making the guard before it, and measuring
behind it, come on top. Where a patch must come out the same again on any
machine, end it by its work instead: --max-cost. It is counted in passes over
the examples searched with. The guard counts on top, so that a pass over both
is about two, and a prediction three of those. What began is not cut short. A
journal beside the output (P.journal) keeps the work: the same command with
--resume goes on. Ctrl-C keeps the best patch so far, with exit status 3.

` + dataHelp,
		Example: `  bankai adapt docs/examples/derivatives.jsonl -o derivatives.bankai
  bankai adapt chats.jsonl -m bonsai-8b.gguf -o chats.bankai --minutes 480 --report chats.html
  bankai adapt answers.jsonl -o answers.bankai --judge 'python3 judge.py'`,
		Args: arguments(0, -1, "the files of the data"),
		RunE: a.do(func(ctx context.Context, args []string) error {
			f.data.files = append(f.data.files, args...)
			if err := f.check(); err != nil {
				return err
			}
			return f.run(ctx, a)
		}),
	}
	f.add(cmd)
	cmd.Flags().Bool(forceName, false, "replace files that are no earlier result of adapt")
	return cmd
}

func (f *adaptFlags) add(cmd *cobra.Command) {
	f.model.add(cmd)
	f.model.workers.add(cmd)
	f.data.add(cmd)
	flags := cmd.Flags()
	f.changed = flags.Changed
	outFlag(cmd, &f.out, patchNames)
	flags.Float64Var(&f.minutes, "minutes", f.minutes, "stop the search after so many `MINUTES`; 0 for no limit (default 10, or 0 with --max-cost)")
	flags.Lookup("minutes").DefValue = "0" // said above
	flags.Float64Var(&f.maxCost, "max-cost", 0, "stop when so many passes, in `EQUIVALENTS`, are spent, see above; 0 for no limit")
	flags.Var(&f.maxBytes, "max-bytes", "the most bytes the patch's content may take; 0 for no limit")
	flags.Var(&f.granularity, "granularity", "what a flip takes in: row, group (128 weights) or bit; several are used in turn")
	flags.Var(&f.guard, "guard", "hold on to what the model itself says: auto, none, or N tokens of it")
	flags.Float64Var(&f.kl, "kl", guard.DefaultWeight, "`WEIGHT` of the divergence from the unpatched model on the guard")
	flags.Var(&f.validation, "validation", "examples to watch (default a fifth, 500 at most; none of fewer than 40)")
	flags.Var(&f.heldOut, "heldout", "examples to hold out (default a fifth, 2,000 at most; 30 % below 100)")
	flags.StringVar(&f.report, "report", "", "write a page about the patch to `FILE`.html")
	flags.StringVar(&f.splits, "keep-splits", "", "write the three sets of examples to files in this `FOLDER`")
	f.said.add(cmd)
	flags.BoolVar(&f.resume, "resume", false, "go on with the journal of an earlier run")
}

// check refuses what cannot be right whatever the files hold.
func (f *adaptFlags) check() error {
	if len(f.data.files) == 0 {
		return usagef("name the files to learn from")
	}
	switch {
	case !isLimit(f.kl):
		return usagef("--kl %v: must be a number from 0 on", f.kl)
	case f.guard.none && f.changed("kl"):
		return usagef("--kl holds on to the guard, and --guard none makes none: leave out one of the two")
	case !isLimit(f.maxCost):
		return usagef("--max-cost %v: must be above 0, or 0 for no limit", f.maxCost)
	case !isLimit(f.minutes):
		return usagef("--minutes %v: must be above 0, or 0 for no limit", f.minutes)
	case filepath.Ext(f.out) == ".json":
		return usagef("-o %s: --max-bytes counts those of the compact form: let the name after -o end in .bankai", f.out)
	case f.report != "" && filepath.Ext(f.report) != ".html":
		return usagef("--report %s: must end in .html", f.report)
	}
	p := f.plan(score.MethodGuided, 0)
	return cmp.Or(f.model.workers.check(), f.said.check(), f.data.check(""), flagError(cmp.Or(p.Check(), p.Limits.Check())), checkPatchName(f.out))
}

// isLimit reports whether a number can bound or weigh something: it is from 0 on, and finite.
func isLimit(x float64) bool { return x >= 0 && !math.IsInf(x, 1) }

// adaptSteps is more candidates than a search tries: it ends by time or cost.
const adaptSteps = 1_000_000

// plan is what the flags ask for.
func (f *adaptFlags) plan(m score.Method, seed uint64) score.Plan {
	p := score.NewPlan(m)
	p.Sizes, p.Seed = f.granularity, seed
	if !f.guard.none {
		p.Objective.Divergence = f.kl
	}
	p.Limits.Steps, p.Limits.MaxBytes, p.Limits.MaxCost = adaptSteps, int(f.maxBytes), f.maxCost
	if f.maxCost == 0 || f.changed("minutes") {
		p.Limits.MaxSeconds = float64(60 * f.minutes)
	}
	return p
}

func (f *adaptFlags) run(ctx context.Context, a *app) error {
	began := time.Now()
	files := repair.NewFiles(&a.Run, f.out, f.report)
	if err := files.Check(); err != nil {
		return err
	}
	data, err := dataset.ReadFiles(f.data.files, dataset.Options{})
	if err != nil {
		return err
	}
	for _, fact := range data.Facts() {
		a.Note("%s", text.Printable(fact))
	}
	warnFaults(a, data.Skipped)
	var projections []string
	m, err := a.openChecked(&f.model, func(w *weights.File) error {
		have := score.ProjectionsOf(w, nil)
		projections = slices.DeleteFunc(score.NewPlan(score.MethodGuided).Projections, func(p string) bool { return !slices.Contains(have, p) })
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
	r, err := asking.NewRenderer(m)
	if err != nil {
		return err
	}
	a.Note("%s", r.About())
	task, err := adapt.New(m, r, data, f.options(a), a.Console)
	if err != nil {
		return err
	}
	tellParts(a, task)
	if f.splits != "" {
		if err := keepSplits(ctx, a, f.splits, task.Parts, data.Labels, f.out); err != nil {
			return err
		}
	}
	targets, _, err := task.Items()
	if err != nil {
		return err
	}
	plan := f.plan(score.MethodFor(targets), a.seed)
	plan.Projections = projections
	var found *repair.Result
	tries := 0
	err = a.again(func() (err error) {
		if tries++; tries > 1 { // the task remembers what was measured
			if task, err = adapt.New(m, r, data, f.options(a), a.Console); err != nil {
				return err
			}
		}
		job := repair.Job{
			Task: task, Model: m, Path: f.model.path, Plan: plan,
			Guarding: repair.Guarding{Wanted: !f.guard.none, Tokens: f.guard.tokens},
			Files:    files, Resume: f.resume, By: a.provenance(), Said: f.said.meta(), Run: &a.Run, To: a.Console, Divide: a.divide(), Searcher: a.searcher(),
		}
		found, err = job.Do(ctx)
		return err
	})
	if found == nil {
		return err
	}
	if err == nil {
		a.Note("done after %s in all, of which the search took %s", text.Elapsed(time.Since(began).Seconds()), text.Elapsed(found.Cost.Seconds))
	}
	doc := newAdaptDoc(found, task, data)
	doc.Workers = a.sharers()
	return cmp.Or(a.PrintChecked(doc, doc.write), err)
}

// options say how the examples are used.
func (f *adaptFlags) options(a *app) adapt.Options {
	return adapt.Options{
		Split: dataset.SplitOptions{Seed: a.seed, Validation: f.size("validation", f.validation), HeldOut: f.size("heldout", f.heldOut)},
		Ask:   asking.Options{Rule: f.data.rule, Other: f.data.judge != ""},
		Evaluate: func(ctx context.Context, e *asking.Evaluation) (*measure.DataResult, error) {
			return f.data.evaluate(ctx, a, e)
		},
		Name:  f.model.path,
		Files: f.data.files,
	}
}

// size is that of a set as a flag says it; 0 is what suits the data, and below is none.
func (f *adaptFlags) size(flag string, n flagtype.Count) int {
	if n == 0 && f.changed(flag) {
		return -1
	}
	return int(n)
}

// shownFaults is how many lines that cannot be used are named.
const shownFaults = 5

func warnFaults(a *app, faults []dataset.Fault) {
	for _, fault := range faults[:min(len(faults), shownFaults)] {
		a.Warn("%s", text.Printable(fault.String()))
	}
	if n := len(faults) - shownFaults; n > 0 {
		a.Warn("and %s more that cannot be used: --json names them all", text.Count(n, "record"))
	}
}

// tellParts says how the examples were divided, and what was left out.
func tellParts(a *app, t *adapt.Task) {
	if n := len(t.TooLong); n > 0 {
		a.Warn("%s longer than the model's context of %s and left out: %s", text.Plural(n, "example is", "examples are"), text.Count(t.Model.Context(), "token"), text.Printable(few(t.TooLong)))
	}
	if n := len(t.Unrendered); n > 0 {
		a.Warn("%s left out: %s", text.Plural(n, "example is", "examples are"), text.Printable(few(t.Unrendered)))
	}
	p := t.Parts
	a.Note("%s to search with, %d to watch, %d held out; %s kept together as near duplicates",
		text.Count(len(p.Search), "example"), len(p.Validation), len(p.HeldOut), text.Plural(p.Near, "is", "are"))
	if t.Split.HeldOut < 0 {
		a.Warn("nothing is held out: what the patch does to other examples will not be measured")
	}
}

// adaptDoc is the result of `adapt`.
type adaptDoc struct {
	*repair.Result
	HeldOut  *measure.DataResult `json:"heldout"`  // null if nothing was held out, or if interrupted
	Validate *measure.DataResult `json:"validate"` // of what was watched; likewise
	Forecast *adapt.Forecast     `json:"forecast"`
	Format   string              `json:"format"`
	Taken    []string            `json:"taken"`    // what was taken as what
	Examples adaptExamples       `json:"examples"` // how many
	Skipped  []string            `json:"skipped"`  // lines, and examples that the model cannot read
	Workers  []workerDoc         `json:"workers,omitempty"`
}

// adaptExamples are numbers of examples.
type adaptExamples struct {
	Total      int `json:"total"`
	Search     int `json:"search"`
	Validation int `json:"validation"`
	HeldOut    int `json:"held_out"`
}

func newAdaptDoc(r *repair.Result, t *adapt.Task, d *dataset.Dataset) adaptDoc {
	p := t.Parts
	doc := adaptDoc{
		Result: r, HeldOut: t.HeldOut, Validate: t.Validate, Forecast: t.Foreseen, Format: string(d.Format), Taken: d.Facts(),
		Examples: adaptExamples{len(p.Search) + len(p.Validation) + len(p.HeldOut), len(p.Search), len(p.Validation), len(p.HeldOut)},
		Skipped:  []string{},
	}
	for _, f := range d.Skipped {
		doc.Skipped = append(doc.Skipped, f.String())
	}
	for _, name := range t.TooLong {
		doc.Skipped = append(doc.Skipped, name+": longer than the model's context")
	}
	doc.Skipped = append(doc.Skipped, t.Unrendered...)
	return doc
}

// emptyText says why a patch is empty, and which flag may change that.
func (d adaptDoc) emptyText() string {
	tried := text.Count(d.Steps, "candidate")
	if d.WentBack != "" {
		return fmt.Sprintf("The patch is empty: of %s %d were kept, but none stood the test. More examples may help.", tried, d.Accepted)
	}
	said := fmt.Sprintf("The patch is empty: none of %s made things better, and the search was ended by %s. ", tried, d.Ended)
	switch d.Stopped {
	case search.StopCost:
		return said + "Give it a higher --max-cost."
	case search.StopTime:
		return said + "Give it more --minutes."
	}
	return said + "Give it more examples, or another --granularity."
}

// write tells what was found, for a person.
func (d adaptDoc) write(w io.Writer) error {
	guarded, patch, validation := "", "", ""
	if d.Guard != nil {
		guarded = repair.GuardText(d.Guard)
	}
	if d.Patch != "" {
		patch = d.Out.String()
	}
	if d.Validate != nil {
		var said []string
		for _, p := range d.Validate.Parts() {
			said = append(said, p.Name+": "+report.Verdict(p.Result))
		}
		validation = strings.Join(said, "; ")
	}
	terminal.WriteFacts(w,
		terminal.Fact{"model", d.Model.String()},
		terminal.Fact{"examples", fmt.Sprintf("%d: %d searched with, %d watched, %d held out", d.Examples.Total, d.Examples.Search, d.Examples.Validation, d.Examples.HeldOut)},
		terminal.Fact{"ended by", fmt.Sprintf("%s, after %s: %d kept", d.Ended, text.Count(d.Steps, "candidate"), d.Accepted)},
		terminal.Fact{"cost", text.Elapsed(d.Cost.Seconds) + ", " + text.Measure(d.Cost.ForwardEquivalents, "forward-pass equivalent")},
		terminal.Fact{"fitness", fmt.Sprintf("%+.4f nats", d.Fitness)},
		terminal.Fact{"validation", validation},
		terminal.Fact{"guard", guarded},
		terminal.Fact{"went back", d.WentBack},
		terminal.Fact{"warning", d.Warning},
		terminal.Fact{"patch", patch})
	if d.Flips == 0 && d.Stopped != search.StopInterrupted {
		fmt.Fprintf(w, "\n%s\n", d.emptyText())
	}
	if d.HeldOut == nil {
		return nil
	}
	fmt.Fprintln(w, "\nHeld out, which no search saw:")
	return report.WriteData(w, d.HeldOut, true, false)
}
