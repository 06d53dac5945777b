package main

import (
	"context"
	"fmt"
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

// strategies make the strategies there are, by name.
var strategies = map[strategy]func(ms []search.Matrix, g search.Granularity, seed uint64) (described, error){
	"guided": func(ms []search.Matrix, g search.Granularity, _ uint64) (described, error) {
		if g != search.Row {
			return nil, fmt.Errorf("guided search flips whole rows: use --strategy greedy for %ss", g)
		}
		return search.NewGuided(ms)
	},
	"greedy": func(ms []search.Matrix, g search.Granularity, seed uint64) (described, error) {
		return search.NewGreedy(ms, g, seed)
	},
	"random": func(ms []search.Matrix, g search.Granularity, seed uint64) (described, error) {
		return search.NewRandom(ms, g, seed)
	},
}

func parseStrategy(s string) (strategy, error) {
	if strategies[strategy(s)] == nil {
		return "", fmt.Errorf("unknown strategy %q: use guided, greedy or random", s)
	}
	return strategy(s), nil
}

func parseGranularity(s string) (search.Granularity, error) {
	for _, g := range []search.Granularity{search.Row, search.Group} {
		if s == g.String() {
			return g, nil
		}
	}
	return 0, fmt.Errorf("unknown granularity %q: use row or group", s)
}

// plan says how to search.
type plan struct {
	strategy    strategy
	granularity search.Granularity
	layers      []int    // none: all
	projections []string // none: gate and up
	objective   search.Objective
	screen      int // targets to screen candidates on, 0 for no screening
	seed        uint64
	limits      search.Config // Steps, MaxFlips, MaxCost
}

// hunt is a search that is set up.
type hunt struct {
	model    *engine.Model
	plan     plan
	targets  set
	controls set
	eval     *search.ModelEvaluator
	strat    described
	facts    []search.Fact // all that decides how it goes
	start    *bankai.Patch
}

func newHunt(m *engine.Model, targets, controls set, p plan) (*hunt, error) {
	matrices, err := search.Matrices(m.Weights(), p.layers, p.projections)
	if err != nil {
		return nil, err
	}
	var tensors []string
	for _, w := range matrices {
		tensors = append(tensors, w.Name)
	}
	eval, err := search.NewEvaluator(m, targets.Set, controls.Set, search.EvaluatorOptions{
		Objective: p.objective, Screen: p.screen, Tensors: tensors,
	})
	if err != nil {
		return nil, err
	}
	strat, err := strategies[p.strategy](matrices, p.granularity, p.seed)
	if err != nil {
		return nil, err
	}
	start := bankai.New(m.Digest(), bankai.Meta{})
	return &hunt{
		model: m, plan: p, targets: targets, controls: controls, eval: eval, strat: strat,
		facts: search.Identity(start, eval, strat), start: start,
	}, nil
}

// run searches until a limit is reached or ctx ends, with a journal unless that
// is nil. As search.Run, it may return a result beside an error.
func (a *app) run(ctx context.Context, h *hunt, journal *search.Journal) (*search.Result, error) {
	limits := h.plan.limits
	limits.Journal = journal
	progress := a.meter("search, step", limits.Steps)
	defer progress.stop()
	limits.Progress = func(p search.Progress) { progress.set(p.Step, progressText(p)) }
	result, err := search.Run(ctx, h.eval, h.strat, h.start, limits)
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

// String says in a line how the search goes about it.
func (h *hunt) String() string {
	p := h.plan
	projections := p.projections
	if len(projections) == 0 {
		projections = []string{"gate", "up"}
	}
	layers := "all layers"
	if len(p.layers) > 0 {
		layers = fmt.Sprintf("%d of the layers", len(p.layers))
	}
	return fmt.Sprintf("%s search by %s in %s of %s, climbing the %s %s of %s, with %s",
		p.strategy, p.granularity, strings.Join(projections, " and "), layers,
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
