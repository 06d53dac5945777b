package report

import (
	"fmt"
	"html/template"
	"math"

	"bankai/internal/chart"
	"bankai/internal/text"
)

// Point is the state of a search after a step. The first of a trajectory is the
// start, at step 0; costs do not fall.
type Point struct {
	Step    int
	Cost    float64 // spent so far, in forward-pass equivalents
	Fitness float64 // of the patch at this point
	Flips   int     // in that patch
	Seconds float64 // spent so far
	Right   *int    // validation prompts that the model, generating, answers right; nil if not asked
	Kept    bool    // the search returned this state; to be set if it is not the last
}

// trajectoryView is a search's trajectory as the page shows it.
type trajectoryView struct {
	SVG   template.HTML
	Cost  string // forward-pass equivalents in all
	Time  string // in all, "" if it is not known
	Total int    // validation prompts; 0 if there is no panel for them
	Start int    // of them right at the start
	Last  int    // and where they were last asked
	Kept  *Point // nil if it is the last
}

// Trajectory draws a search's trajectory, of any length, as reports show it: the fitness and,
// where it was asked for, the share of the validation prompts answered right, both against
// the cost. The <svg> element takes the colours of the page that it is put into.
func Trajectory(points []Point, validation int) (template.HTML, error) {
	v, err := newTrajectoryView(points, validation)
	return v.SVG, err
}

func newTrajectoryView(points []Point, validation int) (v trajectoryView, err error) {
	if len(points) == 0 {
		return v, nil
	}
	end := points[len(points)-1]
	v.Cost = text.Thousands(int64(math.Round(end.Cost)))
	if end.Seconds > 0 {
		v.Time = text.Elapsed(end.Seconds)
	}
	c := chart.Chart{Name: "trajectory", Width: 680, Alt: "Fitness against cost.", Panels: []chart.Panel{fitnessPanel(points)}}
	shares := validationShares(points, validation)
	if len(shares) > 1 { // the start alone tells nothing
		v.Total = validation
		v.Start = rightOf(shares[0], validation)
		v.Last = rightOf(shares[len(shares)-1], validation)
		c.Alt = fmt.Sprintf("Above, fitness against cost; below, the share of validation prompts answered right, %d of %d at first and %d at last.", v.Start, v.Total, v.Last)
		c.Panels = append(c.Panels, validationPanel(shares))
	}
	for i := range points {
		if points[i].Kept {
			v.Kept = &points[i]
		}
	}
	for i, p := range c.Panels {
		panel := p.(*chart.Lines)
		panel.Height = 180
		panel.HoldX = []float64{0, max(end.Cost, 1)}
		if i == len(c.Panels)-1 {
			panel.X = "cost, forward-pass equivalents"
		}
		if v.Kept != nil {
			panel.At = &v.Kept.Cost
		}
	}
	if v.Kept != nil {
		c.Panels[0].(*chart.Lines).AtName = "kept"
	}
	v.SVG, err = c.Inline()
	return v, err
}

func fitnessPanel(points []Point) *chart.Lines {
	line, changed := trajectory(points)
	return &chart.Lines{Y: "fitness", Series: []chart.Series{{Points: line, Marked: changed, Steps: true}}}
}

// trajectory is the line of the fitness over the cost, and the indices of the points
// of it that changed the patch: none, but not nil, if there are none.
func trajectory(points []Point) (line []chart.Point, changed []int) {
	changed = []int{}
	for i, p := range points {
		if !chart.Finite(p.Fitness) {
			continue
		}
		if i > 0 && p.Flips != points[i-1].Flips {
			changed = append(changed, len(line))
		}
		line = append(line, bare(p.Cost, p.Fitness))
	}
	return line, changed
}

// bare is a point without an interval.
func bare(x, y float64) chart.Point {
	return chart.Point{X: x, Y: y, Low: math.NaN(), High: math.NaN()}
}

// validationShares is the percentage of right answers over the cost, wherever it
// was measured.
func validationShares(points []Point, total int) (shares []chart.Point) {
	for _, p := range points {
		if p.Right != nil && total > 0 {
			shares = append(shares, bare(p.Cost, 100*float64(*p.Right)/float64(total)))
		}
	}
	return shares
}

// rightOf is the count that a share was made of.
func rightOf(share chart.Point, total int) int {
	return int(math.Round(share.Y * float64(total) / 100))
}

// validationSpan is the least height of the validation panel in per cent, so
// that a wobble by a prompt or two looks like one.
const validationSpan = 10

// validationPanel draws the shares, and dashed the level of the first.
func validationPanel(shares []chart.Point) *chart.Lines {
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range shares {
		low, high = min(low, s.Y), max(high, s.Y)
	}
	if short := validationSpan - (high - low); short > 0 {
		low = max(0, min(low-short/2, 100-validationSpan))
		high = low + validationSpan
	}
	return &chart.Lines{
		Y: "validation, % right", HoldY: []float64{low, high}, Level: &shares[0].Y,
		Series: []chart.Series{{Points: shares, Marked: every(len(shares))}},
	}
}

// every is the indices below n.
func every(n int) (all []int) {
	for i := range n {
		all = append(all, i)
	}
	return all
}
