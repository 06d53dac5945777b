package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"bankai"
	"bankai/engine"
	"bankai/evaluate"
	"bankai/probe"
	"bankai/search"
)

// strategy is the name of a search strategy.
type strategy string

func (s strategy) String() string { return string(s) }

// described is a strategy that a journal can tell from others.
type described interface {
	search.Strategy
	search.Describer
}

// strategies make the strategies there are, by name. A vote is of several guided
// searches.
var strategies = map[strategy]func(ms []search.Matrix, p plan) (described, error){
	"guided": newGuided,
	"vote":   newGuided,
	"evolve": func(ms []search.Matrix, p plan) (described, error) { return search.NewEvolve(ms, p.sizes[0], p.seed) },
	"greedy": func(ms []search.Matrix, p plan) (described, error) { return search.NewGreedy(ms, p.sizes[0], p.seed) },
	"random": func(ms []search.Matrix, p plan) (described, error) { return search.NewRandom(ms, p.sizes[0], p.seed) },
}

func newGuided(ms []search.Matrix, p plan) (described, error) {
	return search.NewGuided(ms, p.seed, p.sizes...)
}

func parseStrategy(s string) (strategy, error) {
	if strategies[strategy(s)] == nil {
		return "", fmt.Errorf("unknown strategy %q: use guided, greedy, evolve, vote or random", s)
	}
	return strategy(s), nil
}

// guided reports whether a strategy goes by forecasts.
func (s strategy) guided() bool { return s == "guided" || s == "vote" || s == "evolve" }

// plan says how to search.
type plan struct {
	strategy    strategy
	sizes       []search.Granularity
	layers      []int    // none: all
	projections []string // none: see searched
	objective   search.Objective
	screen      int // targets to screen candidates on, 0 for no screening
	text        []string
	seed        uint64
	limits      search.Config // Steps, MaxFlips, MaxBytes, MaxCost, Prune
	draws       int           // of a vote
	votes       int           // that a flip needs
}

// check refuses what the strategy cannot do.
func (p plan) check() error {
	switch {
	case len(p.sizes) > 1 && p.strategy != "guided" && p.strategy != "vote":
		return usagef("--strategy %s searches by one granularity: give one of row, group and bit", p.strategy)
	case !p.strategy.guided() && slices.Contains(p.sizes, search.Bit):
		return usagef("--strategy %s draws rows or groups: use --strategy guided for bits", p.strategy)
	case p.strategy == "vote" && (p.draws < 1 || p.votes < 1 || p.votes > p.draws):
		return usagef("--votes %d of --draws %d: a flip can have from 1 vote to as many as there are draws", p.votes, p.draws)
	}
	return nil
}

// searched are the projections to search: unless it is said, the published ones, or
// those that help guided searches most.
func (p plan) searched() []string {
	switch {
	case len(p.projections) > 0:
		return p.projections
	case p.strategy.guided():
		return []string{"gate", "up", "v", "o"}
	}
	return []string{"gate", "up"}
}

// hunt is a search that is set up.
type hunt struct {
	model    *engine.Model
	plan     plan
	targets  set
	controls set
	matrices []search.Matrix
	eval     *search.ModelEvaluator
	strat    described
	facts    []search.Fact // all that decides how it goes
	start    *bankai.Patch
}

// newHunt sets up a search by a plan that was checked.
func newHunt(m *engine.Model, targets, controls set, p plan) (*hunt, error) {
	h := &hunt{model: m, plan: p, targets: targets, controls: controls, start: bankai.New(m.Digest(), bankai.Meta{})}
	var err error
	if h.matrices, err = search.Matrices(m.Weights(), p.layers, p.searched()); err != nil {
		return nil, err
	}
	if h.eval, err = h.evaluator(targets.Set, p.objective); err != nil {
		return nil, err
	}
	if h.strat, err = strategies[p.strategy](h.matrices, p); err != nil {
		return nil, err
	}
	h.facts = search.Identity(h.start, h.eval, h.strat)
	if p.strategy == "vote" {
		h.facts = append(h.facts, search.Fact{Name: "vote", Value: fmt.Sprint(p.votes, " of ", p.draws)})
	}
	return h, nil
}

// evaluator measures patches on some of the targets.
func (h *hunt) evaluator(targets probe.Set, o search.Objective) (*search.ModelEvaluator, error) {
	var tensors []string
	for _, w := range h.matrices {
		tensors = append(tensors, w.Name)
	}
	return search.NewEvaluator(h.model, targets, h.controls.Set, search.EvaluatorOptions{
		Objective: o, Screen: h.plan.screen, Tensors: tensors, Text: h.plan.text,
	})
}

// run searches until a limit is reached or ctx ends, with a journal unless that
// is nil, and watches the answers to the validation set unless that is empty. As
// search.Run, it may return a result beside an error.
func (a *app) run(ctx context.Context, h *hunt, validation set, journal *search.Journal) (*search.Result, error) {
	limits := h.plan.limits
	limits.Journal, limits.Shape = journal, h.model.Weights().Shape
	if len(validation.Set) > 0 {
		limits.Watch = &search.Watch{Of: validation.digest.String(), Answers: func(ctx context.Context, p *bankai.Patch) ([]bool, error) {
			overlay, err := h.model.Overlay(p)
			if err != nil {
				return nil, err
			}
			return evaluate.Right(ctx, h.model, overlay, validation.Set)
		}}
	}
	progress := a.meter("search, step", limits.Steps)
	defer progress.stop()
	limits.Progress = func(p search.Progress) { progress.set(p.Step, progressText(p)) }
	var result *search.Result
	var err error
	if h.plan.strategy == "vote" {
		result, err = h.vote(ctx, limits)
	} else {
		result, err = search.Run(ctx, h.eval, h.strat, h.start, limits)
	}
	if result == nil {
		return nil, err
	}
	fitted, fitErr := result.Patch.Fit(h.model.Weights().Shape)
	if fitErr != nil {
		return nil, fitErr
	}
	result.Patch = fitted
	return result, err
}

func progressText(p search.Progress) string {
	text := fmt.Sprintf("fitness %+.3f, %s", p.Fitness, many(p.Flips, "flip"))
	if p.Rate > 0 {
		text += fmt.Sprintf(", %.1f candidates/s, %s left", p.Rate, p.ETA.Round(time.Second))
	}
	return text
}

// meta is the provenance of what the search finds in the model called name.
func (h *hunt) meta(name string) bankai.Meta {
	return bankai.Meta{BaseModel: name, Metric: h.plan.objective.Metric.String(), Description: h.String()}
}

// spent adds to a provenance what the search cost, in forward-pass equivalents.
func spent(m bankai.Meta, cost float64) bankai.Meta {
	m.Description += fmt.Sprintf(", for the work of %.0f passes over all of them", cost)
	return m
}

// String says in a line how the search goes about it.
func (h *hunt) String() string {
	p := h.plan
	projections := p.searched()
	var sizes []string
	for _, size := range p.sizes {
		sizes = append(sizes, size.String())
	}
	layers := "all layers"
	if len(p.layers) > 0 {
		layers = fmt.Sprintf("%d of the layers", len(p.layers))
	}
	return fmt.Sprintf("%s search by %s in %s of %s, climbing the %s %s of %s, with %s",
		p.strategy, strings.Join(sizes, ", "), listed(projections), layers,
		p.objective.Reduce, p.objective.Metric, many(len(h.targets.Set), "probe"), many(len(h.controls.Set), "control"))
}

// cost is what a search took.
type cost struct {
	ForwardEquivalents float64 `json:"forward_equivalents"`
	Seconds            float64 `json:"seconds"`
}

// checked audits the search probes against the sets that must not share prompts
// with them. Fatal findings are an error unless force is set.
func (a *app) checked(ctx context.Context, m *engine.Model, targets set, metric probe.Metric, others []set, force bool) (evaluate.Findings, error) {
	found, err := a.audit(ctx, m, targets, metric, others)
	if err != nil || !found.Fatal() || force {
		return found, err
	}
	n, first := 0, evaluate.Finding{}
	for _, x := range found {
		if x.Severity == evaluate.Fatal {
			if n++; n == 1 {
				first = x
			}
		}
	}
	return found, fmt.Errorf("%s: %s, the first: %s: %s; repair the probes (see bankai audit), or search all the same with --force",
		targets.source, many(n, "fatal finding"), first.Subject(), first.Detail)
}
