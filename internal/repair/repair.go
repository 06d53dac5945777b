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
	"bankai/internal/durable"
	"bankai/internal/guard"
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

	Guarding Guarding

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
	guard   *guard.Guard // nil if there is none

	found  *search.Result
	result *Result
}

// Do does the job. There may be a result beside an error: an [outputs.Interrupted] says
// what was written and how to go on.
func (j *Job) Do(ctx context.Context) (*Result, error) {
	if err := watched.Fit(j.Model, watched.Named(j.Sets.all(), j.Sets.Validation, j.Sets.Controls)...); err != nil {
		return nil, err
	}
	r := &run{Job: j}
	defer r.close()
	// What can fail at once comes first. An audit takes long, and a guard takes longer.
	steps := []func(context.Context) error{r.prepare, r.open, r.audit}
	if r.Guarding.Wanted {
		steps = []func(context.Context) error{r.prepare, r.check, r.audit, r.makeGuard, r.prepare, r.open}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return r.search(ctx)
}

// prepare sets up the search, and makes the provenance of what will be found. Before
// there is a guard, it is the search without one.
func (r *run) prepare(context.Context) error {
	plan := r.Plan
	if r.Guarding.Wanted && r.guard == nil && len(plan.Text) == 0 {
		plan.Objective.Divergence = 0 // there is nothing yet that could diverge
	}
	targets, controls, err := score.OfProbes(r.Model.Tokenizer(), r.Sets.all().Set, r.Sets.Controls.Set, plan.Objective.Metric)
	if err != nil {
		return err
	}
	if r.setup, err = score.NewSetup(r.Model, targets, controls, plan); err != nil {
		return err
	}
	r.meta, err = r.By.Stamp(FoundBy(r.setup, source.ModelName(r.Path, r.Model.Config())), r.Files.patch.Path)
	return err
}

// check refuses a journal that cannot be gone on with, whatever the guard will be.
func (r *run) check(context.Context) error {
	return search.CheckJournal(r.journalPath(), r.setup.Facts, r.Resume, "objective", "keep", "likeliest")
}

// open opens the journal beside the output.
func (r *run) open(context.Context) (err error) {
	if r.journal, err = search.OpenJournal(r.journalPath(), r.setup.Facts, r.Resume); err != nil {
		return err
	}
	r.Run.Resumable(r.journalPath(), r.Resume)
	return nil
}

func (r *run) journalPath() string { return r.Files.patch.Path + ".journal" }

// close closes the journal, if it was opened.
func (r *run) close() {
	if r.journal != nil {
		r.journal.Close()
	}
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
	if err := r.claim(out); err != nil {
		return nil, err
	}
	if r.Files.page != nil {
		if err := r.Run.Put(ctx, r.Files.page, r.page().WriteHTML); err != nil {
			return nil, err
		}
	}
	return r.result, nil
}

// claim writes the patch again with what was measured of it, if anything was.
func (r *run) claim(out *durable.Output) (err error) {
	if r.result.OnValidation != nil {
		r.meta.Claims = append(r.meta.Claims, Claim("validation", r.Sets.Validation, r.result.OnValidation))
	}
	if r.result.Guard != nil {
		if r.meta, err = r.result.Guard.Recorded(r.meta); err != nil {
			return err
		}
	}
	if len(r.meta.Claims) == 0 {
		return nil
	}
	return r.save(out)
}
