package chart

import "math"

// BarSeries is the bars of one colour, one for each group. The X of its values is
// not used.
type BarSeries struct {
	Name   string
	Values []Point
}

// Bars draws groups of bars from 0, upright or level, with a whisker for each
// interval. Names label the groups, Value the axis of the values.
type Bars struct {
	Title, Value string
	Names        []string
	Series       []BarSeries
	Horizontal   bool
	Level        *float64 // a dashed line, for reference
	Height       float64  // of the panel in all, in points; 0 is chosen to suit
}

func (b *Bars) frame(width float64) *frame {
	n := len(b.Names)
	var values []float64
	var keys []key
	for i, s := range b.Series {
		n = max(n, len(s.Values))
		if len(b.Series) > 1 && s.Name != "" {
			keys = append(keys, key{name: s.Name, series: i, kind: barKey})
		}
		for _, p := range s.Values {
			if drawable(p.Y, false) {
				values = append(values, p.Y, p.Low, p.High)
			}
		}
	}
	if b.Level != nil {
		values = append(values, *b.Level)
	}
	f := &frame{title: b.Title, keys: keys, draw: b.draw}
	f.size(b.Height, width)
	f.x, f.y = categories("", b.Names, n), continuous(b.Value, false, values, 0)
	f.y.grid = true
	f.most = float64(max(n, 1) * max(120, 34*len(b.Series)))
	if b.Horizontal {
		f.most = 0
		f.x, f.y = f.y, f.x
		f.height = min(float64(max(n, 1)*max(20, 11*len(b.Series)+9)), 4000)
	}
	f.y.vertical = true
	return f
}

// filled is the share of the room for a group that its bars fill.
const filled = 0.72

func (b *Bars) draw(a *area) {
	thick := filled / float64(max(len(b.Series), 1))
	for i, s := range b.Series {
		for j, p := range s.Values {
			if !drawable(p.Y, false) {
				continue
			}
			from := float64(j) - filled/2 + float64(i)*thick
			room := 0.06 * thick // between neighbours
			a.box(a.color(i), b.at(a, from+room, 0), b.at(a, from+thick-room, p.Y))
			b.interval(a, from+thick/2, p)
		}
	}
	first, last := -0.5, a.x.high
	if b.Horizontal {
		last = a.y.high
	}
	a.line(stroke{color: a.soft, width: 0.9}, b.at(a, first, 0), b.at(a, last, 0))
	if b.Level != nil && drawable(*b.Level, false) {
		a.line(levelStroke(a.theme), b.at(a, first, *b.Level), b.at(a, last, *b.Level))
	}
}

func (b *Bars) interval(a *area, place float64, p Point) {
	low, high := p.Y, p.Y
	if math.Abs(p.Low) <= 1e100 {
		low = p.Low
	}
	if math.Abs(p.High) <= 1e100 {
		high = p.High
	}
	a.whisker(b.at(a, place, low), b.at(a, place, high), a.theme.text)
}

// at is the place of a value in a group.
func (b *Bars) at(a *area, group, value float64) spot {
	if b.Horizontal {
		return a.at(value, group)
	}
	return a.at(group, value)
}
