package chart

import (
	"bytes"
	"fmt"
	"html/template"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// What follows are the parts of pictures that do not go with the panels: plots
// with lines in steps and marks of their own, on a page that gives them their
// colours.

var (
	pageSoft   = placeholder(0)
	pageRule   = placeholder(1)
	pageAccent = placeholder(2)
)

// The lines and marks of plots on a page.
var (
	Solid  = draw.LineStyle{Color: pageAccent, Width: vg.Points(1.6)}
	Dashed = draw.LineStyle{Color: pageSoft, Width: vg.Points(0.8), Dashes: []vg.Length{vg.Points(4), vg.Points(3)}}
	Thin   = draw.LineStyle{Color: pageSoft, Width: vg.Points(0.5)}
	Dot    = draw.GlyphStyle{Color: pageAccent, Radius: vg.Points(2.6), Shape: draw.CircleGlyph{}}
	Ring   = draw.GlyphStyle{Color: pageSoft, Radius: vg.Points(2.3), Shape: hollow{}}
)

// hollow is a circle with a line that can be seen on any screen; gonum's is half
// as wide.
type hollow struct{}

// DrawGlyph implements draw.GlyphDrawer.
func (hollow) DrawGlyph(c *draw.Canvas, style draw.GlyphStyle, at vg.Point) {
	c.SetLineStyle(draw.LineStyle{Color: style.Color, Width: vg.Points(1)})
	var path vg.Path
	path.Move(vg.Point{X: at.X + style.Radius, Y: at.Y})
	path.Arc(at, style.Radius, 0, 2*math.Pi)
	path.Close()
	c.Stroke(path)
}

// NewPlot is an empty plot for a page, with its horizontal grid; x and y label
// the axes.
func NewPlot(x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	styleAxis(&p.X, x)
	styleAxis(&p.Y, y)
	grid := plotter.NewGrid()
	grid.Horizontal = draw.LineStyle{Color: pageRule, Width: vg.Points(0.7)}
	grid.Vertical.Color = nil
	p.Add(grid)
	return p
}

func styleAxis(a *plot.Axis, label string) {
	a.Label.Text = label
	a.Label.TextStyle.Font, a.Tick.Label.Font = regular(11), regular(11)
	a.Label.TextStyle.Color, a.Tick.Label.Color = pageSoft, pageSoft
	a.LineStyle = draw.LineStyle{Color: pageRule} // of no width: the grid is enough
	a.Tick.LineStyle = a.LineStyle
	a.Tick.Length = 0
	a.Padding = vg.Points(6)
}

// AddLine and AddGlyphs use literals, as the plotters' constructors refuse to
// have no points; the points must be finite numbers.

// AddLine draws a line through points.
func AddLine(p *plot.Plot, points plotter.XYs, style draw.LineStyle, steps plotter.StepKind) {
	p.Add(&plotter.Line{XYs: points, LineStyle: style, StepStyle: steps})
}

// AddGlyphs draws a mark at each of the points.
func AddGlyphs(p *plot.Plot, points plotter.XYs, style draw.GlyphStyle) {
	p.Add(&plotter.Scatter{XYs: points, GlyphStyle: style})
}

// Stack draws plots of one width below each other as an <svg> element for a
// page, which reads label to those who do not see it. Sizes are in points.
func Stack(width, height float64, label string, plots ...*plot.Plot) (template.HTML, error) {
	c := vgsvg.New(vg.Points(width), vg.Points(height))
	column := make([][]*plot.Plot, len(plots))
	for i, p := range plots {
		column[i] = []*plot.Plot{p}
	}
	area := draw.Crop(draw.New(c), 0, vg.Points(-12), 0, vg.Points(-6)) // room for the last label
	for i, row := range plot.Align(column, draw.Tiles{Rows: len(plots), Cols: 1, PadY: vg.Points(12)}, area) {
		plots[i].Draw(row[0])
	}
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return "", fmt.Errorf("drawing %s: %w", label, err)
	}
	return template.HTML(inlineSVG(b.String(), label, "inherit")), nil
}

// Finite reports whether x can be drawn.
func Finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// Open gives an axis a range where the data have none.
func Open(a *plot.Axis) {
	switch {
	case a.Min > a.Max: // no data
		a.Min, a.Max = 0, 1
	case a.Min == a.Max:
		a.Min, a.Max = a.Min-0.5, a.Max+0.5
	}
}
