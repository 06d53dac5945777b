package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"bankai"
	"bankai/evaluate"
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
	WentBack   string                `json:"went_back,omitempty"` // to an earlier patch, with more right answers on --validate
	Warning    string                `json:"warning,omitempty"`

	drawn      bool   // by --seed
	ended      string // why, for people
	out        written
	audits     []evaluate.SetAudit
	validation *evaluate.Result
	controls   *evaluate.Result
}

func newSearchDoc(r *search.Result, audits []evaluate.SetAudit) *searchDoc {
	doc := &searchDoc{
		Fitness: r.Fitness, Cost: cost{r.Cost, r.Seconds}, Steps: r.Steps, Accepted: r.Accepted, Screened: r.Screened,
		Stopped: r.Stopped, Trajectory: r.Trajectory, Audit: []evaluate.KindCount{},
		WentBack: r.WentBack, Warning: r.Warning, audits: audits,
	}
	for _, audit := range audits {
		doc.Audit = append(doc.Audit, audit.Findings.Summary()...)
	}
	return doc
}

// searchAndWrite writes the patch as soon as it is there, and again with what
// was measured of it.
func (a *app) searchAndWrite(ctx context.Context, f *searchFlags, h *hunt, sets searchSets, audits []evaluate.SetAudit, meta bankai.Meta, journal *search.Journal) error {
	result, runErr := a.searchWithJournal(ctx, f, h, sets.validation, journal)
	if result == nil {
		return runErr
	}
	meta = spent(meta, result.Cost)
	doc := newSearchDoc(result, audits)
	doc.drawn = h.Plan.Method != search.MethodGuided
	doc.ended, doc.Model = h.endedBy(result.Stopped), modelOf(f.model.path, h.Model.Weights())
	if err := doc.save(result.Patch.WithMeta(meta), f.out); err != nil {
		return err
	}
	if runErr != nil {
		return fmt.Errorf("%w; the best patch so far is in %s", runErr, f.out)
	}
	if doc.Stopped != search.StopInterrupted {
		err := a.measureFound(ctx, h, result.Patch, sets, doc)
		if errors.Is(err, context.Canceled) {
			doc.Stopped, doc.ended = search.StopInterrupted, string(search.StopInterrupted)
		} else if err != nil {
			return err
		}
	}
	if doc.validation != nil {
		meta.Claims = []bankai.Claim{claim("validation", sets.validation, doc.validation)}
		if err := doc.save(result.Patch.WithMeta(meta), f.out); err != nil {
			return err
		}
	}
	if f.report != "" {
		page := doc.report(a, h, f.model.path, result, result.Patch.WithMeta(meta), sets)
		if err := writeTo(f.report, page.WriteHTML); err != nil {
			return err
		}
	}
	return a.print(doc, doc.write)
}

// begin does what can fail at once, before the audit: it makes the provenance of what
// will be found, and opens the journal beside the output.
func (a *app) begin(f *searchFlags, h *hunt) (bankai.Meta, *search.Journal, error) {
	meta, err := a.stamp(h.meta(modelName(f.model.path, h.Model.Config())), f.out)
	if err != nil {
		return meta, nil, err
	}
	journal, err := search.OpenJournal(f.out+".journal", h.Facts, f.resume)
	return meta, journal, err
}

// searchWithJournal searches, or goes on with what the journal holds. An older patch
// is out of the way when it returns a result. As search.Run, it may return a result
// beside an error.
func (a *app) searchWithJournal(ctx context.Context, f *searchFlags, h *hunt, validation set, journal *search.Journal) (*search.Result, error) {
	resumed := f.resume && (journal.Len() > 0 || h.hasDrawn(f.out))
	if f.resume && !resumed {
		a.note("nothing to resume: %s.journal begins anew", f.out)
	}
	result, runErr := a.run(ctx, h, validation, journal)
	if result == nil || resumed {
		return result, runErr
	}
	if err := keepOld(f.out); err != nil {
		return nil, err
	}
	return result, runErr
}

// hasDrawn reports whether a vote began: its trials are in the journals of the
// draws, not in its own.
func (h *hunt) hasDrawn(out string) bool {
	_, err := os.Stat(out + ".journal.draw1")
	return h.Plan.Method == search.MethodVote && err == nil
}

// save writes the patch that doc is about.
func (d *searchDoc) save(p *bankai.Patch, path string) (err error) {
	d.out, err = writePatch(p, path)
	d.Patch, d.Flips, d.Bits, d.Bytes, d.Content = d.out.path, d.out.flips, d.out.bits, d.out.bytes, d.out.content
	return err
}

// keepOld renames a patch that is in the way of a new one, since it may be the
// work of hours.
func keepOld(path string) error {
	if err := os.Rename(path, path+".old"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unwritable(path, err)
	}
	return nil
}

// measureFound measures the patch on what the search did not use.
func (a *app) measureFound(ctx context.Context, h *hunt, p *bankai.Patch, sets searchSets, doc *searchDoc) error {
	overlay, err := h.Model.Overlay(p)
	if err != nil {
		return err
	}
	if len(sets.validation.Set) > 0 {
		r, err := a.compare(ctx, h.Model, overlay, sets.validation)
		if err != nil {
			return err
		}
		c := countsOf(r)
		doc.Validate, doc.validation = &c, r
	}
	if len(sets.controls.Set) > 0 {
		if doc.controls, err = a.compare(ctx, h.Model, overlay, sets.controls); err != nil {
			return err
		}
		c := countsOf(doc.controls)
		doc.Controls = &c
	}
	if len(sets.text) > 0 {
		doc.Perplexity, err = evaluate.ComparePerplexity(ctx, gradual{h.Model, a, "perplexity"}, overlay, sets.text)
	}
	return err
}

func (d *searchDoc) write(w io.Writer) {
	validation, controls, perplexity, next := "", "", "", ""
	if d.validation != nil {
		validation = d.validation.Verdict()
	}
	if d.controls != nil {
		controls = d.controls.Verdict()
	}
	if d.Perplexity != nil {
		perplexity = fmt.Sprintf("%.4g before, %.4g after", d.Perplexity.Before, d.Perplexity.After)
	}
	if d.Stopped == search.StopInterrupted {
		next = "the best patch so far is written; the same command with --resume goes on"
	}
	writeFacts(w,
		fact{"model", d.Model.String()},
		fact{"ended by", fmt.Sprintf("%s, after %s: %d kept, %d given up early", d.ended, many(d.Steps, "candidate"), d.Accepted, d.Screened)},
		fact{"cost", fmt.Sprintf("%s, %.0f forward-pass equivalents", evaluate.Elapsed(d.Cost.Seconds), d.Cost.ForwardEquivalents)},
		fact{"fitness", fmt.Sprintf("%+.4f nats", d.Fitness)},
		fact{"validation", validation},
		fact{"controls", controls},
		fact{"perplexity", perplexity},
		fact{"went back", d.WentBack},
		fact{"patch", d.out.String()},
		fact{"warning", d.Warning},
		fact{"interrupted", next})
	if d.Flips == 0 && d.WentBack == "" && d.Stopped != search.StopInterrupted {
		advice := "Try more --steps, other --proj or fewer --controls."
		if d.drawn {
			advice = "Try more --steps, other --proj, fewer --controls or another --seed."
		}
		fmt.Fprintln(w, "\nNo flip made things better: the patch is empty. "+advice)
	}
}
