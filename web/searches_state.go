package web

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"bankai/internal/text"
	"bankai/search"
)

// searchState is how far a search is, or what it came to.
type searchState struct {
	Line     int      `json:"line"` // of its journal
	Step     int      `json:"step"` // candidates decided
	Steps    int      `json:"steps"`
	Accepted int      `json:"accepted"`
	Cost     float64  `json:"cost"` // forward-pass equivalents
	Fitness  float64  `json:"fitness"`
	Flips    int      `json:"flips"`
	Right    *int     `json:"right"` // of Total; null while nobody looked, and without a validation set
	Total    int      `json:"total"`
	Looked   *lookDoc `json:"looked,omitempty"` // Right is not of the patch as it is, but of this one
	Seconds  float64  `json:"seconds"`
	Rate     float64  `json:"rate"`         // candidates a second
	Left     float64  `json:"left_seconds"` // 0 while it cannot be told
	Share    float64  `json:"share"`        // of the way to the limit that comes first, 0 to 1
	// Said is the same in the words of the command line.
	Said map[string]string `json:"said"`
}

// state is how far the search is; when it is done, what it came to.
func (r *searchRun) state(phase searchPhase) searchState {
	f, limits := r.follower, r.asked.limits()
	s := searchState{
		Line: f.Lines, Step: f.Step, Steps: limits.Steps, Accepted: f.Accepted, Cost: f.Cost, Fitness: f.Fitness, Flips: f.Flips,
		Total: f.Total, Seconds: f.Seconds, Rate: f.Rate, Left: f.Left(limits).Seconds(),
	}
	points := make([]search.Point, len(f.Points))
	for i, p := range f.Points {
		points[i] = p.Point
	}
	result := r.result
	if result != nil && f.Step > result.Steps {
		result = nil // the search went on, and died
	}
	if d := result; d != nil {
		s.Step, s.Accepted, s.Cost, s.Fitness, s.Flips, s.Seconds = d.Steps, d.Accepted, d.Cost.ForwardEquivalents, d.Fitness, d.Flips, d.Cost.Seconds
		points = d.Trajectory
	}
	s.look(points)
	if d := result; d != nil && d.Validate != nil {
		s.Right, s.Total, s.Looked = &d.Validate.After, d.Validate.Total, nil
	}
	if s.Total == 0 {
		s.Total = r.asked.Validate.Probes
	}
	if phase != phaseSearching {
		s.Left = 0
	}
	s.Share = s.share(limits)
	s.Said = s.said()
	return s
}

// lookDoc is when the answers to the validation set were looked at.
type lookDoc struct {
	Step  int    `json:"step"`
	Flips int    `json:"flips"` // of the patch then
	Said  string `json:"said"`  // "at candidate 170, 87 flips"
}

// look finds the last look at the answers in a trajectory, or an earlier one under the patch as
// it is, which may be one that the search went back to.
func (s *searchState) look(points []search.Point) {
	for _, p := range slices.Backward(points) {
		if p.Right == nil {
			continue
		}
		if p.Fitness == s.Fitness && p.Flips == s.Flips {
			s.Right, s.Looked = p.Right, nil
			return
		}
		if s.Right == nil {
			s.Right, s.Looked = p.Right, lookAt(p)
		}
	}
}

// lookAt is a look at a point of a trajectory.
func lookAt(p search.Point) *lookDoc {
	said := fmt.Sprintf("at candidate %d, %s", p.Step, text.Count(p.Flips, "flip"))
	if p.Flips == 0 {
		said = "without the patch"
	}
	return &lookDoc{p.Step, p.Flips, said}
}

// share is how far the search is to its steps, its cost or its time, whichever is next.
func (s *searchState) share(limits search.Config) float64 {
	share := float64(s.Step) / float64(limits.Steps)
	if limits.MaxCost > 0 {
		share = max(share, s.Cost/limits.MaxCost)
	}
	if limits.MaxSeconds > 0 {
		share = max(share, s.Seconds/limits.MaxSeconds)
	}
	return min(1, share)
}

// said puts a state into the words of the command line.
func (s *searchState) said() map[string]string {
	said := map[string]string{
		"fitness":    fmt.Sprintf("%+.4f", s.Fitness),
		"spent":      spent(s.Cost),
		"cost":       text.Measure(s.Cost, "forward-pass equivalent"),
		"candidates": text.Count(s.Step, "candidate"),
		"seconds":    text.Elapsed(s.Seconds),
		"flips":      text.Count(s.Flips, "flip"),
	}
	if s.Rate > 0 {
		said["rate"] = fmt.Sprintf("%.1f/s", s.Rate)
	}
	if s.Left > 0 {
		said["left"] = time.Duration(s.Left * float64(time.Second)).Round(time.Second).String()
	}
	return said
}

// spent is a cost without its unit.
func spent(cost float64) string { return strings.Fields(text.Measure(cost, "pass"))[0] }
