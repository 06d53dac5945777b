package chart

import (
	"math"
	"slices"
)

// Lines draws series over a continuous X: a line, a mark at each point, and the
// interval of each as a whisker, or as a band where the points are many. The line
// is interrupted at points that are left out.
type Lines struct {
	Title, X, Y string
	LogX, LogY  bool
	Series      []Series
	Level       *float64 // a dashed horizontal line, for reference
	LevelName   string
	At          *float64 // a dashed upright line, from a value of X
	AtName      string
	HoldX       []float64 // values that the axes reach, besides those of the points
	HoldY       []float64
	Height      float64 // of the panel in all, in points; 0 is chosen to suit
}

const (
	markRadius = 3
	fewPoints  = 16 // have whiskers, more a band
	manyPoints = 60 // have no marks on their line, or small ones
)

func levelStroke(t *theme) stroke { return stroke{t.soft, 1, true} }

func (l *Lines) frame(width float64) *frame {
	xs, ys := slices.Clone(l.HoldX), slices.Clone(l.HoldY)
	for _, s := range l.Series {
		for _, p := range s.Points {
			if drawable(p.X, l.LogX) && drawable(p.Y, l.LogY) {
				xs, ys = append(xs, p.X), append(ys, p.Y, p.Low, p.High)
			}
		}
	}
	keys := seriesKeys(l.Series, lineKey)
	if l.Level != nil {
		ys = append(ys, *l.Level)
		if l.LevelName != "" {
			keys = append(named(l.Series, lineKey), key{name: l.LevelName, kind: levelKey})
		}
	}
	f := &frame{title: l.Title, keys: keys, x: continuous(l.X, l.LogX, xs), y: continuous(l.Y, l.LogY, ys), draw: l.draw}
	f.y.vertical, f.y.grid = true, true
	if len(l.HoldX) == 0 {
		f.x.prefer = few(xs)
	}
	f.size(l.Height, width)
	return f
}

// few is the different values of some, in order, or none if they are many: then
// round numbers mark an axis better.
func few(values []float64) []float64 {
	slices.Sort(values)
	if values = slices.Compact(values); len(values) > 9 {
		return nil
	}
	return values
}

// size sets the height of a panel of so much width, or of its area if no height
// is given.
func (f *frame) size(height, width float64) {
	f.total = bounded(height, 0, leastArea, 4000)
	f.height = min(max(0.42*width, 150), 230)
}

// seriesKeys is the legend of series; one needs none.
func seriesKeys(series []Series, kind keyKind) []key {
	if len(series) < 2 {
		return nil
	}
	return named(series, kind)
}

// named is the keys of those series that have a name.
func named(series []Series, kind keyKind) (keys []key) {
	for i, s := range series {
		if s.Name != "" {
			keys = append(keys, key{s.Name, i, kind, s.Dashed, s.Faint})
		}
	}
	return keys
}

func (l *Lines) draw(a *area) {
	if l.Level != nil && drawable(*l.Level, l.LogY) {
		y := a.up(*l.Level)
		a.line(levelStroke(a.theme), spot{a.left, y}, spot{a.left + a.width, y})
	}
	l.drawAt(a)
	for i, s := range l.Series {
		for _, run := range l.runs(s.Points) {
			if len(s.Points) > fewPoints {
				a.band(run, a.color(i).faded(0.2))
			}
		}
	}
	for i, s := range l.Series {
		shift := l.shift(i)
		for _, run := range l.runs(s.Points) {
			path := make([]spot, len(run))
			for j, p := range run {
				path[j] = a.at(p.X, p.Y)
				path[j].x += shift
				if len(s.Points) <= fewPoints {
					a.whisker(spot{path[j].x, a.end(p.Low, path[j].y)}, spot{path[j].x, a.end(p.High, path[j].y)}, a.color(i))
				}
			}
			line := path
			if s.Steps {
				line = stepped(path)
			}
			a.line(stroke{a.color(i), 1.8, s.Dashed}, line...)
			if s.Marked == nil && (len(s.Points) <= manyPoints || len(run) == 1) {
				for _, at := range path {
					a.mark(i, at, markRadius)
				}
			}
		}
		for _, j := range s.Marked {
			if p := s.Points[j]; drawable(p.X, l.LogX) && drawable(p.Y, l.LogY) {
				a.mark(i, spot{a.across(p.X) + shift, a.up(p.Y)}, markRadius)
			}
		}
	}
}

// drawAt draws the upright line, and its name at the foot of it, on the side that has
// more room: lines that matter rise, and leave the lower right free.
func (l *Lines) drawAt(a *area) {
	if l.At == nil || !drawable(*l.At, l.LogX) {
		return
	}
	x := a.across(*l.At)
	a.line(levelStroke(a.theme), spot{x, a.top}, spot{x, a.top + a.height})
	side, gap := start, 5.0
	if x > a.left+float64(0.9*a.width) {
		side, gap = end, -5
	}
	a.text(clean(l.AtName), spot{x + gap, a.top + a.height - lineOf(tickFont)/2}, side, tickFont, a.soft)
}

// stepped goes level to the place of the next spot, and then up or down to it.
func stepped(path []spot) (steps []spot) {
	for i, s := range path {
		if i > 0 {
			steps = append(steps, spot{s.x, path[i-1].y})
		}
		steps = append(steps, s)
	}
	return steps
}

// runs is the points without those that are left out, cut there.
func (l *Lines) runs(points []Point) (runs [][]Point) {
	open := false
	for _, p := range points {
		if !drawable(p.X, l.LogX) || !drawable(p.Y, l.LogY) {
			open = false
			continue
		}
		if !open {
			runs, open = append(runs, nil), true
		}
		runs[len(runs)-1] = append(runs[len(runs)-1], p)
	}
	return runs
}

// shift moves a series sideways by a few points, so that the whiskers of several
// at one X can be told apart.
func (l *Lines) shift(i int) float64 {
	n, at := 0, 0
	for j, s := range l.Series {
		if j == i {
			at = n
		}
		if len(s.Points) <= fewPoints && s.intervals() {
			n++
		}
	}
	if n < 2 || !l.Series[i].intervals() || len(l.Series[i].Points) > fewPoints {
		return 0
	}
	return (float64(at) - float64(n-1)/2) * min(4, 14/float64(n))
}

// intervals reports whether any point has an interval.
func (s *Series) intervals() bool {
	for _, p := range s.Points {
		if Finite(p.Low) || Finite(p.High) {
			return true
		}
	}
	return false
}

// end is the height of the end of an interval, or otherwise where there is none.
func (a *area) end(v, otherwise float64) float64 {
	if math.Abs(v) <= 1e100 {
		return a.up(v)
	}
	return otherwise
}

// band fills the space between the intervals of successive points.
func (a *area) band(run []Point, color ink) {
	var over, under []spot
	for _, p := range run {
		s := a.at(p.X, p.Y)
		over = append(over, spot{s.x, a.end(p.High, s.y)})
		under = append(under, spot{s.x, a.end(p.Low, s.y)})
	}
	for i := len(under) - 1; i >= 0; i-- {
		over = append(over, under[i])
	}
	if len(over) > 2 {
		a.fill(color, over...)
	}
}

// whisker draws an interval between two places, upright or level.
func (p *pen) whisker(from, to spot, color ink) {
	if from == to {
		return
	}
	look := stroke{color: color, width: 1.1}
	p.line(look, from, to)
	for _, s := range []spot{from, to} {
		if from.x == to.x {
			p.line(look, spot{s.x - 2.5, s.y}, spot{s.x + 2.5, s.y})
		} else {
			p.line(look, spot{s.x, s.y - 2.5}, spot{s.x, s.y + 2.5})
		}
	}
}
