package search

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"bankai"
)

// Voter is one of several searches whose patches are put to the vote. Each
// has drawn its own probes, so that a flip which only suits one draw is outvoted.
type Voter struct {
	Evaluator Evaluator
	Strategy  Strategy
	Journal   *Journal // may be nil
	Unit      float64  // what a cost of 1 by Evaluator is by that of the vote
	Release   func()   // frees what Evaluator keeps, once its search is over; may be nil
}

// Vote runs every voter from the patch cur, and returns the patch of what at least
// least of them chose, measured by ev on all probes; of more of them if that would
// be beyond the limits or floors. The steps and the cost of c are those of all
// voters together. Costs are in the unit of ev.
//
// When ctx ends there is no vote: the result is the fittest patch of a voter.
func Vote(ctx context.Context, ev Evaluator, voters []Voter, least int, cur *bankai.Patch, c Config) (*Result, error) {
	if len(voters) == 0 || least < 1 || least > len(voters) {
		return nil, fmt.Errorf("search: %d votes of %d: must be from 1 to the number of draws", least, len(voters))
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	sum := &Result{Patch: cur}
	var found []*Result
	for i, v := range voters {
		r, err := v.run(ctx, cur, c, len(voters), i, sum)
		if r == nil {
			return sum, err
		}
		found = append(found, r)
		sum.add(r, v.Unit)
		if err != nil || r.Stopped == StopInterrupted {
			sum.settle(found)
			return sum, err
		}
	}
	err := sum.count(ctx, ev, found, least, cur, c)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		sum.settle(found)
		sum.Stopped, err = StopInterrupted, nil
	}
	return sum, err
}

// settle takes the fittest of the voters' patches, for want of a vote.
func (r *Result) settle(found []*Result) {
	best := slices.MaxFunc(found, func(a, b *Result) int { return cmp.Compare(a.Fitness, b.Fitness) })
	r.Patch, r.Final, r.Fitness = best.Patch, best.Final, best.Fitness
}

// count counts the votes. If what was chosen exceeds the limits, or breaks a floor,
// it takes more votes.
func (r *Result) count(ctx context.Context, ev Evaluator, found []*Result, least int, cur *bankai.Patch, c Config) error {
	patches := make([]*bankai.Patch, len(found))
	for i, f := range found {
		patches[i] = f.Patch
	}
	for ; ; least++ {
		r.Patch = cur
		if least <= len(found) {
			r.Patch = Majority(patches, least).WithMeta(cur.Meta())
			if large, err := c.exceededBy(r.Patch); err != nil {
				return err
			} else if large {
				continue
			}
		}
		scores, err := ev.Score(ctx, r.Patch, []Move{{}})
		if err != nil {
			return fmt.Errorf("search: %w", err)
		}
		r.Final, r.Fitness = scores[0], scores[0].Fitness
		r.Cost += scores[0].Cost
		if least <= len(found) && math.IsInf(r.Fitness, -1) {
			continue
		}
		return r.voted(ctx, found[0], c)
	}
}

// voted ends the trajectory with what was voted for, and looks at it. A draw's
// patch is the one of its own with the most right answers; the vote's is not
// exchanged for one of those, and what they were warned of does not hold for it.
func (r *Result) voted(ctx context.Context, first *Result, c Config) error {
	p := Point{Step: r.Steps, Cost: r.Cost, Fitness: r.Fitness, Flips: r.Patch.Len(), Seconds: r.Seconds}
	if c.Validation != nil {
		right, err := c.validate(ctx, r.Patch, func() float64 { return r.Seconds })
		if err != nil {
			return err
		}
		n := count(right)
		p.Right = &n
		checkpoint := Checkpoint{p, right, r.Patch, r.Final}
		r.Checkpoints = append(r.Checkpoints, checkpoint)
		r.Warning = beside(first.Checkpoints[0], checkpoint, r.Patch.Len() > 0)
	}
	r.Trajectory = append(r.Trajectory, p)
	return nil
}

// Limits are those of the search of one voter of n, given those of the vote.
func (v Voter) Limits(c Config, n int) Config {
	c.Journal = v.Journal
	c.Steps = max(1, c.Steps/n)
	c.MaxCost /= float64(float64(n) * v.Unit)
	return c
}

// run is the search of the i-th voter of n.
func (v Voter) run(ctx context.Context, cur *bankai.Patch, c Config, n, i int, before *Result) (*Result, error) {
	if v.Release != nil { // the memory of one evaluator has to do for all draws
		defer v.Release()
	}
	c = v.Limits(c, n)
	if report := c.Progress; report != nil {
		c.Progress = func(p Progress) {
			p.Step, p.Cost, p.Steps = p.Step+before.Steps, float64(p.Cost*v.Unit)+before.Cost, p.Steps*n
			p.ETA *= time.Duration(n - i) // the others take about as long
			report(p)
		}
	}
	return Run(ctx, v.Evaluator, v.Strategy, cur, c)
}

// add counts a voter's search in, the cost of whose passes is unit times that of a
// forward-pass equivalent.
func (r *Result) add(o *Result, unit float64) {
	for _, p := range o.Trajectory {
		p.Step, p.Cost, p.Seconds = p.Step+r.Steps, r.Cost+float64(p.Cost*unit), p.Seconds+r.Seconds
		r.Trajectory = append(r.Trajectory, p)
	}
	r.Outcomes = append(r.Outcomes, o.Outcomes...)
	r.Checkpoints = append(r.Checkpoints, o.Checkpoints...)
	r.Warning = cmp.Or(r.Warning, o.Warning)
	r.Cost += float64(o.Cost * unit)
	r.Seconds += o.Seconds
	r.Steps += o.Steps
	r.Accepted += o.Accepted
	r.Screened += o.Screened
	r.Start = o.Start
	r.Stopped = o.Stopped
}

// Majority is the patch of the weights that at least a given number of the patches flip.
// It has no Meta.
func Majority(patches []*bankai.Patch, least int) *bankai.Patch {
	type edge struct {
		bankai.Flip        // Col is the place, N is not used
		step        int    // 1 where a flip begins, -1 where it ends
		col         uint64 // beyond the end of a row for ToEnd
	}
	var edges []edge
	for _, p := range patches {
		for _, f := range p.Flips() {
			end := uint64(f.Col) + uint64(f.N)
			if f.N == bankai.ToEnd {
				end = bankai.ToEnd
			}
			edges = append(edges, edge{f, 1, uint64(f.Col)}, edge{f, -1, end})
		}
	}
	slices.SortFunc(edges, func(a, b edge) int {
		return cmp.Or(cmp.Compare(a.Tensor, b.Tensor), cmp.Compare(a.Row, b.Row), cmp.Compare(a.col, b.col), cmp.Compare(b.step, a.step))
	})
	var flips []bankai.Flip
	votes, from := 0, uint64(0)
	for _, e := range edges {
		if votes += e.step; e.step > 0 && votes == least {
			from = e.col
		} else if e.step < 0 && votes == least-1 && e.col > from {
			f := bankai.Flip{Tensor: e.Tensor, Row: e.Row, Col: uint32(from), N: uint32(e.col - from)}
			if e.col == bankai.ToEnd {
				f.N = bankai.ToEnd
			}
			flips = append(flips, f)
		}
	}
	return bankai.New(patches[0].Base(), bankai.Meta{}, flips...)
}
