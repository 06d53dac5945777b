// Package repair does the main job: it audits the probes, searches for a patch, writes it
// as soon as it is there, measures it on what the search did not use, and writes it again
// with what was measured, and a page about it all. A journal beside the patch keeps the
// work, so that it can be gone on with.
package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"bankai"
	"bankai/engine"
	"bankai/internal/outputs"
	"bankai/internal/progress"
	"bankai/internal/report"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/internal/watched"
	"bankai/score"
	"bankai/search"
	"bankai/store"
)

// Sets are the files that a repair reads.
type Sets struct {
	Targets              []source.Set // what is to be answered better; at least one
	Validation, Controls source.Set   // without probes if there are none
	Text                 []string     // lines, for perplexity and divergence
	TextFile             string       // that they are from
}

// all are the target sets as one.
func (s Sets) all() source.Set {
	all := s.Targets[0]
	for _, t := range s.Targets[1:] {
		all.Source += ", " + t.Source
		all.Set = slices.Concat(all.Set, t.Set)
	}
	return all
}

// Job is what a repair works on, and where it leaves what it finds.
type Job struct {
	Model *engine.Model
	Path  string // what the model was opened by
	Sets  Sets
	Plan  score.Plan

	Files  *Files
	Resume bool             // go on with the journal that is there
	By     store.Provenance // of the patch
	Run    *outputs.Run     // remembers what was written; its Force takes fatal findings
	To     progress.Watcher
}

// run is a job that is under way.
type run struct {
	*Job
	setup   *score.Setup
	meta    bankai.Meta // the provenance of what is found
	journal *search.Journal
	audits  []report.SetAudit

	found  *search.Result
	result *Result
}

// Do does the job. There may be a result beside an error: an [outputs.Interrupted] says
// what was written and how to go on.
func (j *Job) Do(ctx context.Context) (*Result, error) {
	all := j.Sets.all()
	if err := watched.Fit(j.Model, watched.Named(all, j.Sets.Validation, j.Sets.Controls)...); err != nil {
		return nil, err
	}
	r := &run{Job: j}
	targets, controls, err := score.OfProbes(j.Model.Tokenizer(), all.Set, j.Sets.Controls.Set, j.Plan.Objective.Metric)
	if err != nil {
		return nil, err
	}
	if r.setup, err = score.NewSetup(j.Model, targets, controls, j.Plan); err != nil {
		return nil, err
	}
	if err := r.begin(); err != nil {
		return nil, err
	}
	defer r.journal.Close()
	if err := r.audit(ctx); err != nil { // the first that takes long
		return nil, err
	}
	return r.search(ctx)
}

// begin does what can fail at once, before the audit: it makes the provenance of what
// will be found, and opens the journal beside the output.
func (r *run) begin() (err error) {
	out, name := r.Files.patch.Path, source.ModelName(r.Path, r.Model.Config())
	if r.meta, err = r.By.Stamp(FoundBy(r.setup, name), out); err != nil {
		return err
	}
	if r.journal, err = search.OpenJournal(out+".journal", r.setup.Facts, r.Resume); err != nil {
		return err
	}
	r.Run.Resumable(out+".journal", r.Resume)
	return nil
}

// audit looks for what is wrong with the probes, and says what the search cannot hold
// on to or go by.
func (r *run) audit(ctx context.Context) error {
	sets, aim := r.Sets, r.Plan.Objective
	for _, s := range sets.Targets {
		found, err := Checked(ctx, r.To, r.Model, s, aim.Metric, []source.Set{sets.Validation, sets.Controls}, r.Run.Force)
		if err != nil {
			return err
		}
		r.audits = append(r.audits, report.SetAudit{Role: "Search", Source: s.Source, Probes: len(s.Set), Findings: found})
	}
	if aim.Divergence > 0 {
		WarnCut(r.To, r.Model, sets.TextFile, sets.Text)
	}
	if n := len(sets.Validation.Set); n > 0 && n < search.StopAnswers {
		r.To.Warn("%s has %s: too few to end the search by when answers get worse; %d would do", sets.Validation.Source, text.Count(n, "probe"), search.StopAnswers)
	}
	return nil
}

// WarnCut says which lines of a text a search does not hold on to, if any.
func WarnCut(w progress.Watcher, m *engine.Model, file string, lines []string) {
	if held := len(score.HeldLines(m, lines)); held < len(lines) {
		w.Warn("%s: only the first %d of its %s are held on to: what the model says of them fills %d MiB, which is the limit",
			file, held, text.Count(len(lines), "line"), score.TextMemory>>20)
	}
}

// search writes the patch as soon as it is there, and again with what was measured of
// it.
func (r *run) search(ctx context.Context) (*Result, error) {
	out := r.Files.patch
	if r.Resume && r.journal.Len() == 0 && !hasDrawn(r.Plan, out.Path) {
		r.To.Note("nothing to resume: %s.journal begins anew", out.Path)
	}
	found, runErr := Search(ctx, r.To, r.setup, r.Sets.Validation, r.journal) // it may return a result beside an error
	if found == nil {
		return nil, runErr
	}
	r.found, r.meta, r.result = found, Spent(r.meta, found.Cost), newResult(found, r.audits)
	r.result.Drawn = r.Plan.Method != score.MethodGuided
	r.result.Ended, r.result.Model = endedBy(found.Stopped, r.Plan.Limits), source.RefOf(r.Path, r.Model.Weights())
	if runErr != nil {
		return nil, r.leave(runErr)
	}
	if found.Stopped == search.StopInterrupted {
		return r.result, r.leave(nil)
	}
	if err := r.save(out); err != nil {
		return nil, err
	}
	if err := r.measure(ctx); errors.Is(err, context.Canceled) {
		return nil, &outputs.Interrupted{Text: fmt.Sprintf("%s holds the result of the search, which is complete but not measured; %s", out.Path, outputs.GoOn), Useful: true}
	} else if err != nil {
		return nil, err
	}
	if r.result.OnValidation != nil {
		r.meta.Claims = []bankai.Claim{Claim("validation", r.Sets.Validation, r.result.OnValidation)}
		if err := r.save(out); err != nil {
			return nil, err
		}
	}
	if r.Files.page != nil {
		if err := r.Run.Put(ctx, r.Files.page, r.page().WriteHTML); err != nil {
			return nil, err
		}
	}
	return r.result, nil
}
