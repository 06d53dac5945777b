package experiment

import (
	"context"
	"errors"
	"fmt"
	"math"

	"bankai/internal/report"
	"bankai/internal/stats"
	"bankai/measure"
	"bankai/probe"
	"bankai/score"
	"bankai/search"
)

// AblateOptions says which searches to compare.
type AblateOptions struct {
	Pool     measure.Named // probes that every search draws its own from
	HeldOut  measure.Named // probes that no search sees
	Controls measure.Named // probes that all searches watch; may be empty
	Text     []string      // lines to hold on to, if Divergence is not 0

	Base    Setting
	Vary    []Variation
	Seeds   int     // searches of each setting, from the run's seed on
	Steps   int     // candidates a search may try
	MaxCost float64 // forward-pass equivalents a search may spend, 0 for no limit

	Divergence float64 // weight of the divergence on Text in the fitness
}

// Variation is values of one factor, all else being as in the base. They are
// spelled as [Setting.With] takes them.
type Variation struct {
	Factor string
	Values []string
}

// Ablate is what searches find that differ in one thing from a base: how much
// they gain on their own probes, and on probes that they never saw.
type Ablate struct {
	report.About
	Pool       string  `json:"pool"`
	PoolSize   int     `json:"pool_size"`
	HeldOut    string  `json:"held_out"`
	Held       int     `json:"held"`     // held-out probes
	HeldBase   int     `json:"held_own"` // held-out probes that the unpatched model answers right
	Controls   string  `json:"controls"`
	Watched    int     `json:"watched"` // controls
	Seeds      int     `json:"seeds"`
	Steps      int     `json:"steps"`
	MaxCost    float64 `json:"max_cost"`
	Slack      float64 `json:"slack"`
	Divergence float64 `json:"divergence"`

	Settings []Ablated       `json:"settings"` // the base is the first
	Factors  []AblatedFactor `json:"factors"`
}

// AblatedFactor is the levels of a factor, as indices of Ablate.Settings.
type AblatedFactor struct {
	Name   string `json:"name"`
	Levels []int  `json:"levels"`
}

// Ablated is the searches of one setting, a run for each seed. Estimates are
// means over the runs with their intervals.
type Ablated struct {
	Name string `json:"name"` // "base", or what differs
	Setting
	Runs []AblateRun `json:"runs"`

	OwnGain   report.Estimate  `json:"own_gain"`  // right answers gained, as a share of the search's own probes
	HeldGain  report.Estimate  `json:"held_gain"` // right answers gained, as a share of the held-out probes
	Memorised report.Estimate  `json:"memorised"` // OwnGain less HeldGain
	Fixed     report.Estimate  `json:"fixed"`     // held-out probes
	Broke     report.Estimate  `json:"broke"`
	Net       report.Estimate  `json:"net"`         // fixed less broke
	NetP      report.NullFloat `json:"net_p"`       // of the test that Net is 0
	NetHolm   report.NullFloat `json:"net_p_holm"`  // corrected for the number of settings
	HeldRight report.Estimate  `json:"held_right"`  // share answered right
	Flips     report.Estimate  `json:"flips"`       // of the patch
	Bytes     report.Estimate  `json:"bytes"`       // of its file, without provenance
	Passes    report.Estimate  `json:"passes"`      // forward-pass equivalents
	Seconds   report.Estimate  `json:"seconds"`     // of a search
	FromBase  report.Estimate  `json:"from_base"`   // net less that of the base with the same seed
	FromBaseP report.NullFloat `json:"from_base_p"` // of the test that FromBase is 0; null for the base
	FromHolm  report.NullFloat `json:"from_base_p_holm"`
}

// AblateRun is one search and what its patch does.
type AblateRun struct {
	Seed    uint64           `json:"seed"`
	Own     measure.Counts   `json:"own"` // the probes it searched with
	HeldOut measure.Counts   `json:"held_out"`
	Fitness report.NullFloat `json:"fitness"`
	Flips   int              `json:"flips"`
	Bits    uint64           `json:"bits"`
	Bytes   int              `json:"bytes"`
	Cost    float64          `json:"cost"` // forward-pass equivalents
	Took    float64          `json:"took"` // seconds
	Steps   int              `json:"steps"`
	Stopped search.Stop      `json:"stopped"`
	Patch   string           `json:"patch"` // its content digest
}

// MeasureAblate searches with every setting and seed, and lets the model answer
// the probes of the search and the held-out ones with each patch and without. A
// seed draws the probes and is the seed of the strategy.
func MeasureAblate(ctx context.Context, r *Run, o AblateOptions) (*Ablate, error) {
	x, err := o.plan()
	if err != nil {
		return nil, err
	}
	if err := o.check(ctx, r, x); err != nil {
		return nil, err
	}
	keys := []string{"the model's own answers to the held-out probes"}
	for i := range o.Seeds { // seed by seed, so that the time left is predicted well
		for _, s := range x.Settings {
			keys = append(keys, fmt.Sprintf("%s, seed %d", s.Setting, r.Seed+uint64(i)))
		}
	}
	pieces, err := Each(ctx, r, keys, func(ctx context.Context, i int) (p ablatePiece, err error) {
		if i == 0 {
			p.HeldOut, err = measure.Right(ctx, r.Model, nil, o.HeldOut.Set)
			return p, err
		}
		at, seed := (i-1)%len(x.Settings), (i-1)/len(x.Settings)
		return o.run(ctx, r, x.Settings[at].Setting, r.Seed+uint64(seed))
	})
	if err != nil {
		return nil, err
	}
	own := pieces[0].HeldOut
	x.HeldBase = CountsOf(own, own).Before
	for i, p := range pieces[1:] {
		s := &x.Settings[i%len(x.Settings)]
		p.Run.HeldOut = CountsOf(own, p.HeldOut)
		s.Runs = append(s.Runs, p.Run)
	}
	x.sumUp()
	return x, nil
}

// ablatePiece is a piece of the work: a search and what came of it, or the
// unpatched model's answers alone.
type ablatePiece struct {
	Run     AblateRun `json:"run"`      // without HeldOut
	HeldOut []bool    `json:"held_out"` // which of the held-out probes are answered right
}

// plan is the settings to measure, each once, without their runs.
func (o AblateOptions) plan() (*Ablate, error) {
	for _, f := range factors {
		if _, err := o.Base.With(f, o.Base.value(f)); err != nil {
			return nil, fmt.Errorf("the base: %w", err)
		}
	}
	x := &Ablate{
		Pool: o.Pool.Name, PoolSize: len(o.Pool.Set), HeldOut: o.HeldOut.Name, Held: len(o.HeldOut.Set),
		Controls: o.Controls.Name, Watched: len(o.Controls.Set), Seeds: o.Seeds, Steps: o.Steps, MaxCost: o.MaxCost,
		Slack: o.search(o.Base, 0).Objective.Slack, Divergence: o.Divergence,
		Settings: []Ablated{{Name: "base", Setting: o.Base}},
	}
	at := map[string]int{o.Base.String(): 0}
	for _, v := range o.Vary {
		f := AblatedFactor{Name: v.Factor}
		for _, value := range v.Values {
			s, err := o.Base.With(v.Factor, value)
			if err != nil {
				return nil, err
			}
			i, there := at[s.String()]
			if !there {
				i = len(x.Settings)
				at[s.String()] = i
				x.Settings = append(x.Settings, Ablated{Name: levelName(v.Factor, s), Setting: s})
			}
			f.Levels = append(f.Levels, i)
		}
		x.Factors = append(x.Factors, f)
	}
	return x, nil
}

// levelName is what a setting is called that differs from the base in a factor.
func levelName(factor string, s Setting) string {
	switch value := s.value(factor); factor {
	case "probes":
		return value + " probes"
	case "layers":
		return "layers " + value
	default:
		return value
	}
}

// check refuses what cannot be measured, before the first search.
func (o AblateOptions) check(ctx context.Context, r *Run, x *Ablate) error {
	switch {
	case o.Seeds < 1:
		return errors.New("0 seeds: give at least 1, and 3 or more for intervals")
	case len(o.HeldOut.Set) == 0:
		return errors.New("there are no held-out probes: give some that no search uses")
	case o.Steps < 1:
		return errors.New("0 steps: let a search try at least 1 candidate")
	case !(o.MaxCost >= 0) || math.IsInf(o.MaxCost, 0):
		return fmt.Errorf("a cost of %v: must be 0 (no limit) or more", o.MaxCost)
	case !(o.Divergence >= 0) || math.IsInf(o.Divergence, 0):
		return fmt.Errorf("a weight of %v for the divergence: must be a finite number, 0 or more", o.Divergence)
	}
	for _, s := range x.Settings {
		if s.Probes > len(o.Pool.Set) {
			return fmt.Errorf("%s has %d probes, too few to draw %d: give a larger file, or smaller numbers", o.Pool.Name, len(o.Pool.Set), s.Probes)
		}
		if _, err := o.setup(r, s.Setting, r.Seed); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	for _, seen := range []measure.Named{o.Pool, o.Controls} {
		found, err := measure.Audit(ctx, seen.Set, probe.AnswerLogprob, []measure.Named{o.HeldOut}, nil, nil)
		if err != nil {
			return err
		}
		if leaks := found.Of(measure.Leakage, measure.Fatal); len(leaks) > 0 {
			return fmt.Errorf("%s: %d of its prompts are held out too, the first: %s: take them out (see bankai audit)", seen.Name, len(leaks), leaks[0].Detail)
		}
	}
	return nil
}

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

// drawn are the probes of a search.
func (o AblateOptions) drawn(s Setting, seed uint64) probe.Set {
	return o.Pool.Set.Draw(s.Probes, seed)
}

func (o AblateOptions) setup(r *Run, s Setting, seed uint64) (*score.Setup, error) {
	plan := o.search(s, seed)
	targets, controls, err := score.OfProbes(r.Model.Tokenizer(), o.drawn(s, seed), o.Controls.Set, plan.Objective.Metric)
	if err != nil {
		return nil, err
	}
	return score.NewSetup(r.Model, targets, controls, plan)
}

// run searches once and measures the patch.
func (o AblateOptions) run(ctx context.Context, r *Run, s Setting, seed uint64) (p ablatePiece, err error) {
	set, err := o.setup(r, s, seed)
	if err != nil {
		return p, err
	}
	set.Searcher = r.Searcher
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
		Seed: seed, Fitness: report.NullFloat(found.Fitness), Flips: found.Patch.Len(), Bits: bits, Bytes: int(size),
		Cost: found.Cost, Took: found.Seconds, Steps: found.Steps, Stopped: found.Stopped, Patch: found.Patch.ContentDigest().String(),
	}
	overlay, err := r.Model.Overlay(found.Patch)
	if err != nil {
		return p, err
	}
	drawn := o.drawn(s, seed)
	before, err := measure.Right(ctx, r.Model, nil, drawn)
	if err != nil {
		return p, err
	}
	after, err := measure.Right(ctx, r.Model, overlay, drawn)
	if err != nil {
		return p, err
	}
	p.Run.Own = CountsOf(before, after)
	p.HeldOut, err = measure.Right(ctx, r.Model, overlay, o.HeldOut.Set)
	return p, err
}

// sumUp works out the estimates from the runs.
func (x *Ablate) sumUp() {
	base := x.Settings[0].Runs
	var net, fromBase []*report.NullFloat // p-values, and below their corrections
	var netHolm, fromHolm []*report.NullFloat
	for i := range x.Settings {
		s := &x.Settings[i]
		s.sumUp()
		net, netHolm = append(net, &s.NetP), append(netHolm, &s.NetHolm)
		differences := make([]float64, len(s.Runs))
		for k, run := range s.Runs {
			differences[k] = float64(run.net() - base[k].net())
		}
		s.FromBase, s.FromBaseP, s.FromHolm = report.MeanOf(differences), report.NullFloat(math.NaN()), report.NullFloat(math.NaN())
		if i > 0 {
			s.FromBaseP = report.NullFloat(stats.MeanTest(differences))
			fromBase, fromHolm = append(fromBase, &s.FromBaseP), append(fromHolm, &s.FromHolm)
		}
	}
	correct(net, netHolm)
	correct(fromBase, fromHolm)
}

// sumUp works out the means over the runs of a setting.
func (s *Ablated) sumUp() {
	mean := func(of func(r AblateRun) float64) report.Estimate {
		values := make([]float64, len(s.Runs))
		for i, r := range s.Runs {
			values[i] = of(r)
		}
		return report.MeanOf(values)
	}
	s.OwnGain = mean(func(r AblateRun) float64 { return gainShare(r.Own) })
	s.HeldGain = mean(func(r AblateRun) float64 { return gainShare(r.HeldOut) })
	s.Memorised = mean(func(r AblateRun) float64 { return gainShare(r.Own) - gainShare(r.HeldOut) })
	s.Fixed = mean(func(r AblateRun) float64 { return float64(r.HeldOut.Fixed) })
	s.Broke = mean(func(r AblateRun) float64 { return float64(r.HeldOut.Broke) })
	s.Net = mean(func(r AblateRun) float64 { return float64(r.net()) })
	s.HeldRight = mean(func(r AblateRun) float64 { return float64(r.HeldOut.After) / float64(r.HeldOut.Total) })
	s.Flips = mean(func(r AblateRun) float64 { return float64(r.Flips) })
	s.Bytes = mean(func(r AblateRun) float64 { return float64(r.Bytes) })
	s.Passes = mean(func(r AblateRun) float64 { return r.Cost })
	s.Seconds = mean(func(r AblateRun) float64 { return r.Took })
	values := make([]float64, len(s.Runs))
	for i, r := range s.Runs {
		values[i] = float64(r.net())
	}
	s.NetP, s.NetHolm = report.NullFloat(stats.MeanTest(values)), report.NullFloat(math.NaN())
}

// net is how many more held-out answers are right.
func (r AblateRun) net() int { return r.HeldOut.Fixed - r.HeldOut.Broke }

// gainShare is how many more answers are right, as a share of all.
func gainShare(c measure.Counts) float64 { return float64(c.After-c.Before) / float64(c.Total) }

// correct sets the p-values, corrected by Holm's method for how many of them are
// defined.
func correct(values, corrected []*report.NullFloat) {
	var p []float64
	var to []*report.NullFloat
	for i, v := range values {
		if !math.IsNaN(float64(*v)) {
			p, to = append(p, float64(*v)), append(to, corrected[i])
		}
	}
	for i, c := range stats.Holm(p) {
		*to[i] = report.NullFloat(c)
	}
}
