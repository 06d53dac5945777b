package main

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"bankai"
	"bankai/engine"
	"bankai/evaluate"
	"bankai/internal/durable"
	"bankai/internal/source"
	"bankai/score"
	"bankai/search"
)

// demoFlags are the flags of `demo`.
type demoFlags struct {
	out   string
	steps count
}

func (a *app) demoCommand() *cobra.Command {
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
forms, and report.html, a page that holds all that was measured.`,
		Example: `  bankai demo
  bankai demo --seed 2 --out second --json`,
		Args: arguments(0, 0, "none; the folder is named with --out"),
		RunE: a.do(func(ctx context.Context, _ []string) error {
			if f.out == "" {
				return usagef("--out is empty: name a folder")
			}
			if err := demoPlan(a.seed, int(f.steps), nil).Limits.Check(); err != nil {
				return flagError(err)
			}
			return a.demo(ctx, f)
		}),
	}
	forceFlag(cmd)
	cmd.Flags().StringVar(&f.out, "out", "bankai-demo", "`FOLDER` for the results")
	cmd.Flags().Var(&f.steps, "steps", "candidates to try at most")
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

	audits     []evaluate.SetAudit
	setup      *score.Setup
	found      *search.Result
	results    []measured // none if the run was interrupted
	perplexity *evaluate.BeforeAfter
	patch      *bankai.Patch
	files      written // patch.bankai

	outputs map[string]*durable.Output // by the name of the file
}

func (a *app) demo(ctx context.Context, f *demoFlags) error {
	d := &demoRun{app: a, say: a.text(), began: time.Now(), out: f.out}
	if a.json {
		d.say = a.stderr
	}
	if err := os.MkdirAll(f.out, 0o777); err != nil {
		return unwritable(f.out, err)
	}
	if err := d.checkOutputs(); err != nil {
		return err
	}
	if err := d.load(); err != nil {
		return err
	}
	defer d.model.Close()
	if err := d.audit(ctx); err != nil {
		return err
	}
	if err := d.seek(ctx, demoPlan(a.seed, int(f.steps), d.text[:demoLines])); err != nil {
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
	return a.print(d.doc(), d.last)
}

// setAside gives the files of an interrupted demo other names where there are those of
// an earlier one, which may be better.
func (d *demoRun) setAside() {
	for _, o := range d.outputs {
		if !isThere(o.Path) {
			continue
		}
		for name, o := range d.outputs {
			d.outputs[name] = d.app.found(asideName(o.Path), nil)
		}
		return
	}
}

// leave ends an interrupted demo, with the patch that it has, if it has flips.
func (d *demoRun) leave() error {
	if d.found.Patch.Len() == 0 {
		return &interrupted{"nothing is found yet, and nothing was written", false}
	}
	if d.files.path == "" { // nothing was written before the interruption
		d.setAside()
		if err := d.write(); err != nil {
			return err
		}
	}
	if err := d.app.print(d.doc(), d.last); err != nil {
		return err
	}
	return &interrupted{"the best patch so far, not measured, is in " + d.files.path, true}
}
