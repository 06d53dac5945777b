package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"bankai/evaluate"
	"bankai/internal/text"
	"bankai/search"
)

// demoDoc is the result of `demo`.
type demoDoc struct {
	Patch      string                `json:"patch"`
	Out        string                `json:"out"`
	Files      []string              `json:"files"`
	Flips      int                   `json:"flips"`
	Bits       *uint64               `json:"bits"`
	Bytes      int64                 `json:"bytes"`         // of the .bankai file
	Content    int64                 `json:"content_bytes"` // of it, without provenance
	HeldOut    *counts               `json:"heldout"`       // null if interrupted, as all that is measured
	Validate   *counts               `json:"validate"`
	Controls   *counts               `json:"controls"`
	Unseen     *counts               `json:"controls_heldout"`
	Perplexity *evaluate.BeforeAfter `json:"perplexity"` // of demo:text
	Fitness    float64               `json:"fitness"`
	Cost       cost                  `json:"cost"` // of the search
	Stopped    search.Stop           `json:"stopped"`
	Seed       uint64                `json:"seed"`
	Seconds    float64               `json:"seconds"` // of everything
}

func (d *demoRun) doc() demoDoc {
	doc := demoDoc{
		Patch: d.files.path, Out: d.out, Flips: d.files.flips, Bits: d.files.bits, Bytes: d.files.bytes, Content: d.files.content,
		Perplexity: d.perplexity, Fitness: d.found.Fitness, Cost: cost{d.found.Cost, d.found.Seconds},
		Stopped: d.found.Stopped, Seed: d.app.seed, Seconds: time.Since(d.began).Seconds(),
	}
	for _, name := range demoFiles {
		doc.Files = append(doc.Files, d.outputs[name].Path)
	}
	for i, place := range []**counts{
		atHeldOut: &doc.HeldOut, atValidation: &doc.Validate, atControls: &doc.Controls, atUnseen: &doc.Unseen,
	} {
		if i < len(d.results) {
			c := countsOf(d.results[i].Result)
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
	fmt.Fprintf(d.say, "   %s\n", r.Meaning())
	for _, o := range d.results[atValidation:] {
		fmt.Fprintf(d.say, "   %s: %d of %d right before, %d after\n", strings.ToLower(o.Name), o.Before, o.Total, o.After)
	}
	fmt.Fprintf(d.say, "   perplexity of plain sentences: %.3f before, %.3f after\n", d.perplexity.Before, d.perplexity.After)
	fmt.Fprintln(d.say, "\n4. Before and after, for instance")
	t := text.Table{Indent: "   "}
	addAnswers(&t, "fixed", r, evaluate.Output.Fixed)
	addAnswers(&t, "broke", r, evaluate.Output.Broke)
	io.WriteString(d.say, t.String())
	if len(r.Fixed)+len(r.Broke) == 0 {
		fmt.Fprintln(d.say, "   no answer changed from right to wrong or back")
	}
}

// addAnswers adds the first few answers of a kind to a table.
func addAnswers(t *text.Table, kind string, r *evaluate.Result, is func(evaluate.Output) bool) {
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
		fmt.Fprintf(w, "   %s\n", f.value)
	}
}

// next is what to do next.
func (d *demoRun) next() []fact {
	patch := quoted(d.files.path)
	prompt := "Find the derivative of 2x^8:"
	if fixed := d.firstFixed(); fixed != "" {
		prompt = fixed
	}
	return []fact{
		{"See what is in the patch", "bankai info " + patch},
		{"Ask the model with and without it", "bankai generate --compare --stop '\\n' --patch " + patch + " --prompt " + quoted(prompt)},
		{"Measure it again, answer by answer", "bankai eval --probes demo:heldout --patch " + patch},
		{"Bake it into a file that any program can load", "bankai patch apply demo -o repaired.gguf --patch " + patch},
	}
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
func (d *demoRun) report() *evaluate.Report {
	report := d.app.searchReport(d.setup, demoName, d.found, d.patch, d.files)
	report.Title, report.Audits, report.ValidationTotal, report.Try = "Repairing a 1-bit language model", d.audits, len(d.validate.Set), facts(d.next()...)
	for i, m := range d.results {
		if i == atHeldOut {
			report.HeldOut = m.Result
		} else {
			report.Others = append(report.Others, m.NamedResult)
		}
	}
	if p := d.perplexity; p != nil {
		report.Search = append(report.Search, perplexityFact(p))
	}
	return report
}
