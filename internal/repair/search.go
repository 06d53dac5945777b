package repair

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"bankai"
	"bankai/internal/progress"
	"bankai/internal/text"
	"bankai/score"
	"bankai/search"
)

// Search searches until a limit is reached or ctx ends, with a journal unless that
// is nil, and watches what it must not lose sight of, if anything. As search.Run, it may
// return a result beside an error.
func Search(ctx context.Context, w progress.Watcher, s *score.Setup, watch *search.Validation, journal *search.Journal) (*search.Result, error) {
	limits := s.Plan.Limits
	limits.Journal, limits.Validation = journal, watch
	meter := w.Meter(searchWord, searchUnits)
	defer func() { meter.Stop() }()
	resumed := journal != nil && journal.Len() > 0
	limits.Progress = func(p search.Progress) {
		done := searchDone(p, limits)
		if from, ok := w.(progress.Resumer); ok && resumed && p.Rate > 0 { // what the journal knew took no time
			meter.Stop()
			meter, resumed = from.MeterFrom(searchWord, done, searchUnits), false
		}
		meter.Set(done, progressText(p))
	}
	return s.Run(ctx, limits)
}

const searchWord = "search"

// searchUnits is the whole of a search, as its meter counts.
const searchUnits = 10_000

// searchDone is how far a search is, in searchUnits: to its candidates, its
// cost or its time, whichever it will reach first.
func searchDone(p search.Progress, limits search.Config) int64 {
	share := float64(p.Step) / float64(p.Steps)
	if limits.MaxCost > 0 {
		share = max(share, p.Cost/limits.MaxCost)
	}
	if limits.MaxSeconds > 0 {
		share = max(share, p.Seconds/limits.MaxSeconds)
	}
	return int64(searchUnits * min(1, share))
}

func progressText(p search.Progress) string {
	said := fmt.Sprintf("fitness %+.3f, %s, candidate %d", p.Fitness, text.Count(p.Flips, "flip"), p.Step)
	switch {
	case p.Rate >= 0.1:
		said += fmt.Sprintf(", %.1f/s", p.Rate)
	case p.Rate > 0:
		said += ", " + text.Elapsed(1/p.Rate) + " each"
	}
	return said
}

// endedBy says why a search ended, and which flag would let it go on.
func endedBy(stop search.Stop, l search.Config) string {
	switch stop {
	case search.StopSteps:
		return fmt.Sprintf("--steps %d", l.Steps)
	case search.StopFlips:
		return fmt.Sprintf("--max-flips %d", l.MaxFlips)
	case search.StopCost:
		return fmt.Sprintf("--max-cost %g", l.MaxCost)
	case search.StopTime:
		return fmt.Sprintf("--minutes %g", l.MaxSeconds/60)
	case search.StopExhausted:
		return "having nothing left to try (--proj, --layers and --granularity say what there is)"
	case search.StopOverfit:
		return "--validate, whose answers got worse while the fitness rose"
	}
	return string(stop)
}

// FoundBy is the provenance of what a search finds in the model called name, by targets of
// which one is called noun.
func FoundBy(s *score.Setup, name, noun string) bankai.Meta {
	return bankai.Meta{BaseModel: name, Metric: aimsOf(s.Targets), Description: methodOf(s, noun), Arithmetic: s.Model.Weights().Arithmetic()}
}

// said is a provenance with what people say of the patch, before how it was found.
func said(by, meta bankai.Meta) bankai.Meta {
	meta.Author, meta.License = by.Author, by.License
	if by.Description != "" {
		meta.Description = by.Description + "; " + meta.Description
	}
	return meta
}

// aimsOf names what items are scored by.
func aimsOf(items []score.Item) string {
	var names []string
	for _, i := range items {
		if name := i.Aim.String(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// Spent adds to a provenance what the search cost, in forward-pass equivalents.
func Spent(m bankai.Meta, cost float64) bankai.Meta {
	m.Description += fmt.Sprintf(", for the work of %.0f passes over all of them", cost)
	return m
}

// methodOf says in a line how a search goes about it.
func methodOf(s *score.Setup, noun string) string {
	p := s.Plan
	var sizes []string
	for _, size := range p.Sizes {
		sizes = append(sizes, size.String())
	}
	layers := "all layers"
	if len(p.Layers) > 0 {
		layers = fmt.Sprintf("%d of the layers", len(p.Layers))
	}
	held := text.Count(len(s.Controls), "control")
	if n := len(p.Keep); n > 0 && len(s.Controls) == 0 {
		held = "a guard of " + text.Count(n, "text") + " to hold on to"
	}
	return fmt.Sprintf("%s search by %s in %s of %s, climbing the %s %s of %s, with %s",
		p.Method, strings.Join(sizes, ", "), text.Listed(p.Projections), layers,
		p.Objective.Reduce, aimsOf(s.Targets), text.Count(len(s.Targets), noun), held)
}
