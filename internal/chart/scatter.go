package chart

// Scatter draws points, with a mark for each series and a whisker for an
// interval, and if wanted the line on which X and Y are equal. (There is none
// where one axis alone is logarithmic.)
type Scatter struct {
	Title, X, Y string
	LogX, LogY  bool
	Series      []Series
	Diagonal    bool
	Zero        bool    // the axes hold 0, and a thin line is where Y is
	Height      float64 // of the panel in all, in points; 0 is chosen to suit
}

func (s *Scatter) frame(width float64) *frame {
	var xs, ys []float64
	for _, series := range s.Series {
		for _, p := range series.Points {
			if drawable(p.X, s.LogX) && drawable(p.Y, s.LogY) {
				xs, ys = append(xs, p.X), append(ys, p.Y, p.Low, p.High)
			}
		}
	}
	var zero []float64
	if s.Zero {
		zero = []float64{0}
	}
	f := &frame{
		title: s.Title, keys: seriesKeys(s.Series, markKey),
		x: continuous(s.X, s.LogX, xs, zero...), y: continuous(s.Y, s.LogY, ys, zero...),
		draw: s.draw,
	}
	f.y.vertical, f.x.grid, f.y.grid = true, true, true
	f.size(s.Height, width)
	return f
}

func (s *Scatter) draw(a *area) {
	if s.Zero && !s.LogY {
		a.line(stroke{color: a.soft, width: 0.6}, spot{a.left, a.up(0)}, spot{a.left + a.width, a.up(0)})
	}
	low, high := max(a.x.low, a.y.low), min(a.x.high, a.y.high)
	if s.Diagonal && s.LogX == s.LogY && low < high {
		a.line(levelStroke(a.theme), a.at(low, low), a.at(high, high))
	}
	for _, background := range []bool{true, false} {
		for i, series := range s.Series {
			if series.Faint == background {
				s.drawSeries(a, i)
			}
		}
	}
}

func (s *Scatter) drawSeries(a *area, i int) {
	series := s.Series[i]
	radius := float64(markRadius)
	if len(series.Points) > manyPoints {
		radius = 2
	}
	for _, p := range series.Points {
		if !drawable(p.X, s.LogX) || !drawable(p.Y, s.LogY) {
			continue
		}
		at := a.at(p.X, p.Y)
		a.whisker(spot{at.x, a.end(p.Low, at.y)}, spot{at.x, a.end(p.High, at.y)}, a.color(i))
		if series.Faint {
			a.faint(at, radius)
		} else {
			a.mark(i, at, radius)
		}
	}
}
