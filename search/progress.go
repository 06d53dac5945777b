package search

import (
	"math"
	"time"
)

func (r *run) seconds() float64 { return r.before + time.Since(r.began).Seconds() }

func (r *run) point() Point {
	return Point{Step: r.res.Steps, Cost: r.res.Cost, Fitness: r.res.Fitness, Flips: r.res.Patch.Len(), Seconds: r.at}
}

func (r *run) progress() Progress {
	p := Progress{Point: r.point(), Steps: r.c.Steps, Accepted: r.res.Accepted, Screened: r.res.Screened}
	elapsed := time.Since(r.began).Seconds()
	if r.fresh < 2 || elapsed <= 0 { // the first is the start, which also pays for what is done once
		return p
	}
	p.Rate = float64(r.fresh) / elapsed
	left := float64(r.c.Steps-r.res.Steps) / p.Rate
	if perStep := r.res.Cost / float64(r.res.Steps+1); r.c.MaxCost > 0 && perStep > 0 {
		left = min(left, max(0, r.c.MaxCost-r.res.Cost)/perStep/p.Rate)
	}
	if r.c.MaxSeconds > 0 {
		left = min(left, max(0, r.c.MaxSeconds-r.seconds()))
	}
	p.ETA = time.Duration(math.Min(left, math.MaxInt32) * float64(time.Second))
	return p
}

// result completes the result with what is only known at the end.
func (r *run) result(stopped Stop) *Result {
	res := r.res
	if n := len(res.Trajectory); n > 0 {
		if last, end := res.Trajectory[n-1], r.point(); last.Step != end.Step || last.Cost != end.Cost || last.Flips != end.Flips {
			res.Trajectory = append(res.Trajectory, end)
		}
	}
	res.Patch = res.Patch.WithMeta(r.cur.Meta())
	res.Seconds = r.seconds()
	res.Stopped = stopped
	return &res
}
