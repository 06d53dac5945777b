package chart

import "strings"

// frame is a panel before it is drawn: two axes around an area, and what is in
// the area.
type frame struct {
	title  string
	keys   []key
	x, y   axis
	height float64 // of the area
	total  float64 // of the panel in all, which then decides; 0 if not
	most   float64 // width of the area; 0 for any
	draw   func(*area)
}

// area is where the data are, on a canvas.
type area struct {
	*pen
	left, top, width, height float64
	x, y                     *axis
}

func (a *area) at(x, y float64) spot { return spot{a.across(x), a.up(y)} }

func (a *area) across(x float64) float64 { return a.left + float64(a.width*a.x.norm(x)) }
func (a *area) up(y float64) float64     { return a.top + float64(a.height*(1-a.y.norm(y))) }

// The distances of the parts of a panel, in points.
const (
	labelGap  = 7  // between an area and the labels of its ticks
	titleGap  = 5  // between these and the label of the axis
	rightRoom = 12 // for the half of the last label
	leastArea = 40 // height
)

// before is the width that the labels left of the area take, and below the height
// of those under it.
func (f *frame) before() float64 {
	return f.y.room() + labelGap + lines(len(f.yLabel()))
}

func (f *frame) below(width float64) float64 {
	height := float64(0)
	switch {
	case f.x.turned:
		height = f.x.room() + labelGap
	case len(f.x.ticks) > 0:
		height = lineOf(tickFont) + labelGap
	}
	return height + lines(len(fold(f.x.label, labelFont, width)))
}

// yLabel is the label of the vertical axis in lines that are no longer than the area is
// high.
func (f *frame) yLabel() []string { return fold(f.y.label, labelFont, f.height) }

// longestWord is the most points that a word of the vertical label makes an area high.
const longestWord = 90

// makeRoom makes the area high enough for the longest word of its vertical label.
func (f *frame) makeRoom() {
	f.height = max(f.height, min(longestWord, widest(strings.Fields(clean(f.y.label)), labelFont)))
}

// lines is the room for n lines of the label of an axis.
func lines(n int) float64 {
	if n == 0 {
		return 0
	}
	return titleGap + float64(n)*lineOf(labelFont)
}

// drawAxes draws the grid and the labels around an area.
func (f *frame) drawAxes(a *area) {
	bottom := a.top + a.height
	grid := stroke{color: a.rule, width: 0.7}
	for _, t := range f.y.ticks {
		y := a.up(t.at)
		if f.y.grid {
			a.line(grid, spot{a.left, y}, spot{a.left + a.width, y})
		}
		a.text(t.label, spot{a.left - labelGap, y}, end, tickFont, a.soft)
	}
	for _, t := range f.x.ticks {
		x := a.across(t.at)
		if f.x.grid {
			a.line(grid, spot{x, a.top}, spot{x, bottom})
		}
		if f.x.turned {
			a.turned(t.label, spot{x, bottom + labelGap}, end, tickFont, a.soft)
		} else {
			a.text(t.label, spot{x, bottom + labelGap + lineOf(tickFont)/2}, middle, tickFont, a.soft)
		}
	}
	f.drawLabels(a)
}

func (f *frame) drawLabels(a *area) {
	y := a.top + a.height + f.below(a.width)
	under := fold(f.x.label, labelFont, a.width)
	for i, line := range under {
		up := (float64(len(under)-i) - 0.5) * lineOf(labelFont)
		a.text(line, spot{a.left + a.width/2, y - up}, middle, labelFont, a.soft)
	}
	for i, line := range f.yLabel() {
		x := a.left - f.before() + (float64(i)+0.5)*lineOf(labelFont)
		a.turned(line, spot{x, a.top + a.height/2}, middle, labelFont, a.soft)
	}
}
