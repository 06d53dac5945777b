package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bankai"
	"bankai/evaluate"
	"bankai/internal/durable"
	"bankai/internal/text"
	"bankai/score"
	"bankai/search"
)

// searchDoc is the result of `search`.
type searchDoc struct {
	Model      modelRef              `json:"model"`
	Patch      string                `json:"patch"`
	Flips      int                   `json:"flips"`
	Bits       *uint64               `json:"bits"`
	Bytes      int64                 `json:"bytes"`
	Content    int64                 `json:"content_bytes"` // without provenance, in the compact form
	Fitness    float64               `json:"fitness"`
	Cost       cost                  `json:"cost"`
	Steps      int                   `json:"steps"`
	Accepted   int                   `json:"accepted"`
	Screened   int                   `json:"screened"`
	Stopped    search.Stop           `json:"stopped"`
	Trajectory []search.Point        `json:"trajectory"`
	Validate   *counts               `json:"validate"`   // null without --validate, or if interrupted
	Controls   *counts               `json:"controls"`   // null without --controls, or if interrupted
	Perplexity *evaluate.BeforeAfter `json:"perplexity"` // null without --control-text, or if interrupted
	Audit      []evaluate.KindCount  `json:"audit"`
	WentBack   string                `json:"went_back"` // to an earlier patch, with more right answers on --validate
	Warning    string                `json:"warning,omitempty"`
	Resume     string                `json:"resume,omitempty"` // how to go on, if interrupted

	drawn      bool   // by --seed
	voted      bool   // over several draws
	ended      string // why, for people
	out        written
	audits     []evaluate.SetAudit
	validation *evaluate.Result
	controls   *evaluate.Result
}

func newSearchDoc(r *search.Result, audits []evaluate.SetAudit) *searchDoc {
	doc := &searchDoc{
		Fitness: r.Fitness, Cost: cost{r.Cost, r.Seconds}, Steps: r.Steps, Accepted: r.Accepted, Screened: r.Screened,
		Flips: r.Patch.Len(), Stopped: r.Stopped, Trajectory: r.Trajectory, Audit: []evaluate.KindCount{},
		WentBack: r.WentBack, Warning: r.Warning, audits: audits,
	}
	for _, audit := range audits {
		doc.Audit = append(doc.Audit, audit.Findings.Summary()...)
	}
	return doc
}

// searchAndWrite writes the patch as soon as it is there, and again with what
// was measured of it.
func (a *app) searchAndWrite(ctx context.Context, f *searchFlags, s *score.Setup, sets searchSets, audits []evaluate.SetAudit, meta bankai.Meta, journal *search.Journal, out *searchOutputs) error {
	if f.resume && journal.Len() == 0 && !hasDrawn(s.Plan, f.out) {
		a.note("nothing to resume: %s.journal begins anew", f.out)
	}
	result, runErr := a.run(ctx, s, sets.validation, journal) // it may return a result beside an error
	if result == nil {
		return runErr
	}
	meta = spent(meta, result.Cost)
	doc := newSearchDoc(result, audits)
	doc.drawn, doc.voted = s.Plan.Method != score.MethodGuided, s.Plan.Method == score.MethodVote
	doc.ended, doc.Model = endedBy(result.Stopped, s.Plan.Limits), modelOf(f.model.path, s.Model.Weights())
	if runErr != nil || doc.Stopped == search.StopInterrupted {
		return a.leavePartial(doc, result.Patch.WithMeta(meta), runErr, journal, out)
	}
	if err := doc.save(a, result.Patch.WithMeta(meta), journal, out.patch); err != nil {
		return err
	}
	if err := a.measureFound(ctx, s, result.Patch, sets, doc); errors.Is(err, context.Canceled) {
		return &interrupted{fmt.Sprintf("%s holds the result of the search, which is complete but not measured; %s", f.out, a.goOn()), true}
	} else if err != nil {
		return err
	}
	if doc.validation != nil {
		meta.Claims = []bankai.Claim{claim("validation", sets.validation, doc.validation)}
		if err := doc.save(a, result.Patch.WithMeta(meta), journal, out.patch); err != nil {
			return err
		}
	}
	if f.report != "" {
		page := doc.report(a, s, f.model.path, result, result.Patch.WithMeta(meta), sets)
		if err := a.put(ctx, out.report, page.WriteHTML); err != nil {
			return err
		}
	}
	return a.print(doc, doc.write)
}

// begin does what can fail at once, before the audit: it makes the provenance of what
// will be found, and opens the journal beside the output.
func (a *app) begin(f *searchFlags, s *score.Setup) (bankai.Meta, *search.Journal, error) {
	meta, err := a.provenance().Stamp(foundBy(s, modelName(f.model.path, s.Model.Config())), f.out)
	if err != nil {
		return meta, nil, err
	}
	journal, err := search.OpenJournal(f.out+".journal", s.Facts, f.resume)
	if err != nil {
		return meta, nil, err
	}
	a.resumable(f.out+".journal", f.resume)
	return meta, journal, nil
}

// hasDrawn reports whether a vote began: its trials are in the journals of the
// draws, not in its own.
func hasDrawn(p score.Plan, out string) bool {
	return p.Method == score.MethodVote && isThere(out+".journal.draw1")
}

// save writes the patch that doc is about, and records that this run wrote it: only
// another run's patch is worth keeping when the run writes the next one.
func (d *searchDoc) save(a *app, p *bankai.Patch, journal *search.Journal, o *durable.Output) (err error) {
	if old, err := bankai.ReadFile(o.Path); err == nil {
		// What an earlier part of this run wrote is replaced by what is as good or
		// better; under other limits the run may end with less. The fitness of a draw
		// is not that of the vote.
		if fitness, ours := journal.Written(old); ours && (d.Fitness >= fitness || d.voted) {
			o.Adopt()
		}
	}
	if err := journal.Wrote(p, d.Fitness); err != nil { // before it is written, or a kill between the two would make it another run's
		return err
	}
	if d.out, err = a.putPatch(context.Background(), o, p); err != nil {
		return err
	}
	d.Patch, d.Flips, d.Bits, d.Bytes, d.Content = d.out.path, d.out.flips, d.out.bits, d.out.bytes, d.out.content
	return nil
}

// measureFound measures the patch on what the search did not use.
func (a *app) measureFound(ctx context.Context, s *score.Setup, p *bankai.Patch, sets searchSets, doc *searchDoc) error {
	overlay, err := s.Model.Overlay(p)
	if err != nil {
		return err
	}
	if len(sets.validation.Set) > 0 {
		r, err := a.compare(ctx, s.Model, overlay, sets.validation)
		if err != nil {
			return err
		}
		c := countsOf(r)
		doc.Validate, doc.validation = &c, r
	}
	if len(sets.controls.Set) > 0 {
		if doc.controls, err = a.compare(ctx, s.Model, overlay, sets.controls); err != nil {
			return err
		}
		c := countsOf(doc.controls)
		doc.Controls = &c
	}
	if len(sets.text) > 0 {
		doc.Perplexity, err = evaluate.ComparePerplexity(ctx, gradual{s.Model, a, "perplexity"}, overlay, sets.text)
	}
	return err
}

func (d *searchDoc) write(w io.Writer) {
	validation, controls, perplexity := "", "", ""
	if d.validation != nil {
		validation = d.validation.Verdict()
	}
	if d.controls != nil {
		controls = d.controls.Verdict()
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
