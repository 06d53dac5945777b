package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strings"

	"bankai"
	"bankai/evaluate"
	"bankai/experiment"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/score"
	"bankai/search"
)

// checkAll refuses what cannot be right whatever the files hold.
func (f *ablateFlags) checkAll() error {
	if err := f.check(); err != nil {
		return err
	}
	if f.probes == "" || f.heldOut == "" {
		return usagef("--probes and --heldout cannot be empty: name a file each")
	}
	limits := search.Config{Steps: int(f.steps), MaxCost: f.maxCost}
	if err := cmp.Or(limits.Check(), (score.Objective{Divergence: f.kl}).Check()); err != nil {
		return flagError(err)
	}
	switch {
	case f.seeds < 1:
		return usagef("--seeds 0: search at least once; 3 or more give intervals")
	case math.IsInf(f.maxCost, 0): // results hold it as a JSON number
		return usagef("--max-cost %v: must be 0 (no limit) or more", f.maxCost)
	case (f.kl > 0) != (f.text != ""):
		return usagef("--kl and --control-text need each other: give the weight and the text")
	}
	for _, l := range levelFlags {
		if f.changed(l.flag) && !slices.Contains(f.vary, l.factor) {
			return usagef("--%s has the levels of a factor that is not varied: add %s to --vary", l.flag, l.factor)
		}
	}
	base, err := f.base()
	if err != nil {
		return err
	}
	_, err = f.variations(base)
	return err
}

// base is the setting around which others vary.
func (f *ablateFlags) base() (s experiment.Setting, err error) {
	projections := f.projections
	if projections == "" {
		projections = strings.Join(score.NewPlan(f.strategy.value).Projections, "+")
	}
	for _, part := range []struct{ factor, flag, value string }{
		{"probes", "base-count", f.baseCount.String()},
		{"strategy", "strategy", f.strategy.String()},
		{"granularity", "granularity", f.granularity},
		{"proj", "proj", projections},
		{"layers", "layers", f.layers},
		{"metric", "metric", f.metric.String()},
	} {
		if s, err = s.With(part.factor, part.value); err != nil {
			return s, usagef("--%s: %v", part.flag, err)
		}
	}
	return s, nil
}

// variations are what --vary asks for, in the order of the factors.
func (f *ablateFlags) variations(base experiment.Setting) (all []experiment.Variation, err error) {
	for _, name := range f.vary {
		if !slices.Contains(experiment.Factors(), name) {
			return nil, usagef("--vary: nothing called %q can be varied: use %s", name, text.Listed(experiment.Factors()))
		}
	}
	for _, l := range levelFlags {
		if !slices.Contains(f.vary, l.factor) {
			continue
		}
		v := experiment.Variation{Factor: l.factor, Values: *f.levels[l.factor]}
		for _, value := range v.Values {
			if _, err := base.With(l.factor, value); err != nil {
				return nil, usagef("--%s: %v", l.flag, err)
			}
		}
		all = append(all, v)
	}
	return all, nil
}

// heldSeed draws the held-out probes, whatever --seed is.
const heldSeed = 1

func (f *ablateFlags) run(ctx context.Context, a *app) error {
	o, facts, err := f.read()
	if err != nil {
		return err
	}
	if len(o.Controls.Set) == 0 {
		a.warn("there are no --controls: nothing keeps the searches from breaking what works now")
	}
	m, err := a.openModel(&f.model)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := fit(m, o.Pool, o.HeldOut, o.Controls); err != nil {
		return err
	}
	if f.kl > 0 {
		warnCut(a.console, m, f.text, o.Text)
	}
	return a.experiment(ctx, &f.experimentFlags, m, "ablate", facts, func(ctx context.Context, r *experiment.Run) (experiment.Result, error) {
		return experiment.MeasureAblate(ctx, r, o)
	})
}

// read reads the files. The facts are what decides a search besides its setting
// and its seed.
func (f *ablateFlags) read() (o experiment.AblateOptions, facts []experiment.Fact, err error) {
	o = experiment.AblateOptions{Seeds: int(f.seeds), Steps: int(f.steps), MaxCost: f.maxCost, Divergence: f.kl}
	if o.Base, err = f.base(); err != nil {
		return o, nil, err
	}
	if o.Vary, err = f.variations(o.Base); err != nil {
		return o, nil, err
	}
	facts = []experiment.Fact{
		{Name: "number of held-out probes", Value: fmt.Sprint(f.held)},
		{Name: "steps", Value: fmt.Sprint(o.Steps)},
		{Name: "cost", Value: fmt.Sprint(o.MaxCost)},
		{Name: "slack", Value: fmt.Sprint(score.NewPlan(o.Base.Strategy).Objective.Slack)},
		{Name: "weight of the divergence", Value: fmt.Sprint(o.Divergence)},
	}
	for _, s := range []struct {
		source string
		name   string
		set    *evaluate.Named
	}{{f.probes, "search probes", &o.Pool}, {f.heldOut, "held-out probes", &o.HeldOut}, {f.controls, "controls", &o.Controls}} {
		var read source.Set
		if s.source != "" {
			if read, err = source.ReadSet(s.source); err != nil {
				return o, nil, err
			}
		}
		*s.set = evaluate.Named{Name: s.source, Set: read.Set}
		facts = append(facts, experiment.Fact{Name: s.name, Value: read.Identity()})
	}
	if n := int(f.held); n > 0 {
		o.HeldOut.Set = o.HeldOut.Set.Draw(n, heldSeed)
	}
	if f.text != "" {
		if o.Text, err = source.ReadLines(f.text); err != nil {
			return o, nil, err
		}
	}
	text := bankai.Digest(sha256.Sum256([]byte(strings.Join(o.Text, "\n"))))
	return o, append(facts, experiment.Fact{Name: "control text", Value: text.String()}), nil
}
