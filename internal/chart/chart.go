// Package chart draws measured figures: as an SVG document, and as an <svg> element
// for a page that is read in light or dark. Equal charts give equal bytes.
package chart

import (
	"fmt"
	"html"
	"html/template"
	"io"
	"math"
)

// Chart is a picture: panels in a grid, drawn in order, row by row.
type Chart struct {
	Name    string  // file name without its ending, such as "robustness"
	Title   string  // shown above; may be empty
	Alt     string  // what the picture shows, for those who do not see it
	Columns int     // of the grid; 0 is 1
	Width   float64 // points; 0 is 640
	Panels  []Panel
}

// Panel is a part of a chart: *Lines, *Scatter, *Bars or *Heat.
type Panel interface {
	// frame is the panel with its axes; width is the room for all of it.
	frame(width float64) *frame
}

// Point is a value at X with its interval. Low and High are NaN where there is
// none. A point whose X or Y is no number, is infinite, or is not above 0 on a
// logarithmic axis, is left out.
type Point struct{ X, Y, Low, High float64 }

// Series is points of one kind. The number of a series in its panel gives it its
// colour and its mark.
type Series struct {
	Name   string
	Points []Point
	Dashed bool
	Steps  bool  // a line that stays level up to the next point
	Marked []int // the points of a line that have a mark; nil for all, unless they are many
	Faint  bool  // of a scatter: in the background, hollow and without a colour
}

// fonts are the font that charts are laid out in, then others of the same widths: in
// a font of a page's own, labels could run into each other.
const fonts = "Liberation Sans,Arimo,Arial,Helvetica,sans-serif"

// SVG writes the chart as a document with a white background. Its size is in points.
func (c *Chart) SVG(w io.Writer) error {
	d, err := c.layout(&printed)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" role="img" width="%spt" height="%spt" viewBox="0 0 %[1]s %[2]s" style="font-family:%[3]s">
<title>%[4]s</title>
<desc>%[5]s</desc>
%[6]s</svg>
`, number(d.width), number(d.height), fonts, html.EscapeString(c.heading()), html.EscapeString(c.description()), d.svg())
	return err
}

// Inline returns the chart as an <svg> element. Its colours are custom
// properties: Style gives them their values.
func (c *Chart) Inline() (template.HTML, error) {
	d, err := c.layout(&paged)
	if err != nil {
		return "", err
	}
	return template.HTML(fmt.Sprintf(`<svg role="img" aria-label="%s" viewBox="0 0 %s %s" style="font-family:%s">
%s</svg>`, template.HTMLEscapeString(c.description()), number(d.width), number(d.height), fonts, d.svg())), nil
}

// heading and description name the chart, whatever of it was left empty.
func (c *Chart) heading() string     { return clean(first(c.Title, c.Alt, c.Name)) }
func (c *Chart) description() string { return clean(first(c.Alt, c.Title, c.Name)) }

func first(texts ...string) string {
	for _, s := range texts {
		if s != "" {
			return s
		}
	}
	return "chart"
}

// size is the width of the chart in points and the columns of its grid.
func (c *Chart) size() (width float64, columns int) {
	width = math.Round(bounded(c.Width, 640, 160, 4000))
	return width, max(1, min(c.Columns, len(c.Panels), int(width/leastColumn)))
}

// leastColumn is the width below which a grid has fewer columns than asked for.
const leastColumn = 150

// bounded is x within [low, high], or usual where x is not set.
func bounded(x, usual, low, high float64) float64 {
	if x == 0 || !Finite(x) {
		return usual
	}
	return min(max(x, low), high)
}

// frames are the panels with their axes; width is that of a column.
func (c *Chart) frames(width float64) ([]*frame, error) {
	frames := make([]*frame, len(c.Panels))
	for i, p := range c.Panels {
		if p == nil {
			return nil, fmt.Errorf("chart %s: panel %d of %d is nil: leave it out", c.Name, i+1, len(c.Panels))
		}
		frames[i] = p.frame(width)
	}
	return frames, nil
}

// Finite reports whether x can be drawn.
func Finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
