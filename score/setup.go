package score

import (
	"context"
	"fmt"
	"slices"

	"bankai"
	"bankai/engine"
	"bankai/probe"
	"bankai/search"
)

// Setup is a search that is ready to go.
type Setup struct {
	Plan      Plan
	Model     *engine.Model
	Targets   []Item
	Controls  []Item
	Matrices  []search.Matrix
	Evaluator *Evaluator
	Facts     []search.Fact // all that decides how it goes, for [OpenJournal]
	Start     *bankai.Patch // empty; its metadata is that of the result

	// Searcher, if set, may let the search, or the draws of a vote, go ahead elsewhere. It
	// changes nothing of what is found.
	Searcher Searcher

	strategy planned
	measurer func(*Evaluator) (Measurer, error) // see Divide
}

// NewSetup prepares the search that a plan asks for. It goes once: its strategy
// remembers what it tried.
func NewSetup(m *engine.Model, targets, controls []Item, p Plan) (*Setup, error) {
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("score: %w", err)
	}
	s := &Setup{Plan: p, Model: m, Targets: targets, Controls: controls, Start: bankai.New(m.Digest(), bankai.Meta{})}
	var err error
	if s.Matrices, err = Matrices(m.Weights(), p.Layers, p.Projections); err != nil {
		return nil, err
	}
	if s.Evaluator, err = s.evaluator(targets, p.Objective); err != nil {
		return nil, err
	}
	if s.strategy, err = p.strategy(s.Matrices, s.Evaluator.Epoch()); err != nil {
		return nil, err
	}
	s.Facts = search.Identity(s.Start, s.Evaluator, s.strategy)
	if p.Method == MethodVote {
		s.Facts = append(s.Facts, search.Fact{Name: "vote", Value: fmt.Sprint(p.Votes, " of ", p.Draws)})
	}
	return s, nil
}

// Divide lets what measurer makes for an evaluator measure instead of this machine alone,
// see [Evaluator.Divide]: for Evaluator now, and for those of a vote's draws.
func (s *Setup) Divide(measurer func(*Evaluator) (Measurer, error)) error {
	s.measurer = measurer
	return s.divide(s.Evaluator)
}

func (s *Setup) divide(e *Evaluator) error {
	if s.measurer == nil {
		return nil
	}
	m, err := s.measurer(e)
	if err != nil {
		return err
	}
	e.Divide(m)
	return nil
}

// evaluator measures patches on some of the targets.
func (s *Setup) evaluator(targets []Item, o Objective) (*Evaluator, error) {
	var tensors []string
	for _, w := range s.Matrices {
		tensors = append(tensors, w.Name)
	}
	return NewEvaluator(s.Model, targets, s.Controls, Options{
		Objective: o, Screen: s.Plan.Screen, Tensors: tensors, Text: s.Plan.Text, Keep: s.Plan.Keep, Samples: s.Plan.samples(),
	})
}

// Run searches with limits, usually the plan's with a journal and what watches
// the run. The result's patch knows the model's shapes. As [search.Run], it may return a
// result beside an error.
func (s *Setup) Run(ctx context.Context, limits search.Config) (*search.Result, error) {
	limits.Shape = s.Model.Weights().Shape
	var result *search.Result
	var err error
	if s.Plan.Method == MethodVote {
		result, err = s.vote(ctx, limits)
	} else {
		result, err = search.Run(ctx, s.Evaluator, s.strategy, s.Start, s.ahead(ctx, limits))
	}
	if result == nil {
		return nil, err
	}
	fitted, fitErr := result.Patch.Fit(limits.Shape)
	if fitErr != nil {
		return nil, fitErr
	}
	result.Patch = fitted
	return result, err
}

// vote lets several draws of the targets search, and keeps what enough of them
// chose.
func (s *Setup) vote(ctx context.Context, limits search.Config) (*search.Result, error) {
	var voters []search.Voter
	var jobs []Job
	for i := range s.Plan.Draws {
		p := s.Plan
		p.Seed += uint64(i)
		targets, objective := s.half(p.Seed)
		eval, err := s.evaluator(targets, objective)
		if err != nil {
			return nil, err
		}
		if err := s.divide(eval); err != nil {
			return nil, err
		}
		strat, err := p.strategy(s.Matrices, s.Evaluator.Epoch())
		if err != nil {
			return nil, err
		}
		v := search.Voter{Evaluator: eval, Strategy: strat, Unit: eval.full / s.Evaluator.full, Release: eval.Release}
		facts := search.Identity(s.Start, eval, strat)
		if j := limits.Journal; j != nil {
			if v.Journal, err = j.Part(fmt.Sprint("draw", i+1), facts); err != nil {
				return nil, err
			}
		} else if s.Searcher != nil {
			v.Journal = search.NewJournal(facts)
		}
		voters, jobs = append(voters, v), append(jobs, s.drawJob(targets, p, objective))
	}
	s.drawsAhead(ctx, voters, jobs, limits)
	return search.Vote(ctx, s.Evaluator, voters, s.Plan.Votes, s.Start, limits)
}

// half draws half of each target set.
func (s *Setup) half(seed uint64) ([]Item, Objective) {
	o := s.Plan.Objective
	if len(o.Sets) == 0 {
		return probe.Draw(s.Targets, (len(s.Targets)+1)/2, seed), o
	}
	var drawn []Item
	rest := s.Targets
	o.Sets = slices.Clone(o.Sets)
	for i, share := range o.Sets {
		part := probe.Draw(rest[:share.Probes], (share.Probes+1)/2, seed)
		drawn, rest = append(drawn, part...), rest[share.Probes:]
		o.Sets[i].Probes = len(part)
	}
	return drawn, o
}
