package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bankai"
	"bankai/engine"
	"bankai/internal/anatomy"
	"bankai/internal/durable"
	"bankai/internal/flagtype"
	"bankai/internal/outputs"
	"bankai/internal/repair"
	"bankai/internal/report"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/internal/watched"
	"bankai/measure"
	"bankai/probe"
	"bankai/score"
	"bankai/search"

	"github.com/spf13/cobra"
)

// demoFlags are the flags of `demo`.
type demoFlags struct {
	out   string
	steps flagtype.Count
	show  bool // --open
}

func demoCommand(a *app) *cobra.Command {
	f := &demoFlags{steps: 1000}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "repair the built-in model, from audit to report",
		Long: `Does the whole job on the built-in 1-bit model, in about a minute: audits the
search probes, searches for a patch, and lets the model answer all questions
that no search saw, before and after.

The model was trained on text in which some ways of asking were often followed
by a common mistake, so it knows both the right computation and the mistake.
Nothing is scripted: another --seed searches with another draw of the probes, and
has another result.

It leaves three files in --out: patch.bankai and patch.json, the patch in both
forms, and report.html, a page that holds all that was measured.

With --open it then serves the model with the patch, as "bankai serve" does, and
opens its page in a browser: talk to the model with the patch and without it,
side by side. Ctrl-C ends it.`,
		Example: `  bankai demo
  bankai demo --open
  bankai demo --seed 2 --out second --json`,
		Args: arguments(0, 0, "none; the folder is named with --out"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if f.out == "" {
				return usagef("--out is empty: name a folder")
			}
			if f.show && a.JSON {
				return usagef("--open serves until it is ended, --json prints one document: give one of them")
			}
			if err := demoPlan(a.seed, int(f.steps), nil).Limits.Check(); err != nil {
				return flagError(err)
			}
			return f.run(ctx, a)
		}),
	}
	forceFlag(cmd)
	cmd.Flags().StringVar(&f.out, "out", "bankai-demo", "`FOLDER` for the results")
	cmd.Flags().Var(&f.steps, "steps", "candidates to try at most")
	cmd.Flags().BoolVar(&f.show, "open", false, "then serve the patch, and open the page in a browser")
	return cmd
}

// demoProbes is how many of the search probes a seed draws.
const demoProbes = 240

const (
	// demoCost ends the search, in forward-pass equivalents. Chosen, as all that
	// demoPlan says, on probes that are not held out: docs/log.md.
	demoCost = 120
	// demoLines is how many lines of plain sentences the search holds on to, and
	// demoDivergence the weight of what it changes there.
	demoLines      = 40
	demoDivergence = 1
)

// demoPlan is how the demo searches.
func demoPlan(seed uint64, steps int, text []string) score.Plan {
	p := score.NewPlan(score.MethodGuided)
	p.Objective.Divergence, p.Text = demoDivergence, text
	p.Seed, p.Limits.Steps, p.Limits.MaxCost = seed, steps, demoCost
	return p
}

// demoRun is one run of the demo, as far as it got.
type demoRun struct {
	app   *app
	say   io.Writer // the commentary
	began time.Time
	out   string
	model *engine.Model

	search, controls          source.Set // the search's targets, as drawn, and controls
	validate, heldOut, unseen source.Set
	text                      []string // sentences to hold on to

	audits     []report.SetAudit
	setup      *score.Setup
	found      *search.Result
	results    []measured // none if the run was interrupted
	perplexity *measure.BeforeAfter
	patch      *bankai.Patch
	files      outputs.Written // patch.bankai

	outputs map[string]*durable.Output // by the name of the file
}

func (f *demoFlags) run(ctx context.Context, a *app) error {
	d := &demoRun{app: a, say: a.Text(), began: time.Now(), out: f.out}
	if a.JSON {
		d.say = a.Stderr
	}
	if err := os.MkdirAll(f.out, 0o777); err != nil {
		return durable.Unwritable(f.out, err)
	}
	if err := d.checkOutputs(); err != nil {
		return err
	}
	if err := d.job(ctx, int(f.steps)); err != nil || !f.show {
		return err
	}
	return d.show(ctx)
}

// job is all of the demo, from the model to the files.
func (d *demoRun) job(ctx context.Context, steps int) error {
	if err := d.load(); err != nil {
		return err
	}
	defer d.model.Close()
	if err := d.audit(ctx); err != nil {
		return err
	}
	return d.repair(ctx, steps)
}

// show serves the patch that was found, at the usual address if that is free, until ctx
// ends.
func (d *demoRun) show(ctx context.Context) error {
	_, f := newServe(d.app)
	f.patches, f.show = []string{servedName + "=" + d.files.Path}, true
	if l, err := net.Listen("tcp", f.listen); err != nil {
		f.listen = "127.0.0.1:0"
	} else {
		l.Close()
	}
	if err := f.check(); err != nil {
		return err
	}
	fmt.Fprintln(d.say)
	return f.run(ctx, d.app, slog.New(f.logFormat.Value.handler(d.app.Stderr, true))) // of faults alone
}

// servedName is what the demo's patch is called where it is served.
const servedName = "fix"

// repair searches for a patch, measures it and says what it found.
func (d *demoRun) repair(ctx context.Context, steps int) error {
	if err := d.seek(ctx, demoPlan(d.app.seed, steps, d.text[:demoLines])); err != nil {
		return err
	}
	if d.found.Stopped == search.StopInterrupted {
		return d.leave()
	}
	if err := d.write(); err != nil { // at once, so that it is not lost
		return err
	}
	if err := d.measure(ctx); errors.Is(err, context.Canceled) {
		d.found.Stopped, d.results, d.perplexity = search.StopInterrupted, nil, nil
		return d.leave()
	} else if err != nil {
		return err
	}
	d.tell()
	if err := d.write(); err != nil {
		return err
	}
	return d.app.Print(d.doc(), d.last)
}

// setAside gives the files of an interrupted demo other names where there are those of
// an earlier one, which may be better.
func (d *demoRun) setAside() {
	for _, o := range d.outputs {
		if !outputs.IsThere(o.Path) {
			continue
		}
		for name, o := range d.outputs {
			d.outputs[name] = d.app.Found(repair.AsideName(o.Path), nil)
		}
		return
	}
}

// leave ends an interrupted demo, with the patch that it has, if it has flips.
func (d *demoRun) leave() error {
	if d.found.Patch.Len() == 0 {
		return &outputs.Interrupted{Text: "nothing is found yet, and nothing was written"}
	}
	if d.files.Path == "" { // nothing was written before the interruption
		d.setAside()
		if err := d.write(); err != nil {
			return err
		}
	}
	if err := d.app.Print(d.doc(), d.last); err != nil {
		return err
	}
	return &outputs.Interrupted{Text: "the best patch so far, not measured, is in " + d.files.Path, Useful: true}
}

// load reads the model and the sets.
func (d *demoRun) load() (err error) {
	if d.model, err = d.app.openModel(&modelFlags{path: source.DemoModel}); err != nil {
		return err
	}
	for _, s := range []struct {
		name string
		set  *source.Set
	}{
		{"search", &d.search},
		{"control", &d.controls},
		{"validate", &d.validate},
		{"heldout", &d.heldOut},
		{"control_heldout", &d.unseen},
	} {
		if *s.set, err = source.ReadSet(source.Demo + s.name); err != nil {
			return err
		}
	}
	d.search.Set = d.search.Draw(demoProbes, d.app.seed)
	d.text, err = source.ReadLines(source.Demo + "control_text")
	return err
}

func (d *demoRun) audit(ctx context.Context) error {
	info := anatomy.NewModel(source.DemoModel, d.model.Weights())
	fmt.Fprintf(d.say, "The model: %s 1-bit weights in %d layers, %s.\n\n", text.Amount(info.OneBit), info.Layers, text.Size(info.Bytes))
	fmt.Fprintf(d.say, "1. Audit of the %s to search with\n", text.Count(len(d.search.Set), "probe"))
	others := []source.Set{d.validate, d.heldOut, d.controls, d.unseen}
	found, err := repair.Checked(ctx, d.app.Console, d.model, d.search, probe.AnswerLogprob, others, false)
	if err != nil {
		return err
	}
	d.audits = append(d.audits, report.SetAudit{Role: "Search", Source: d.search.Source, Probes: len(d.search.Set), Findings: found})
	for _, k := range found.Grave().Summary() {
		fmt.Fprintf(d.say, "   %s, %s: %s\n", k.Severity, text.Count(k.Count, "probe"), k.Meaning)
	}
	for _, s := range found.Overviews() {
		fmt.Fprintf(d.say, "   %s\n", s)
	}
	held, err := watched.Audit(ctx, d.app.Console, d.model, d.heldOut, probe.AnswerLogprob, []source.Set{d.search, d.validate})
	if err != nil {
		return err
	}
	d.audits = append(d.audits, report.SetAudit{Role: "Held out", Source: d.heldOut.Source, Probes: len(d.heldOut.Set), Findings: held})
	fmt.Fprintf(d.say, "   no prompt is also among the %d held-out ones\n", len(d.heldOut.Set))
	return nil
}

// seek searches for the patch.
func (d *demoRun) seek(ctx context.Context, p score.Plan) (err error) {
	targets, controls, err := score.OfProbes(d.model.Tokenizer(), d.search.Set, d.controls.Set, p.Objective.Metric)
	if err != nil {
		return err
	}
	if d.setup, err = score.NewSetup(d.model, targets, controls, p); err != nil {
		return err
	}
	fmt.Fprintf(d.say, "\n2. Search: predict what flipping every row would do, try the best, keep what helps (seed %d)\n", p.Seed)
	d.app.Stdout.Flush()
	if d.found, err = repair.Search(ctx, d.app.Console, d.setup, repair.WatchProbes(d.model, d.validate), nil); err != nil {
		return err
	}
	r := d.found
	bits, _ := r.Patch.Bits()
	if r.WentBack != "" {
		fmt.Fprintf(d.say, "   went back %s\n", r.WentBack)
	}
	if r.Warning != "" {
		fmt.Fprintf(d.say, "   warning: %s\n", r.Warning)
	}
	fmt.Fprintf(d.say, "   %s in %s: %d kept; fitness %+.3f nats; the work of %s over all probes\n",
		text.Count(r.Steps, "candidate"), text.Elapsed(r.Seconds), r.Accepted, r.Fitness, text.Measure(r.Cost, "pass"))
	fmt.Fprintf(d.say, "   the patch: %s, %s of %s sign bits\n",
		text.Count(r.Patch.Len(), "flip"), text.Thousands(int64(bits)), text.Thousands(anatomy.NewModel(source.DemoModel, d.model.Weights()).OneBit))
	return nil
}

// measured is the result on one set.
type measured struct {
	set source.Set
	report.NamedResult
}

// The sets that are measured, by their place in demoRun.results.
const (
	atHeldOut = iota
	atValidation
	atControls
	atUnseen
)

// measure answers every set that tells something, with and without the patch.
func (d *demoRun) measure(ctx context.Context) error {
	overlay, err := d.model.Overlay(d.found.Patch)
	if err != nil {
		return err
	}
	for _, m := range []measured{
		atHeldOut:    {d.heldOut, report.NamedResult{Name: "held out"}},
		atValidation: {d.validate, report.NamedResult{Name: "Validation", Remark: "Prompts that the search did not use either; by them, the demo's settings were chosen."}},
		atControls:   {d.controls, report.NamedResult{Name: "Controls", Remark: "Facts the model should not forget, which the search watched."}},
		atUnseen:     {d.unseen, report.NamedResult{Name: "Unseen controls", Remark: "Further facts that the search did not watch."}},
	} {
		if m.Result, err = watched.Compare(ctx, d.app.Console, d.model, overlay, m.set); err != nil {
			return err
		}
		d.results = append(d.results, m)
	}
	text, err := source.ReadLines(source.Demo + "text")
	if err != nil {
		return err
	}
	d.perplexity, err = watched.Perplexity(ctx, d.app.Console, d.model, overlay, text)
	return err
}

// demoFiles are what the demo leaves, the patch in its two forms first.
var demoFiles = []string{"patch.bankai", "patch.json", "report.html"}

// checkOutputs refuses what must not be replaced.
func (d *demoRun) checkOutputs() error {
	d.outputs = map[string]*durable.Output{}
	for _, name := range demoFiles {
		path := filepath.Join(d.out, name)
		o := d.app.Found(path, d.app.OwnPatch)
		if filepath.Ext(name) == ".html" {
			o = d.app.Derived(path, d.app.PageOf(d.app.Command))
		}
		if err := o.Check(); err != nil {
			return err
		}
		d.outputs[name] = o
	}
	return nil
}

// write leaves the three files. What an earlier demo found is kept under a number.
func (d *demoRun) write() error {
	ctx := context.Background() // an interruption must not part what belongs together
	meta := repair.Spent(repair.FoundBy(d.setup, source.DemoModel, "probe"), d.found.Cost)
	for _, i := range []int{atHeldOut, atUnseen} {
		if i < len(d.results) {
			meta.Claims = append(meta.Claims, repair.Claim(strings.ToLower(d.results[i].Name), d.results[i].set, d.results[i].Result))
		}
	}
	meta, err := d.app.provenance().Stamp(meta, "demo-repair")
	if err != nil {
		return err
	}
	d.patch = d.found.Patch.WithMeta(meta)
	if d.files, err = d.app.PutPatch(ctx, d.outputs["patch.bankai"], d.patch); err != nil {
		return err
	}
	if _, err := d.app.PutPatch(ctx, d.outputs["patch.json"], d.patch); err != nil {
		return err
	}
	return d.app.Put(ctx, d.outputs["report.html"], d.report().WriteHTML)
}

// demoDoc is the result of `demo`.
type demoDoc struct {
	Patch      string               `json:"patch"`
	Out        string               `json:"out"`
	Files      []string             `json:"files"`
	Flips      int                  `json:"flips"`
	Bits       *uint64              `json:"bits"`
	Bytes      int64                `json:"bytes"`         // of the .bankai file
	Content    int64                `json:"content_bytes"` // of it, without provenance
	HeldOut    *repair.Counts       `json:"heldout"`       // null if interrupted, as all that is measured
	Validate   *repair.Counts       `json:"validate"`
	Controls   *repair.Counts       `json:"controls"`
	Unseen     *repair.Counts       `json:"controls_heldout"`
	Perplexity *measure.BeforeAfter `json:"perplexity"` // of demo:text
	Fitness    float64              `json:"fitness"`
	Cost       repair.Cost          `json:"cost"` // of the search
	Stopped    search.Stop          `json:"stopped"`
	Seed       uint64               `json:"seed"`
	Seconds    float64              `json:"seconds"` // of everything
}

func (d *demoRun) doc() demoDoc {
	doc := demoDoc{
		Patch: d.files.Path, Out: d.out, Flips: d.files.Flips, Bits: d.files.Bits, Bytes: d.files.Bytes, Content: d.files.Content,
		Perplexity: d.perplexity, Fitness: d.found.Fitness, Cost: repair.CostOf(d.found),
		Stopped: d.found.Stopped, Seed: d.app.seed, Seconds: time.Since(d.began).Seconds(),
	}
	for _, name := range demoFiles {
		doc.Files = append(doc.Files, d.outputs[name].Path)
	}
	for i, place := range []**repair.Counts{
		atHeldOut: &doc.HeldOut, atValidation: &doc.Validate, atControls: &doc.Controls, atUnseen: &doc.Unseen,
	} {
		if i < len(d.results) {
			c := repair.CountsOf(d.results[i].Result)
			*place = &c
		}
	}
	return doc
}

// shownAnswers is how many answers of a kind the demo prints.
const shownAnswers = 4

// tell prints what was measured.
func (d *demoRun) tell() {
	r := d.results[atHeldOut].Result
	fmt.Fprintf(d.say, "\n3. Held out: %d questions that no search saw, answered greedily\n", r.Total)
	fmt.Fprintf(d.say, "   before %3d right\n   after  %3d right: %d fixed, %d broke, p = %s\n", r.Before, r.After, len(r.Fixed), len(r.Broke), text.Probability(r.PValue))
	fmt.Fprintf(d.say, "   %s\n", report.Meaning(r))
	for _, o := range d.results[atValidation:] {
		fmt.Fprintf(d.say, "   %s: %d of %d right before, %d after\n", strings.ToLower(o.Name), o.Before, o.Total, o.After)
	}
	fmt.Fprintf(d.say, "   perplexity of plain sentences: %.3f before, %.3f after\n", d.perplexity.Before, d.perplexity.After)
	fmt.Fprintln(d.say, "\n4. Before and after, for instance")
	t := text.Table{Indent: "   "}
	addAnswers(&t, "fixed", r, measure.Output.Fixed)
	addAnswers(&t, "broke", r, measure.Output.Broke)
	io.WriteString(d.say, t.String())
	if len(r.Fixed)+len(r.Broke) == 0 {
		fmt.Fprintln(d.say, "   no answer changed from right to wrong or back")
	}
}

// addAnswers adds the first few answers of a kind to a table.
func addAnswers(t *text.Table, kind string, r *measure.Result, is func(measure.Output) bool) {
	n := 0
	for _, o := range r.Outputs {
		if !is(o) {
			continue
		}
		if n++; n > shownAnswers {
			return
		}
		t.Add(kind, text.Line(o.Prompt), text.Line(o.Before), "→ "+text.Line(o.After))
	}
}

// last says what was left, and what to do with it.
func (d *demoRun) last(w io.Writer) {
	if d.found.Stopped == search.StopInterrupted {
		fmt.Fprintf(w, "\nInterrupted: the best patch so far, not measured, is %s\n", d.files)
		return
	}
	fmt.Fprintf(w, "\nWritten, after %s in all:\n", text.Elapsed(time.Since(d.began).Seconds()))
	fmt.Fprintf(w, "   %s\n   %s\n   %s\n", d.files, filepath.Join(d.out, "patch.json"), filepath.Join(d.out, "report.html"))
	fmt.Fprintln(w, "\nGo on with:")
	for _, f := range d.next() {
		fmt.Fprintf(w, "   %s\n", f.Value)
	}
}

// next is what to do next.
func (d *demoRun) next() []report.Fact {
	patch := text.Quoted(d.files.Path)
	prompt := "Find the derivative of 2x^8:"
	if fixed := d.firstFixed(); fixed != "" {
		prompt = fixed
	}
	return repair.Facts(
		[2]string{"See what is in the patch", "bankai info " + patch},
		[2]string{"Ask the model with and without it", "bankai generate --compare --stop '\\n' --patch " + patch + " --prompt " + text.Quoted(prompt)},
		[2]string{"Measure it again, answer by answer", "bankai eval --probes demo:heldout --patch " + patch},
		[2]string{"Talk to the repaired model", "bankai chat --patch " + patch},
		[2]string{"Look at it in a browser, and serve it as the model demo:fix", "bankai serve --open --patch " + servedName + "=" + patch},
		[2]string{"Bake it into a file that any program can load", "bankai patch apply demo -o repaired.gguf --patch " + patch},
	)
}

// firstFixed is a prompt that the patch put right, "" if there is none.
func (d *demoRun) firstFixed() string {
	for _, m := range d.results {
		for _, o := range m.Outputs {
			if o.Fixed() {
				return o.Prompt
			}
		}
	}
	return ""
}

// report is the page about the run.
func (d *demoRun) report() *report.Search {
	report := repair.Page(d.app.commandLine(), d.setup, source.DemoModel, "probe", d.found, d.patch, d.files)
	report.Title, report.Audits, report.ValidationTotal, report.Try = "Repairing a 1-bit language model", d.audits, len(d.validate.Set), d.next()
	for i, m := range d.results {
		if i == atHeldOut {
			report.HeldOut = m.Result
		} else {
			report.Others = append(report.Others, m.NamedResult)
		}
	}
	if p := d.perplexity; p != nil {
		report.Search = append(report.Search, repair.PerplexityFact(p))
	}
	return report
}
