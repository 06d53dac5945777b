// Package adapt makes a task of a repair of the files that people have: it divides the
// examples, says what the model does with them now and what the time allows, and measures
// the patch on what was held out.
package adapt

import (
	"context"
	"fmt"
	"slices"

	"bankai"
	"bankai/dataset"
	"bankai/engine"
	"bankai/internal/asking"
	"bankai/internal/claims"
	"bankai/internal/progress"
	"bankai/internal/repair"
	"bankai/internal/text"
	"bankai/measure"
	"bankai/score"
	"bankai/search"
)

// DefaultSizes are what the flips of a search on examples take in, unless it is told
// otherwise.
var DefaultSizes = []search.Granularity{search.Bit}

const (
	// DefaultMinutes is the time of a search, unless it is told otherwise.
	DefaultMinutes = 10
	// DefaultBytes is the most bytes of a patch's content, unless it is told otherwise.
	DefaultBytes = 4096
	// fewExamples is a number below which the result says little.
	fewExamples = 20
	// shortAnswer is the number of tokens up to which an answer counts as a whole.
	// Answers of which one is longer count by the mean of their tokens, lest a page
	// counts as much as a hundred words elsewhere.
	shortAnswer = 16
)

// Options say how examples are used.
type Options struct {
	Split dataset.SplitOptions
	Ask   asking.Options
	// Evaluate runs an evaluation whose questions, model and overlay are set.
	Evaluate func(ctx context.Context, e *asking.Evaluation) (*measure.DataResult, error)
	Name     string   // of the model, as a command takes it
	Files    []string // of the data
}

// Task is a repair by examples.
type Task struct {
	Options
	Model *engine.Model
	To    progress.Watcher
	Parts *dataset.Parts

	TooLong    []string // names of examples that do not fit into the model's context
	Unrendered []string // and of those that cannot be written for it, and why

	search, validation, heldOut *asking.Questions
	targets                     []score.Item

	// What was measured; nil until then, or if there is nothing to measure with.
	HeldOut  *measure.DataResult
	Validate *measure.DataResult
	Foreseen *Forecast
}

var _ repair.Task = (*Task)(nil)

// New divides the examples of a dataset, of which those that the model cannot read are
// left out. It is an error if none is left.
func New(m *engine.Model, r *asking.Renderer, d *dataset.Dataset, o Options, to progress.Watcher) (*Task, error) {
	if len(d.Labels) == 1 && !slices.ContainsFunc(d.Examples, func(e dataset.Example) bool { return e.Kind != dataset.Label }) {
		return nil, fmt.Errorf("all examples have the label %q, so that there is nothing to tell apart: add examples of another label", text.Clip(text.Printable(d.Labels[0]), 40))
	}
	t := &Task{Options: o, Model: m, To: to}
	fitting, err := t.fitting(r, d)
	if err != nil {
		return nil, err
	}
	if err := t.split(fitting); err != nil {
		return nil, err
	}
	for _, x := range []struct {
		examples []dataset.Example
		to       **asking.Questions
	}{{t.Parts.Search, &t.search}, {t.Parts.Validation, &t.validation}, {t.Parts.HeldOut, &t.heldOut}} {
		if *x.to, err = asking.New(m, r, &dataset.Dataset{Examples: x.examples, Labels: d.Labels}, o.Ask); err != nil {
			return nil, err
		}
	}
	t.targets = items(t.search, t.Parts.Search, t.isShort())
	return t, nil
}

// fitting are the examples that the model can read.
func (t *Task) fitting(r *asking.Renderer, d *dataset.Dataset) (*dataset.Dataset, error) {
	all, err := asking.New(t.Model, r, d, t.Ask)
	if err != nil {
		return nil, err
	}
	t.TooLong, t.Unrendered = all.TooLong, all.Unrendered
	can := map[string]bool{}
	for _, s := range slices.Concat(all.Preferred, all.Labelled, all.Likely) {
		can[s.Name] = true
	}
	out := *d
	out.Examples = slices.DeleteFunc(slices.Clone(d.Examples), func(e dataset.Example) bool { return !can[e.Name] })
	switch {
	case len(out.Examples) > 0:
		return &out, nil
	case len(t.TooLong) > 0:
		return nil, fmt.Errorf("nothing is left to learn from: %s longer than the model's context of %s: shorten them",
			text.Plural(len(t.TooLong), "example is", "examples are"), text.Count(t.Model.Context(), "token"))
	}
	return nil, fmt.Errorf("nothing is left to learn from: %s", t.Unrendered[0])
}

// split divides examples. If none can be held out, all are searched with.
func (t *Task) split(d *dataset.Dataset) (err error) {
	if t.Parts, err = d.Split(t.Split); err != nil {
		if t.Split.HeldOut > 0 || t.Split.Validation > 0 { // it was asked for
			return err
		}
		t.To.Warn("%v: all are searched with, and what the patch does to others will not be known", err)
		t.Parts = &dataset.Parts{Search: d.Examples}
	}
	for _, note := range t.Parts.Notes {
		t.To.Warn("%s", note)
	}
	if n := len(d.Examples); n < fewExamples {
		t.To.Warn("%s: too few to tell a gain from chance; %d would be a beginning, 200 are good", text.Count(n, "example"), fewExamples)
	}
	return nil
}

// isShort reports whether all answers that are to be likelier are short.
func (t *Task) isShort() bool {
	for _, q := range []*asking.Questions{t.search, t.validation, t.heldOut} {
		for _, s := range q.Likely {
			if len(s.Answers[0]) > shortAnswer {
				return false
			}
		}
	}
	return true
}

// Noun is what a target is called.
func (*Task) Noun() string { return "example" }

// Items are the examples to search with.
func (t *Task) Items() (targets, controls []score.Item, err error) { return t.targets, nil, nil }

// Avoid are the prompts of all examples, so that the guard resembles none, and the tokens of
// the targets.
func (t *Task) Avoid() (prompts []string, tokens int, err error) {
	for _, q := range []*asking.Questions{t.search, t.validation, t.heldOut} {
		prompts = append(prompts, q.Prompts()...)
	}
	return prompts, tokensOf(t.targets), nil
}

// Claims are the results on what was held out, as a patch records them.
func (t *Task) Claims() []bankai.Claim {
	if t.HeldOut == nil {
		return nil
	}
	return claims.OfData(t.heldOut.Digest(), t.HeldOut)
}
