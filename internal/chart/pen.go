package chart

import (
	"fmt"
	"html"
	"strconv"
	"strings"
)

// pen writes the elements of an SVG document. Points are counted from the left and
// from above.
type pen struct {
	strings.Builder
	*theme
}

// spot is a place on the canvas.
type spot struct{ x, y float64 }

// String is a place as attributes write it, to a hundredth of a point: what is less
// cannot be seen, and would depend on how a processor rounds.
func (s spot) String() string { return number(s.x) + "," + number(s.y) }

func number(v float64) string {
	s := strings.TrimRight(strings.TrimRight(strconv.FormatFloat(v, 'f', 2, 64), "0"), ".")
	if s == "-0" {
		return "0"
	}
	return s
}

// align says which part of a text is at its place.
type align string

const (
	start  align = "start"
	middle align = "middle"
	end    align = "end"
)

// text writes a line at the place s, on which its capitals are centred vertically.
func (p *pen) text(text string, s spot, a align, f font, color ink) {
	s.y += capital / 2 * f.size
	p.write(text, fmt.Sprintf(`x="%s" y="%s"`, number(s.x), number(s.y)), a, f, color)
}

// turned writes a line from below to above; its capitals are centred horizontally.
func (p *pen) turned(text string, s spot, a align, f font, color ink) {
	s.x += capital / 2 * f.size
	p.write(text, fmt.Sprintf(`transform="translate(%v) rotate(-90)"`, s), a, f, color)
}

func (p *pen) write(text, place string, a align, f font, color ink) {
	if text == "" {
		return
	}
	style := color.fill() + ";font-size:" + number(f.size) + "px"
	if f.bold {
		style += ";font-weight:bold"
	}
	if a != start {
		style += ";text-anchor:" + string(a)
	}
	fmt.Fprintf(p, "<text %s style=\"%s\">%s</text>\n", place, style, html.EscapeString(text))
}

// stroke is how a line looks.
type stroke struct {
	color  ink
	width  float64
	dashed bool
}

func (s stroke) style() string {
	style := "fill:none;" + s.color.stroke() + ";stroke-width:" + number(s.width)
	if s.dashed {
		style += ";stroke-dasharray:5,3.5"
	}
	return style
}

func (p *pen) line(look stroke, spots ...spot) {
	if len(spots) > 1 {
		p.path(look.style(), spots, "")
	}
}

func (p *pen) fill(color ink, spots ...spot) { p.path(color.fill(), spots, "Z") }

func (p *pen) path(style string, spots []spot, end string) {
	p.WriteString(`<path d="`)
	step := "M"
	for _, s := range spots {
		p.WriteString(step + s.String())
		step = "L"
	}
	fmt.Fprintf(p, "%s\" style=\"%s\"/>\n", end, style)
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
	style := p.color(i).fill()
	if kind >= len(shapes) {
		style = stroke{color: p.color(i), width: 1.2}.style()
	}
	shape := shapes[kind%len(shapes)]
	if shape == nil {
		p.circle(s, radius, style)
		return
	}
	corners := make([]spot, len(shape))
	for j, c := range shape {
		corners[j] = spot{s.x + radius*c.x, s.y + radius*c.y}
	}
	p.path(style, corners, "Z")
}

func (p *pen) circle(s spot, radius float64, style string) {
	fmt.Fprintf(p, "<circle cx=\"%s\" cy=\"%s\" r=\"%s\" style=\"%s\"/>\n", number(s.x), number(s.y), number(radius), style)
}

// faint is the mark of a series in the background.
func (p *pen) faint(s spot, radius float64) {
	p.circle(s, radius, stroke{color: p.soft, width: 1}.style())
}

// color is that of series i.
func (p *pen) color(i int) ink { return p.series[i%len(p.series)] }
