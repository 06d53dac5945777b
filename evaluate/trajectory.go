package evaluate

import (
	"fmt"
	"html/template"
	"math"

	"bankai/internal/chart"
	"bankai/internal/text"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	plottext "gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
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

func newTrajectoryView(points []Point, validation int) (v trajectoryView, err error) {
	if len(points) == 0 {
		return v, nil
	}
	end := points[len(points)-1]
	v.Cost = text.Thousands(int64(math.Round(end.Cost)))
	if end.Seconds > 0 {
		v.Time = text.Elapsed(end.Seconds)
	}
	label := "Fitness against cost."
	shares := validationShares(points, validation)
	panels := []*plot.Plot{fitnessPanel(points)}
	if len(shares) > 1 { // the start alone tells nothing
		v.Total = validation
		v.Start = rightOf(shares[0], validation)
		v.Last = rightOf(shares[len(shares)-1], validation)
		label = fmt.Sprintf("Above, fitness against cost; below, the share of validation prompts answered right, %d of %d at first and %d at last.", v.Start, v.Total, v.Last)
		panels[0].X.Label.Text, panels[0].X.Tick.Marker = "", plot.ConstantTicks(nil)
		panels = append(panels, validationPanel(shares))
	}
	for i := range points {
		if points[i].Kept {
			v.Kept = &points[i]
		}
	}
	for i, p := range panels {
		p.X.Min, p.X.Max = 0, max(end.Cost, 1)
		if v.Kept != nil {
			markKept(p, v.Kept.Cost, i == 0)
		}
	}
	v.SVG, err = chart.Stack(680, float64(90+170*len(panels)), label, panels...)
	return v, err
}

func fitnessPanel(points []Point) *plot.Plot {
	p := chart.NewPlot(costLabel, "fitness")
	line, dots := trajectory(points)
	chart.AddLine(p, line, chart.Solid, plotter.PostStep)
	chart.AddGlyphs(p, dots, chart.Dot)
	chart.Open(&p.Y)
	return p
}

const costLabel = "cost, forward-pass equivalents"

// trajectory is the line of the fitness over the cost, and the points of it that
// changed the patch.
func trajectory(points []Point) (line, changed plotter.XYs) {
	for i, p := range points {
		if !chart.Finite(p.Fitness) {
			continue
		}
		xy := plotter.XY{X: p.Cost, Y: p.Fitness}
		line = append(line, xy)
		if i > 0 && p.Flips != points[i-1].Flips {
			changed = append(changed, xy)
		}
	}
	return line, changed
}

// validationShares is the percentage of right answers over the cost, wherever it
// was measured.
func validationShares(points []Point, total int) (shares plotter.XYs) {
	for _, p := range points {
		if p.Right != nil && total > 0 {
			shares = append(shares, plotter.XY{X: p.Cost, Y: 100 * float64(*p.Right) / float64(total)})
		}
	}
	return shares
}

// rightOf is the count that a share was made of.
func rightOf(share plotter.XY, total int) int {
	return int(math.Round(share.Y * float64(total) / 100))
}

// validationSpan is the least height of the validation panel in per cent, so
// that a wobble by a prompt or two looks like one.
const validationSpan = 10

// validationPanel draws the shares, and dashed the level of the first.
func validationPanel(shares plotter.XYs) *plot.Plot {
	p := chart.NewPlot(costLabel, "validation, % right")
	first, last := shares[0], shares[len(shares)-1]
	chart.AddLine(p, plotter.XYs{{X: 0, Y: first.Y}, {X: max(last.X, 1), Y: first.Y}}, chart.Dashed, plotter.NoStep)
	chart.AddLine(p, shares, chart.Solid, plotter.NoStep)
	chart.AddGlyphs(p, shares, chart.Dot)
	if short := validationSpan - (p.Y.Max - p.Y.Min); short > 0 {
		p.Y.Min = max(0, min(p.Y.Min-short/2, 100-validationSpan))
		p.Y.Max = p.Y.Min + validationSpan
	}
	return p
}

// markKept draws a line across the panel, and says what it is if named.
func markKept(p *plot.Plot, cost float64, named bool) {
	at := plotter.XYs{{X: cost, Y: p.Y.Min}, {X: cost, Y: p.Y.Max}}
	chart.AddLine(p, at, chart.Dashed, plotter.NoStep)
	if !named {
		return
	}
	style := p.X.Tick.Label
	style.XAlign, style.YAlign = plottext.XLeft, plottext.YTop
	offset := vg.Points(5)
	if cost > 0.9*p.X.Max { // no room to the right; the page's font may be wider
		style.XAlign, offset = plottext.XRight, vg.Points(-9)
	}
	p.Add(&plotter.Labels{XYs: at[1:], Labels: []string{"kept"}, TextStyle: []plottext.Style{style}, Offset: vg.Point{X: offset}})
}
