package chart

import (
	"math"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// pen draws on a canvas. Points are counted from the left and from above.
type pen struct {
	canvas draw.Canvas
	height float64
	*theme
}

// spot is a place on the canvas.
type spot struct{ x, y float64 }

func (p *pen) at(s spot) vg.Point { return vg.Point{X: vg.Points(s.x), Y: vg.Points(p.height - s.y)} }

// align says which part of a text is at its place: 0 its beginning, 0.5 its
// middle, 1 its end.
type align float64

// text writes a line at the place s, on which its capitals are centred vertically.
func (p *pen) text(text string, s spot, a align, f font.Font, color ink) {
	s.x -= float64(a) * widthOf(text, f)
	s.y += capital / 2 * f.Size.Points()
	p.write(text, p.at(s), f, color)
}

// turned writes a line from below to above; its capitals are centred horizontally.
func (p *pen) turned(text string, s spot, a align, f font.Font, color ink) {
	s.y += float64(a) * widthOf(text, f)
	s.x += capital / 2 * f.Size.Points()
	p.canvas.Push()
	p.canvas.Translate(p.at(s))
	p.canvas.Rotate(math.Pi / 2)
	p.write(text, vg.Point{}, f, color)
	p.canvas.Pop()
}

func (p *pen) write(text string, at vg.Point, f font.Font, color ink) {
	if text == "" {
		return
	}
	p.canvas.SetColor(color)
	p.canvas.FillString(face(f), at, text)
}

// stroke is how a line looks.
type stroke struct {
	color  ink
	width  float64
	dashed bool
}

func (p *pen) line(look stroke, spots ...spot) {
	if len(spots) < 2 {
		return
	}
	style := draw.LineStyle{Color: look.color, Width: vg.Points(look.width)}
	if look.dashed {
		style.Dashes = []vg.Length{vg.Points(5), vg.Points(3.5)}
	}
	p.canvas.SetLineStyle(style)
	p.canvas.Stroke(p.path(spots, false))
}

func (p *pen) fill(color ink, spots ...spot) {
	p.canvas.SetColor(color)
	p.canvas.Fill(p.path(spots, true))
}

func (p *pen) path(spots []spot, closed bool) (path vg.Path) {
	for i, s := range spots {
		if i == 0 {
			path.Move(p.at(s))
		} else {
			path.Line(p.at(s))
		}
	}
	if closed {
		path.Close()
	}
	return path
}

// box fills the rectangle between two corners.
func (p *pen) box(color ink, a, b spot) {
	p.fill(color, a, spot{b.x, a.y}, b, spot{a.x, b.y})
}

// shapes are the marks of series, as corners around their middle; the first,
// without corners, is a circle.
var shapes = [4][]spot{
	nil,
	{{-0.9, -0.9}, {0.9, -0.9}, {0.9, 0.9}, {-0.9, 0.9}},
	{{0, -1.25}, {1.15, 0.85}, {-1.15, 0.85}},
	{{0, -1.3}, {1.3, 0}, {0, 1.3}, {-1.3, 0}},
}

// mark draws the mark of series i: four shapes filled, then the four hollow. The
// colours begin again after eight series, and then with other marks.
func (p *pen) mark(i int, s spot, radius float64) {
	kind := (i + i/len(p.series)) % (2 * len(shapes))
	shape := shapes[kind%len(shapes)]
	var path vg.Path
	if shape == nil {
		at := p.at(s)
		path.Move(vg.Point{X: at.X + vg.Points(radius), Y: at.Y})
		path.Arc(at, vg.Points(radius), 0, 2*math.Pi)
		path.Close()
	} else {
		corners := make([]spot, len(shape))
		for j, c := range shape {
			corners[j] = spot{s.x + radius*c.x, s.y + radius*c.y}
		}
		path = p.path(corners, true)
	}
	if kind < len(shapes) {
		p.canvas.SetColor(p.color(i))
		p.canvas.Fill(path)
		return
	}
	p.canvas.SetLineStyle(draw.LineStyle{Color: p.color(i), Width: vg.Points(1.2)})
	p.canvas.Stroke(path)
}

// color is that of series i.
func (p *pen) color(i int) ink { return p.series[i%len(p.series)] }
