package experiment

import (
	"context"

	"bankai/evaluate"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// search is the plan of a search. The fitness is that of the base but for the
// metric: what a strategy brings along is how it screens and prunes.
func (o AblateOptions) search(s Setting, seed uint64) score.Plan {
	p := score.NewPlan(s.Strategy)
	p.Objective = score.NewPlan(o.Base.Strategy).Objective
	p.Objective.Metric, _ = probe.ParseMetric(s.Metric)
	p.Objective.Divergence, p.Text = o.Divergence, o.Text
	p.Sizes, _ = sizesOf(s.Granularity)
	p.Layers, p.Projections, p.Seed = s.Layers, s.Projections, seed
	p.Limits.Steps, p.Limits.MaxCost = o.Steps, o.MaxCost
	return p
}

func (o AblateOptions) setup(r *Run, s Setting, seed uint64) (*score.Setup, error) {
	return score.NewSetup(r.Model, o.Pool.Set.Draw(s.Probes, seed), o.Controls.Set, o.search(s, seed))
}

// run searches once and measures the patch.
func (o AblateOptions) run(ctx context.Context, r *Run, s Setting, seed uint64) (p ablatePiece, err error) {
	set, err := o.setup(r, s, seed)
	if err != nil {
		return p, err
	}
	found, err := set.Run(ctx, set.Plan.Limits)
	if err != nil {
		return p, err
	}
	if found.Stopped == search.StopInterrupted {
		return p, ctx.Err()
	}
	bits, _ := found.Patch.Bits()
	size, err := found.Patch.ContentSize()
	if err != nil {
		return p, err
	}
	p.Run = AblateRun{
		Seed: seed, Fitness: Number(found.Fitness), Flips: found.Patch.Len(), Bits: bits, Bytes: int(size),
		Cost: found.Cost, Took: found.Seconds, Steps: found.Steps, Stopped: found.Stopped, Patch: found.Patch.ContentDigest().String(),
	}
	overlay, err := r.Model.Overlay(found.Patch)
	if err != nil {
		return p, err
	}
	before, err := evaluate.Right(ctx, r.Model, nil, set.Targets)
	if err != nil {
		return p, err
	}
	after, err := evaluate.Right(ctx, r.Model, overlay, set.Targets)
	if err != nil {
		return p, err
	}
	p.Run.Own = countOf(before, after)
	p.HeldOut, err = evaluate.Right(ctx, r.Model, overlay, o.HeldOut.Set)
	return p, err
}

// countOf counts answers that are right without a patch and with it.
func countOf(before, after []bool) evaluate.Counts {
	c := evaluate.Counts{Total: len(before)}
	for i := range before {
		c.Before += one(before[i])
		c.After += one(after[i])
		c.Fixed += one(!before[i] && after[i])
		c.Broke += one(before[i] && !after[i])
	}
	return c
}
