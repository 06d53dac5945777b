package chart

import (
	"math"
	"strings"
)

// Heat is a matrix: a cell for each value, in a colour that goes with it, and the
// value written in it, unless the cells are too small for one of them to be read.
// Cells without a number are blank. The colours go from 0 to the greatest, blue; or
// if Diverging from blue below 0 to red above it, equally far on both sides. A value
// below 0 of a matrix that is not diverging has the colour of 0.
type Heat struct {
	Title, X, Y string
	Rows, Cols  []string
	Values      [][]float64
	Text        [][]string // in the cells, of lines; nil for the values, three digits of each
	Diverging   bool
	LogColor    bool    // colours go with the logarithm, from the least value above 0
	Height      float64 // of the panel in all, in points; 0 is chosen to suit
}

const (
	cellHeight   = 22 // with a line of text
	cellWidth    = 92 // at most
	cellReadable = 9  // the least size of what is written in cells
)

func (h *Heat) frame(width float64) *frame {
	rows, cols := max(len(h.Rows), len(h.Values)), len(h.Cols)
	for _, row := range h.Values {
		cols = max(cols, len(row))
	}
	f := &frame{title: h.Title, draw: h.draw}
	f.x, f.y = categories(h.X, h.Cols, cols), categories(h.Y, h.Rows, rows)
	f.y.vertical = true
	f.size(h.Height, width)
	cell := cellHeight + float64(h.lines()-1)*lineOf(tickFont)
	f.height = min(float64(max(rows, 2))*cell, 4000)
	f.most = float64(max(cols, 1) * cellWidth)
	return f
}

func (h *Heat) draw(a *area) {
	level := h.levels()
	text := h.texts()
	w, tall := a.width/(a.x.high+0.5), a.height/(a.y.high+0.5)
	font, fits := h.font(text, w, tall)
	gap := min(1, w/10, tall/10)
	for i, row := range h.Values {
		for j, v := range row {
			if math.IsNaN(v) {
				continue
			}
			at := a.at(float64(j), float64(i))
			t := level(v)
			a.box(a.heat(t), spot{at.x - w/2 + gap/2, at.y - tall/2 + gap/2}, spot{at.x + w/2 - gap/2, at.y + tall/2 - gap/2})
			if !fits {
				continue
			}
			at.y -= float64(len(text[i][j])-1) / 2 * lineOf(font)
			for _, line := range text[i][j] {
				a.text(line, at, middle, font, a.on(t))
				at.y += lineOf(font)
			}
		}
	}
}

// font is the largest in which all cells have room for what is written in them, for cells
// of a width and a height. Where that would be too small to be read, nothing is written: a
// few numbers among many would mislead.
func (h *Heat) font(text [][][]string, wide, tall float64) (f font, fits bool) {
	size := min(1, (tall-2)/(float64(h.lines())*lineOf(tickFont)))
	for _, row := range text {
		for _, lines := range row {
			if most := widest(lines, tickFont); most > 0 {
				size = min(size, (wide-5)/most)
			}
		}
	}
	f = font{size: size * tickFont.size}
	return f, f.size >= cellReadable
}

// lines is how many lines the cell with the most of them has.
func (h *Heat) lines() int {
	most := 1
	for _, row := range h.texts() {
		for _, lines := range row {
			most = max(most, len(lines))
		}
	}
	return most
}

// texts is what is written in the cells, in lines.
func (h *Heat) texts() [][][]string {
	texts := make([][][]string, len(h.Values))
	for i, row := range h.Values {
		texts[i] = make([][]string, len(row))
		for j, v := range row {
			switch {
			case math.IsNaN(v):
			case i < len(h.Text) && j < len(h.Text[i]):
				for line := range strings.Lines(h.Text[i][j]) {
					texts[i][j] = append(texts[i][j], clean(strings.TrimSuffix(line, "\n")))
				}
			default:
				texts[i][j] = []string{short(v)}
			}
		}
	}
	return texts
}

// levels returns the heat of a value in [-1, 1].
func (h *Heat) levels() func(v float64) float64 {
	least, most := math.Inf(1), 0.0
	for _, row := range h.Values {
		for _, v := range row {
			if size := math.Abs(v); Finite(v) && v != 0 && (h.Diverging || v > 0) {
				least, most = min(least, size), max(most, size)
			}
		}
	}
	decades := math.Log(most) - math.Log(least)
	return func(v float64) float64 {
		t := 0.0
		switch size := math.Abs(v); {
		case v == 0 || v < 0 && !h.Diverging:
			return 0
		case math.IsInf(v, 0) || size == most || h.LogColor && decades <= 0:
			t = 1
		case h.LogColor: // the least is not quite as pale as 0
			t = 0.1 + 0.9*(math.Log(size)-math.Log(least))/decades
		default:
			t = size / most
		}
		if v < 0 || !h.Diverging {
			return -t // blue
		}
		return t
	}
}
