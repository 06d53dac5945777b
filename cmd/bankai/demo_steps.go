package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"bankai/evaluate"
	"bankai/internal/durable"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/probe"
	"bankai/score"
)

// load reads the model and the sets.
func (d *demoRun) load() (err error) {
	if d.model, err = d.app.openModel(&modelFlags{path: demoName}); err != nil {
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
	info := newModelInfo(demoName, d.model.Weights())
	fmt.Fprintf(d.say, "The model: %s 1-bit weights in %d layers, %s.\n\n", text.Amount(info.OneBit), info.Layers, text.Size(info.Bytes))
	fmt.Fprintf(d.say, "1. Audit of the %s to search with\n", text.Count(len(d.search.Set), "probe"))
	others := []source.Set{d.validate, d.heldOut, d.controls, d.unseen}
	found, err := d.app.checked(ctx, d.model, d.search, probe.AnswerLogprob, others, false)
	if err != nil {
		return err
	}
	d.audits = append(d.audits, evaluate.SetAudit{Role: "Search", Source: d.search.Source, Probes: len(d.search.Set), Findings: found})
	for _, k := range found.Grave().Summary() {
		fmt.Fprintf(d.say, "   %s, %s: %s\n", k.Severity, text.Count(k.Count, "probe"), k.Meaning)
	}
	for _, s := range found.Overviews() {
		fmt.Fprintf(d.say, "   %s\n", s)
	}
	held, err := d.app.audit(ctx, d.model, d.heldOut, probe.AnswerLogprob, []source.Set{d.search, d.validate})
	if err != nil {
		return err
	}
	d.audits = append(d.audits, evaluate.SetAudit{Role: "Held out", Source: d.heldOut.Source, Probes: len(d.heldOut.Set), Findings: held})
	fmt.Fprintf(d.say, "   no prompt is also among the %d held-out ones\n", len(d.heldOut.Set))
	return nil
}

// seek searches for the patch.
func (d *demoRun) seek(ctx context.Context, p score.Plan) (err error) {
	if d.setup, err = score.NewSetup(d.model, d.search.Set, d.controls.Set, p); err != nil {
		return err
	}
	fmt.Fprintf(d.say, "\n2. Search: predict what flipping every row would do, try the best, keep what helps (seed %d)\n", p.Seed)
	d.app.stdout.Flush()
	if d.found, err = d.app.run(ctx, d.setup, d.validate, nil); err != nil {
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
		text.Count(r.Patch.Len(), "flip"), text.Thousands(int64(bits)), text.Thousands(newModelInfo(demoName, d.model.Weights()).OneBit))
	return nil
}

// measured is the result on one set.
type measured struct {
	set source.Set
	evaluate.NamedResult
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
		atHeldOut:    {d.heldOut, evaluate.NamedResult{Name: "held out"}},
		atValidation: {d.validate, evaluate.NamedResult{Name: "Validation", Remark: "Prompts that the search did not use either; by them, the demo's settings were chosen."}},
		atControls:   {d.controls, evaluate.NamedResult{Name: "Controls", Remark: "Facts the model should not forget, which the search watched."}},
		atUnseen:     {d.unseen, evaluate.NamedResult{Name: "Unseen controls", Remark: "Further facts that the search did not watch."}},
	} {
		if m.Result, err = d.app.compare(ctx, d.model, overlay, m.set); err != nil {
			return err
		}
		d.results = append(d.results, m)
	}
	text, err := source.ReadLines(source.Demo + "text")
	if err != nil {
		return err
	}
	d.perplexity, err = evaluate.ComparePerplexity(ctx, gradual{d.model, d.app, "perplexity"}, overlay, text)
	return err
}

// demoFiles are what the demo leaves, the patch in its two forms first.
var demoFiles = []string{"patch.bankai", "patch.json", "report.html"}

// checkOutputs refuses what must not be replaced.
func (d *demoRun) checkOutputs() error {
	d.outputs = map[string]*durable.Output{}
	for _, name := range demoFiles {
		path := filepath.Join(d.out, name)
		o := d.app.found(path, d.app.aPatch)
		if filepath.Ext(name) == ".html" {
			o = d.app.derived(path, aPage(d.app.command))
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
	meta := spent(foundBy(d.setup, demoName), d.found.Cost)
	for _, i := range []int{atHeldOut, atUnseen} {
		if i < len(d.results) {
			meta.Claims = append(meta.Claims, claim(strings.ToLower(d.results[i].Name), d.results[i].set, d.results[i].Result))
		}
	}
	meta, err := d.app.provenance().Stamp(meta, "demo-repair")
	if err != nil {
		return err
	}
	d.patch = d.found.Patch.WithMeta(meta)
	if d.files, err = d.app.putPatch(ctx, d.outputs["patch.bankai"], d.patch); err != nil {
		return err
	}
	if _, err := d.app.putPatch(ctx, d.outputs["patch.json"], d.patch); err != nil {
		return err
	}
	return d.app.put(ctx, d.outputs["report.html"], d.report().WriteHTML)
}
