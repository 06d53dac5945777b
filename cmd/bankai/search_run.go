package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"bankai"
	"bankai/engine"
	"bankai/internal/durable"
	"bankai/internal/report"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/measure"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// runSearch searches until a limit is reached or ctx ends, with a journal unless that
// is nil, and watches the answers to the validation set unless that is empty. As
// search.Run, it may return a result beside an error.
func runSearch(ctx context.Context, c *console, s *score.Setup, validation source.Set, journal *search.Journal) (*search.Result, error) {
	limits := s.Plan.Limits
	limits.Journal = journal
	if len(validation.Set) > 0 {
		limits.Validation = &search.Validation{Of: validation.Identity(), Answers: func(ctx context.Context, p *bankai.Patch) ([]bool, error) {
			overlay, err := s.Model.Overlay(p)
			if err != nil {
				return nil, err
			}
			return measure.Right(ctx, s.Model, overlay, validation.Set)
		}}
	}
	progress := c.meter("search", searchUnits)
	defer progress.stop()
	limits.Progress = func(p search.Progress) { progress.set(searchDone(p, limits), progressText(p)) }
	return s.Run(ctx, limits)
}

// searchUnits is the whole of a search, as its meter counts.
const searchUnits = 10_000

// searchDone is how far a search is, in searchUnits: to its candidates or to its
// cost, whichever it will reach first.
func searchDone(p search.Progress, limits search.Config) int64 {
	share := float64(p.Step) / float64(p.Steps)
	if limits.MaxCost > 0 {
		share = max(share, p.Cost/limits.MaxCost)
	}
	return int64(searchUnits * min(1, share))
}

func progressText(p search.Progress) string {
	said := fmt.Sprintf("fitness %+.3f, %s, candidate %d", p.Fitness, text.Count(p.Flips, "flip"), p.Step)
	if p.Rate > 0 {
		said += fmt.Sprintf(", %.1f/s", p.Rate)
	}
	return said
}

// endedBy says why a search ended, and which flag would let it go on.
func endedBy(stop search.Stop, l search.Config) string {
	switch stop {
	case search.StopSteps:
		return fmt.Sprintf("--steps %d", l.Steps)
	case search.StopFlips:
		return fmt.Sprintf("--max-flips %d", l.MaxFlips)
	case search.StopCost:
		return fmt.Sprintf("--max-cost %g", l.MaxCost)
	case search.StopExhausted:
		return "having nothing left to try (--proj, --layers and --granularity say what there is)"
	case search.StopOverfit:
		return "--validate, whose answers got worse while the fitness rose"
	}
	return string(stop)
}

// foundBy is the provenance of what a search finds in the model called name.
func foundBy(s *score.Setup, name string) bankai.Meta {
	return bankai.Meta{BaseModel: name, Metric: s.Plan.Objective.Metric.String(), Description: methodOf(s), Arithmetic: s.Model.Weights().Arithmetic()}
}

// spent adds to a provenance what the search cost, in forward-pass equivalents.
func spent(m bankai.Meta, cost float64) bankai.Meta {
	m.Description += fmt.Sprintf(", for the work of %.0f passes over all of them", cost)
	return m
}

// methodOf says in a line how a search goes about it.
func methodOf(s *score.Setup) string {
	p := s.Plan
	var sizes []string
	for _, size := range p.Sizes {
		sizes = append(sizes, size.String())
	}
	layers := "all layers"
	if len(p.Layers) > 0 {
		layers = fmt.Sprintf("%d of the layers", len(p.Layers))
	}
	return fmt.Sprintf("%s search by %s in %s of %s, climbing the %s %s of %s, with %s",
		p.Method, strings.Join(sizes, ", "), text.Listed(p.Projections), layers,
		p.Objective.Reduce, p.Objective.Metric, text.Count(len(s.Targets), "probe"), text.Count(len(s.Controls), "control"))
}

// cost is what a search took.
type cost struct {
	ForwardEquivalents float64 `json:"forward_equivalents"`
	Seconds            float64 `json:"seconds"`
}

// checked audits the search probes against the sets that must not share prompts
// with them. Fatal findings are an error unless force is set.
func checked(ctx context.Context, c *console, m *engine.Model, targets source.Set, metric probe.Metric, others []source.Set, force bool) (measure.Findings, error) {
	found, err := auditSet(ctx, c, m, targets, metric, others)
	if err != nil || !found.Fatal() || force {
		return found, err
	}
	n, first := 0, measure.Finding{}
	for _, x := range found {
		if x.Severity == measure.Fatal {
			if n++; n == 1 {
				first = x
			}
		}
	}
	return found, fmt.Errorf("%s: %s, the first: %s: %s; repair the probes (see bankai audit), or search all the same with --force",
		targets.Source, text.Count(n, "fatal finding"), first.Subject(), first.Detail)
}

// searchDoc is the result of `search`.
type searchDoc struct {
	Model      modelRef             `json:"model"`
	Patch      string               `json:"patch"`
	Flips      int                  `json:"flips"`
	Bits       *uint64              `json:"bits"`
	Bytes      int64                `json:"bytes"`
	Content    int64                `json:"content_bytes"` // without provenance, in the compact form
	Fitness    float64              `json:"fitness"`
	Cost       cost                 `json:"cost"`
	Steps      int                  `json:"steps"`
	Accepted   int                  `json:"accepted"`
	Screened   int                  `json:"screened"`
	Stopped    search.Stop          `json:"stopped"`
	Trajectory []search.Point       `json:"trajectory"`
	Validate   *counts              `json:"validate"`   // null without --validate, or if interrupted
	Controls   *counts              `json:"controls"`   // null without --controls, or if interrupted
	Perplexity *measure.BeforeAfter `json:"perplexity"` // null without --control-text, or if interrupted
	Audit      []measure.KindCount  `json:"audit"`
	WentBack   string               `json:"went_back"` // to an earlier patch, with more right answers on --validate
	Warning    string               `json:"warning,omitempty"`
	Resume     string               `json:"resume,omitempty"` // how to go on, if interrupted

	drawn      bool   // by --seed
	voted      bool   // over several draws
	ended      string // why, for people
	out        written
	validation *measure.Result
	controls   *measure.Result
}

func newSearchDoc(r *search.Result, audits []report.SetAudit) *searchDoc {
	doc := &searchDoc{
		Fitness: r.Fitness, Cost: cost{r.Cost, r.Seconds}, Steps: r.Steps, Accepted: r.Accepted, Screened: r.Screened,
		Flips: r.Patch.Len(), Stopped: r.Stopped, Trajectory: r.Trajectory, Audit: []measure.KindCount{},
		WentBack: r.WentBack, Warning: r.Warning,
	}
	for _, audit := range audits {
		doc.Audit = append(doc.Audit, audit.Findings.Summary()...)
	}
	return doc
}

// searchRun is a search that is under way.
type searchRun struct {
	app     *app
	flags   *searchFlags
	outputs *searchOutputs
	sets    searchSets
	setup   *score.Setup
	meta    bankai.Meta // the provenance of what is found
	journal *search.Journal
	audits  []report.SetAudit

	found *search.Result
	doc   *searchDoc
}

// begin does what can fail at once, before the audit: it makes the provenance of what
// will be found, and opens the journal beside the output.
func (r *searchRun) begin() (err error) {
	out, name := r.flags.out, source.ModelName(r.flags.model.path, r.setup.Model.Config())
	if r.meta, err = r.app.provenance().Stamp(foundBy(r.setup, name), out); err != nil {
		return err
	}
	if r.journal, err = search.OpenJournal(out+".journal", r.setup.Facts, r.flags.resume); err != nil {
		return err
	}
	r.app.resumable(out+".journal", r.flags.resume)
	return nil
}

// audit looks for what is wrong with the probes, and says what the search cannot hold
// on to or go by.
func (r *searchRun) audit(ctx context.Context) error {
	f, m, sets := r.flags, r.setup.Model, r.sets
	for _, s := range sets.targets {
		found, err := checked(ctx, r.app.console, m, s, f.metric.value, []source.Set{sets.validation, sets.controls}, r.app.force)
		if err != nil {
			return err
		}
		r.audits = append(r.audits, report.SetAudit{Role: "Search", Source: s.Source, Probes: len(s.Set), Findings: found})
	}
	if f.kl > 0 {
		warnCut(r.app.console, m, f.controlText, sets.text)
	}
	if n := len(sets.validation.Set); n > 0 && n < search.StopAnswers {
		r.app.warn("%s has %s: too few to end the search by when answers get worse; %d would do", sets.validation.Source, text.Count(n, "probe"), search.StopAnswers)
	}
	return nil
}

// search writes the patch as soon as it is there, and again with what was measured of
// it.
func (r *searchRun) search(ctx context.Context) error {
	a, f, plan := r.app, r.flags, r.setup.Plan
	if f.resume && r.journal.Len() == 0 && !hasDrawn(plan, f.out) {
		a.note("nothing to resume: %s.journal begins anew", f.out)
	}
	found, runErr := runSearch(ctx, a.console, r.setup, r.sets.validation, r.journal) // it may return a result beside an error
	if found == nil {
		return runErr
	}
	r.found, r.meta, r.doc = found, spent(r.meta, found.Cost), newSearchDoc(found, r.audits)
	r.doc.drawn, r.doc.voted = plan.Method != score.MethodGuided, plan.Method == score.MethodVote
	r.doc.ended, r.doc.Model = endedBy(found.Stopped, plan.Limits), modelOf(f.model.path, r.setup.Model.Weights())
	if runErr != nil || found.Stopped == search.StopInterrupted {
		return r.leave(runErr)
	}
	if err := r.save(r.outputs.patch); err != nil {
		return err
	}
	if err := r.measure(ctx); errors.Is(err, context.Canceled) {
		return &interrupted{fmt.Sprintf("%s holds the result of the search, which is complete but not measured; %s", f.out, goOn), true}
	} else if err != nil {
		return err
	}
	if r.doc.validation != nil {
		r.meta.Claims = []bankai.Claim{claim("validation", r.sets.validation, r.doc.validation)}
		if err := r.save(r.outputs.patch); err != nil {
			return err
		}
	}
	if f.report != "" {
		if err := a.put(ctx, r.outputs.report, r.report().WriteHTML); err != nil {
			return err
		}
	}
	return a.print(r.doc, r.doc.write)
}

// patch is what was found, with its provenance.
func (r *searchRun) patch() *bankai.Patch { return r.found.Patch.WithMeta(r.meta) }

// hasDrawn reports whether a vote began: its trials are in the journals of the
// draws, not in its own.
func hasDrawn(p score.Plan, out string) bool {
	return p.Method == score.MethodVote && isThere(out+".journal.draw1")
}

// save writes the patch that was found, and records that this run wrote it: only
// another run's patch is worth keeping when the run writes the next one.
func (r *searchRun) save(o *durable.Output) (err error) {
	p, d := r.patch(), r.doc
	if old, err := bankai.ReadFile(o.Path); err == nil {
		// What an earlier part of this run wrote is replaced by what is as good or
		// better; under other limits the run may end with less. The fitness of a draw
		// is not that of the vote.
		if fitness, ours := r.journal.Written(old); ours && (d.Fitness >= fitness || d.voted) {
			o.Adopt()
		}
	}
	if err := r.journal.Wrote(p, d.Fitness); err != nil { // before it is written, or a kill between the two would make it another run's
		return err
	}
	if d.out, err = r.app.putPatch(context.Background(), o, p); err != nil {
		return err
	}
	d.Patch, d.Flips, d.Bits, d.Bytes, d.Content = d.out.path, d.out.flips, d.out.bits, d.out.bytes, d.out.content
	return nil
}

// measure measures the patch on what the search did not use.
func (r *searchRun) measure(ctx context.Context) error {
	m, sets, doc, c := r.setup.Model, r.sets, r.doc, r.app.console
	overlay, err := m.Overlay(r.found.Patch)
	if err != nil {
		return err
	}
	if len(sets.validation.Set) > 0 {
		if doc.validation, err = compareSet(ctx, c, m, overlay, sets.validation); err != nil {
			return err
		}
		n := countsOf(doc.validation)
		doc.Validate = &n
	}
	if len(sets.controls.Set) > 0 {
		if doc.controls, err = compareSet(ctx, c, m, overlay, sets.controls); err != nil {
			return err
		}
		n := countsOf(doc.controls)
		doc.Controls = &n
	}
	if len(sets.text) > 0 {
		doc.Perplexity, err = measure.ComparePerplexity(ctx, gradual{m, c, "perplexity"}, overlay, sets.text)
	}
	return err
}

func (d *searchDoc) write(w io.Writer) {
	validation, controls, perplexity := "", "", ""
	if d.validation != nil {
		validation = report.Verdict(d.validation)
	}
	if d.controls != nil {
		controls = report.Verdict(d.controls)
	}
	if d.Perplexity != nil {
		perplexity = fmt.Sprintf("%.4g before, %.4g after", d.Perplexity.Before, d.Perplexity.After)
	}
	writeFacts(w,
		fact{"model", d.Model.String()},
		fact{"ended by", fmt.Sprintf("%s, after %s: %d kept, %d given up early", d.ended, text.Count(d.Steps, "candidate"), d.Accepted, d.Screened)},
		fact{"cost", text.Elapsed(d.Cost.Seconds) + ", " + text.Measure(d.Cost.ForwardEquivalents, "forward-pass equivalent")},
		fact{"fitness", fmt.Sprintf("%+.4f nats", d.Fitness)},
		fact{"validation", validation},
		fact{"controls", controls},
		fact{"perplexity", perplexity},
		fact{"went back", d.WentBack},
		fact{"warning", d.Warning},
		fact{"patch", d.where()})
	if d.Flips == 0 && d.WentBack == "" && d.Stopped != search.StopInterrupted {
		advice := "Try more --steps, other --proj or fewer --controls."
		if d.drawn {
			advice = "Try more --steps, other --proj, fewer --controls or another --seed."
		}
		fmt.Fprintln(w, "\nNo flip made things better: the patch is empty. "+advice)
	}
}

// searchOutputs are the files that a search writes.
type searchOutputs struct {
	patch, aside *durable.Output // aside takes an interrupted run's patch where another run's must stay
	report       *durable.Output // nil without --report
}

// outputs are those that the flags ask for.
func (f *searchFlags) outputs(a *app) *searchOutputs {
	o := &searchOutputs{patch: a.found(f.out, a.aPatch), aside: a.found(asideName(f.out), a.aPatch)}
	if f.report != "" {
		o.report = a.derived(f.report, aPage(a.command))
		o.report.Inputs = append(slices.Clone(o.report.Inputs), f.out)
	}
	return o
}

// all are those that must be writable. What is in the place of aside is kept under a
// number in any case.
func (o *searchOutputs) all() []*durable.Output {
	if o.report == nil {
		return []*durable.Output{o.patch}
	}
	return []*durable.Output{o.patch, o.report}
}

// asideName is NAME.interrupted.EXT for NAME.EXT.
func asideName(path string) string {
	ext := filepath.Ext(path)
	return strings.TrimSuffix(path, ext) + ".interrupted" + ext
}

// leave leaves what a run found that was interrupted, or ended by runErr: it never
// replaces a better patch by a worse or an empty one.
func (r *searchRun) leave(runErr error) error {
	a, doc, out := r.app, r.doc, r.outputs
	where, err := r.place()
	text := "nothing is found yet, and nothing was written"
	switch {
	case err != nil:
		text = fmt.Sprintf("the best patch so far could not be written: %v", err)
	case where != "" && doc.Patch == "":
		text = fmt.Sprintf("%s, which an earlier part of this run wrote, is as good or better and stays", where)
	case where != "" && where != out.patch.Path:
		text = fmt.Sprintf("the best patch so far is in %s; %s is of another run and stays", where, out.patch.Path)
	case where != "":
		text = "the best patch so far is in " + where
	}
	if runErr != nil {
		return fmt.Errorf("%w; %s", runErr, text)
	}
	if out.report != nil {
		text += "; " + out.report.Path + " is only written when the search is done"
	}
	kept := a.isRecorded(out.patch.Path + ".journal")
	if kept {
		doc.Resume = goOn
		text += "; " + doc.Resume
	}
	if err := a.print(doc, doc.write); err != nil {
		return err
	}
	return &interrupted{text, where != "" || kept}
}

// place writes the patch of a run that did not end, if it has flips, to where
// it replaces no better one, and returns the file that holds the best of this run.
func (r *searchRun) place() (string, error) {
	if r.found.Patch.Len() == 0 {
		return "", nil
	}
	out := r.outputs
	for _, o := range []*durable.Output{out.patch, out.aside} {
		if isThere(o.Path) {
			old, err := bankai.ReadFile(o.Path)
			fitness, ours := 0.0, false
			if err == nil {
				fitness, ours = r.journal.Written(old)
			}
			switch {
			case ours && r.doc.Fitness <= fitness:
				return o.Path, nil
			case !ours && o == out.patch:
				continue
			}
		}
		return o.Path, r.save(o)
	}
	return "", errors.New("there is no place for it")
}

// where says where the patch is.
func (d *searchDoc) where() string {
	if d.Patch == "" {
		return ""
	}
	return d.out.String()
}

// searchReport is what a page says of a search in the model called name by a command,
// and of the patch it wrote: all but what was measured afterwards.
func searchReport(command string, s *score.Setup, name string, r *search.Result, patch *bankai.Patch, files written) *report.Search {
	info := newModelInfo(name, s.Model.Weights())
	var asJSON bytes.Buffer
	if patch.WriteJSON(&asJSON) != nil { // it flips bits, which that form cannot hold
		asJSON.Reset()
	}
	meta := patch.Meta()
	bits, _ := patch.Bits()
	page := &report.Search{
		Title: "A search for a patch", Command: command, Watch: r.Warning,
		Model: facts(
			fact{"model", name},
			fact{"architecture", fmt.Sprintf("%s: %d layers, hidden %d, ffn %d", info.Architecture, info.Layers, info.Hidden, info.FFN)},
			fact{"1-bit weights", text.Thousands(info.OneBit)}, fact{"digest", info.Digest.String()}),
		Search: facts(
			fact{"method", methodOf(s)}, fact{"seed", fmt.Sprint(s.Plan.Seed)},
			fact{"candidates", fmt.Sprintf("%d, of which %d kept and %d given up early", r.Steps, r.Accepted, r.Screened)},
			fact{"cost", text.Measure(r.Cost, "forward-pass equivalent") + ", " + text.Elapsed(r.Seconds)},
			fact{"ended by", endedBy(r.Stopped, s.Plan.Limits)}),
		Flips: measure.Cells(patch), Searched: s.Plan.Projections, Layers: info.Layers,
		Patch: report.PatchFacts{
			Flips: patch.Len(), Bits: bits, ModelBits: uint64(info.OneBit), Bytes: files.bytes,
			Facts: facts(
				fact{"for the model", patch.Base().String()}, fact{"digest", patch.ContentDigest().String()},
				fact{"made by", meta.Tool}, fact{"made on", meta.Created.Format(timeLayout)}, fact{"command", meta.Command}),
		},
		PatchJSON: asJSON.String(),
	}
	for _, o := range r.Outcomes {
		page.Outcomes = append(page.Outcomes, report.Outcome{Granularity: o.Granularity.String(), Predicted: o.Predicted, True: o.True, Kept: o.Kept})
	}
	for _, p := range r.Trajectory {
		page.Trajectory = append(page.Trajectory, report.Point{
			Step: p.Step, Cost: p.Cost, Fitness: p.Fitness, Flips: p.Flips, Seconds: p.Seconds, Right: p.Right,
			Kept: r.WentBack != "" && p.Right != nil && p.Flips == r.Patch.Len() && p.Fitness == r.Fitness,
		})
	}
	return page
}

func perplexityFact(p *measure.BeforeAfter) report.Fact {
	return report.Fact{Name: "plain sentences", Value: fmt.Sprintf("perplexity %.3f before, %.3f after", p.Before, p.After)}
}

// report is the page about a search.
func (r *searchRun) report() *report.Search {
	d, name := r.doc, r.flags.model.path
	page := searchReport(r.app.commandLine(), r.setup, name, r.found, r.patch(), d.out)
	page.Audits, page.ValidationTotal = r.audits, len(r.sets.validation.Set)
	for _, m := range []struct {
		name, remark string
		result       *measure.Result
	}{
		{"Validation", "Prompts that the search did not use, but watched.", d.validation},
		{"Controls", "What the search was to leave as it is.", d.controls},
	} {
		if m.result != nil {
			page.Others = append(page.Others, report.NamedResult{Name: m.name, Remark: m.remark, Result: m.result})
		}
	}
	if d.Perplexity != nil {
		page.Search = append(page.Search, perplexityFact(d.Perplexity))
	}
	file := quoted(d.out.path)
	model := ""
	if name != source.DemoModel {
		model = "--model " + quoted(name) + " "
	}
	page.Try = facts(
		fact{"Measure it on prompts that nothing here has seen", "bankai eval " + model + "--probes heldout.json --patch " + file},
		fact{"See what is in the patch", "bankai info " + file})
	return page
}

func facts(list ...fact) []report.Fact {
	out := make([]report.Fact, len(list))
	for i, f := range list {
		out[i] = report.Fact{Name: f.name, Value: f.value}
	}
	return out
}
