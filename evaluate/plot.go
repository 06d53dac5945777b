package evaluate

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"math"
	"regexp"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A plot is drawn in these colours and the page's style sheet gives them their
// look, light or dark: each stands for a custom property.
var (
	plotInk   = color.NRGBA{1, 2, 3, 255}
	plotFaint = color.NRGBA{1, 2, 4, 255}
	plotLine  = color.NRGBA{1, 2, 5, 255}
	inks      = strings.NewReplacer("#010203", "var(--soft)", "#010204", "var(--rule)", "#010205", "var(--accent)")
)

var (
	solidLine  = draw.LineStyle{Color: plotLine, Width: vg.Points(1.6)}
	dashedLine = draw.LineStyle{Color: plotInk, Width: vg.Points(0.8), Dashes: []vg.Length{vg.Points(4), vg.Points(3)}}
	zeroLine   = draw.LineStyle{Color: plotInk, Width: vg.Points(0.5)}
	dot        = draw.GlyphStyle{Color: plotLine, Radius: vg.Points(2.6), Shape: draw.CircleGlyph{}}
	ring       = draw.GlyphStyle{Color: plotInk, Radius: vg.Points(2.3), Shape: hollow{}}
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

// newPanel is an empty plot with its horizontal grid.
func newPanel(x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	styleAxis(&p.X, x)
	styleAxis(&p.Y, y)
	grid := plotter.NewGrid()
	grid.Horizontal = draw.LineStyle{Color: plotFaint, Width: vg.Points(0.7)}
	grid.Vertical.Color = nil
	p.Add(grid)
	return p
}

func styleAxis(a *plot.Axis, label string) {
	a.Label.Text = label
	a.Label.TextStyle.Font, a.Tick.Label.Font = plotFont, plotFont
	a.Label.TextStyle.Color, a.Tick.Label.Color = plotInk, plotInk
	a.LineStyle = draw.LineStyle{Color: plotFaint} // of no width: the grid is enough
	a.Tick.LineStyle = a.LineStyle
	a.Tick.Length = 0
	a.Padding = vg.Points(6)
}

// plotFont measures the texts; the page's own font writes them.
var plotFont = font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(11)}

// addLine and addGlyphs use literals, as the plotters' constructors refuse to
// have no points; the points must be finite numbers.
func addLine(p *plot.Plot, points plotter.XYs, style draw.LineStyle, steps plotter.StepKind) {
	p.Add(&plotter.Line{XYs: points, LineStyle: style, StepStyle: steps})
}

func addGlyphs(p *plot.Plot, points plotter.XYs, style draw.GlyphStyle) {
	p.Add(&plotter.Scatter{XYs: points, GlyphStyle: style})
}

// drawSVG draws panels of one width below each other as an <svg> element for the
// page, which reads label to those who do not see it. Sizes are in points.
func drawSVG(width, height float64, label string, panels ...*plot.Plot) (template.HTML, error) {
	c := vgsvg.New(vg.Points(width), vg.Points(height))
	column := make([][]*plot.Plot, len(panels))
	for i, p := range panels {
		column[i] = []*plot.Plot{p}
	}
	area := draw.Crop(draw.New(c), 0, vg.Points(-12), 0, vg.Points(-6)) // room for the last label
	for i, row := range plot.Align(column, draw.Tiles{Rows: len(panels), Cols: 1, PadY: vg.Points(12)}, area) {
		panels[i].Draw(row[0])
	}
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return "", fmt.Errorf("drawing %s: %w", label, err)
	}
	return template.HTML(inlineSVG(b.String(), label)), nil
}

var (
	svgSize = regexp.MustCompile(`<svg width="[^"]*" height="[^"]*"`)
	svgFont = regexp.MustCompile(`font-family:[^;"]*`)
)

// inlineSVG turns an SVG document into an element that takes its width, font and
// colours from the page around it.
func inlineSVG(doc, label string) string {
	doc = doc[strings.Index(doc, "<svg"):]
	open := `<svg role="img" aria-label="` + template.HTMLEscapeString(label) + `"`
	doc = svgSize.ReplaceAllLiteralString(doc, open)
	return inks.Replace(svgFont.ReplaceAllString(doc, "font-family:inherit"))
}

// finite reports whether x can be drawn.
func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// open gives an axis a range where the data have none.
func open(a *plot.Axis) {
	switch {
	case a.Min > a.Max: // no data
		a.Min, a.Max = 0, 1
	case a.Min == a.Max:
		a.Min, a.Max = a.Min-0.5, a.Max+0.5
	}
}
