// Package repair does the main job: it searches for a patch, writes it as soon as it is
// there, measures it on what the search did not use, and writes it again with what was
// measured, and a page about it all. A journal beside the patch keeps the work, so that it
// can be gone on with. What is to be reached is a [Task].
package repair

import (
	"context"
	"errors"
	"fmt"

	"bankai"
	"bankai/engine"
	"bankai/internal/durable"
	"bankai/internal/guard"
	"bankai/internal/outputs"
	"bankai/internal/progress"
	"bankai/internal/report"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/score"
	"bankai/search"
	"bankai/store"
)

// Task is what a patch is to reach: what the search climbs, what it must not lose sight
// of, and what is measured of what it finds.
type Task interface {
	// Items are what the search climbs, and what it is to leave as it is.
	Items() (targets, controls []score.Item, err error)
	// Noun is what one of them is called.
	Noun() string
	// Avoid are the prompts that a guard must not resemble, and the tokens of a pass
	// over the targets.
	Avoid() (prompts []string, tokens int, err error)
	// Watch is what the search must not lose sight of; nil if there is nothing.
	Watch() *search.Validation
	// Audit looks for what would void the result, and says how things are before the
	// search.
	Audit(ctx context.Context) error
	// Forecast says what the search, which is set up, would take.
	Forecast(ctx context.Context, s *score.Setup) error
	// Measure measures the patch of an overlay on what the search did not climb.
	Measure(ctx context.Context, o *engine.Overlay) error
	// Claims are what was measured, as a patch records it.
	Claims() []bankai.Claim
	// Tell adds what was measured to a page, and what to do next with the patch at path.
	Tell(page *report.Search, path string)
}

// Job is what a repair works on, and where it leaves what it finds.
type Job struct {
	Task
	Model *engine.Model
	Path  string // what the model was opened by
	Plan  score.Plan

	Guarding Guarding

	Files  *Files
	Resume bool             // go on with the journal that is there
	By     store.Provenance // of the patch
	Said   bankai.Meta      // description, author and license of the patch, as people give them
	Run    *outputs.Run     // remembers what was written
	To     progress.Watcher
	// Divide makes what measures for an evaluator where other machines share that. Nil:
	// this one does it alone. It is closed when it is of no use any more, if it can be.
	Divide func(e *score.Evaluator) (score.Measurer, error)
	// Searcher, if set, may let the draws of a vote go ahead elsewhere.
	Searcher score.Searcher
}

// run is a job that is under way.
type run struct {
	*Job
	setup   *score.Setup
	meta    bankai.Meta // the provenance of what is found
	journal *search.Journal
	mark    int64        // of the journal, when it was opened
	guard   *guard.Guard // nil if there is none
	calls   *marked      // of the other machines, nil if there are none, or in a vote

	measurers []score.Measurer // that Divide made and that are in use

	found  *search.Result
	result *Result
}

// Do does the job. There may be a result beside an error: an [outputs.Interrupted] says
// what was written and how to go on.
//
// Where an error says that answers were wrong which another machine gave, nothing stays in
// the journal of what was done since it was opened: the job can be done again, as another
// Job with a new Task.
func (j *Job) Do(ctx context.Context) (found *Result, err error) {
	r := &run{Job: j}
	defer func() { err = errors.Join(err, r.close(err)) }()
	// What can fail at once comes first. An audit takes long, and a guard takes longer.
	steps := []func(context.Context) error{r.prepare, r.open, r.Audit}
	if r.Guarding.Wanted {
		steps = []func(context.Context) error{r.prepare, r.check, r.Audit, r.makeGuard, r.prepare, r.open}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.divide(); err != nil {
		return nil, err
	}
	if err := r.Forecast(ctx, r.setup); err != nil {
		return nil, err
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
	targets, controls, err := r.Items()
	if err != nil {
		return err
	}
	if r.setup, err = score.NewSetup(r.Model, targets, controls, plan); err != nil {
		return err
	}
	r.meta, err = r.By.Stamp(said(r.Said, FoundBy(r.setup, source.ModelName(r.Path, r.Model.Config()), r.Noun())), r.Files.patch.Path)
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
	r.mark = r.journal.Mark()
	r.Run.Resumable(r.journalPath(), r.Resume)
	return nil
}

func (r *run) journalPath() string { return r.Files.patch.Path + ".journal" }

// close closes the journal, if it was opened, without what rests on wrong answers, and lets
// go of what measured. err is why the job ends.
func (r *run) close(err error) error {
	r.dismiss()
	if r.journal == nil {
		return nil
	}
	var cut error
	if wrong := restsOnWrong(nil); errors.As(err, &wrong) {
		cut = r.journal.CutBack(r.mark)
	}
	r.journal.Close()
	return cut
}

// search writes the patch as soon as it is there, and again with what was measured of
// it.
func (r *run) search(ctx context.Context) (*Result, error) {
	out := r.Files.patch
	if r.Resume {
		r.To.Note("%s", r.resumed())
	}
	found, runErr := r.seek(ctx) // it may return a result beside an error
	if found == nil {
		return nil, runErr
	}
	r.found, r.meta, r.result = found, Spent(r.meta, found.Cost), newResult(found)
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
		said := fmt.Sprintf("%s holds the result of the search, which is complete but not measured; %s", out.Path, outputs.GoOn)
		if measuring := (*outputs.Interrupted)(nil); errors.As(err, &measuring) {
			said = measuring.Text + "; " + said
		}
		return nil, &outputs.Interrupted{Text: said, Useful: true}
	} else if err != nil {
		return nil, fmt.Errorf("%w; %s holds the result of the search, which is complete but not measured", err, out.Path)
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

// resumed says from where a search goes on.
func (r *run) resumed() string {
	path, tried, limits := r.journalPath(), r.journal.Candidates(), r.Plan.Limits
	switch {
	case hasDrawn(r.Plan, r.Files.patch.Path):
		return fmt.Sprintf("goes on with its draws, from %s.draw1 and those beside it", path)
	case r.journal.Len() == 0:
		return fmt.Sprintf("nothing to resume: %s begins anew", path)
	case limits.MaxCost > 0 || limits.MaxSeconds > 0: // which end it before its last step
		return fmt.Sprintf("goes on after %s, from %s", text.Count(tried, "candidate"), path)
	}
	return fmt.Sprintf("goes on after %d of %s, from %s", min(tried, limits.Steps), text.Count(limits.Steps, "candidate"), path)
}

// measure measures the patch on what the search did not use.
func (r *run) measure(ctx context.Context) error {
	overlay, err := r.Model.Overlay(r.found.Patch)
	if err != nil {
		return err
	}
	if err := r.Measure(ctx, overlay); err != nil {
		return err
	}
	return r.measureGuard(ctx, overlay)
}

// claim writes the patch again with what was measured of it, if anything was.
func (r *run) claim(out *durable.Output) (err error) {
	r.meta.Claims = append(r.meta.Claims, r.Claims()...)
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
