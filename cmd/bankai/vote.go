package main

import (
	"context"
	"fmt"
	"slices"

	"bankai/probe"
	"bankai/search"
)

// vote lets several draws of the probes search, and keeps what enough of them
// chose.
func (h *hunt) vote(ctx context.Context, limits search.Config) (*search.Result, error) {
	var voters []search.Voter
	for i := range h.plan.draws {
		p := h.plan
		p.seed += uint64(i)
		targets, objective := h.half(p.seed)
		eval, err := h.evaluator(targets, objective)
		if err != nil {
			return nil, err
		}
		strat, err := strategies[p.strategy](h.matrices, p)
		if err != nil {
			return nil, err
		}
		v := search.Voter{Evaluator: eval, Strategy: strat}
		if j := limits.Journal; j != nil {
			if v.Journal, err = j.Part(fmt.Sprint("draw", i+1), search.Identity(h.start, eval, strat)); err != nil {
				return nil, err
			}
		}
		voters = append(voters, v)
	}
	return search.Vote(ctx, h.eval, voters, h.plan.votes, h.start, limits)
}

// half draws half of each target set.
func (h *hunt) half(seed uint64) (probe.Set, search.Objective) {
	o := h.plan.objective
	if len(o.Sets) == 0 {
		return draw(h.targets.Set, (len(h.targets.Set)+1)/2, seed), o
	}
	var drawn probe.Set
	rest := h.targets.Set
	o.Sets = slices.Clone(o.Sets)
	for i, s := range o.Sets {
		part := draw(rest[:s.Probes], (s.Probes+1)/2, seed)
		drawn, rest = append(drawn, part...), rest[s.Probes:]
		o.Sets[i].Probes = len(part)
	}
	return drawn, o
}
