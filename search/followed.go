package search

import (
	"math"
	"time"

	"bankai"
)

// Followed is how far a run is, as its journal tells while another process writes it.
type Followed struct {
	Lines    int  // of the journal, its header included
	Point         // where the run is now, but for Right, which is of the last look at the answers
	Total    int  // answers that are watched; 0 if none are
	Accepted int  // candidates kept
	Pruning  bool // the search is over, and what is of no use is taken out
	Written  bool // the patch was written, and nothing was tried since
	Rate     float64
	// Points are the trajectory so far, each with the move that led to it.
	Points []FollowedPoint
}

// FollowedPoint is a point of a trajectory as a journal tells of it.
type FollowedPoint struct {
	Point
	Line int           // of the journal, the last one that this follows from
	Move []bankai.Flip // whose flips were XORed into the patch before it; none at the start, or at a look
	Gain float64       // of the fitness
}

// Left is the time to the first of the limits of steps, cost and time, at the rate so far;
// 0 while it cannot be told.
func (f *Followed) Left(c Config) time.Duration {
	if f.Rate <= 0 {
		return 0
	}
	left := float64(c.Steps-f.Step) / f.Rate
	if perStep := f.Cost / float64(f.Step+1); c.MaxCost > 0 && perStep > 0 {
		left = min(left, max(0, c.MaxCost-f.Cost)/perStep/f.Rate)
	}
	if c.MaxSeconds > 0 {
		left = min(left, max(0, c.MaxSeconds-f.Seconds))
	}
	return time.Duration(math.Min(max(0, left), math.MaxInt32) * float64(time.Second))
}
