package chart

import (
	"strings"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
)

// regular and bold measure the texts; the page's own font may write them.
func regular(size float64) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(size)}
}

func bold(size float64) font.Font {
	f := regular(size)
	f.Weight = xfont.WeightBold
	return f
}

var (
	titleFont = bold(14)
	headFont  = bold(12)
	labelFont = regular(11)
	tickFont  = regular(10.5)
)

func face(f font.Font) font.Face { return plot.DefaultTextHandler.Cache().Lookup(f, f.Size) }

// widthOf is the width of a text in points, and lineOf the height of a line.
func widthOf(s string, f font.Font) float64 {
	face := face(f)
	return face.Width(s).Points()
}

func lineOf(f font.Font) float64 { return 1.25 * f.Size.Points() }

// capital is the height of a capital letter as a share of the font's size.
const capital = 0.72

// fold breaks a text between words into lines of at most width points. A word
// that is wider is cut.
func fold(s string, f font.Font, width float64) (lines []string) {
	line := ""
	for _, word := range strings.Fields(clean(s)) {
		longer := strings.TrimPrefix(line+" "+word, " ")
		if line != "" && widthOf(longer, f) > width {
			lines = append(lines, cut(line, f, width))
			longer = word
		}
		line = longer
	}
	if line != "" {
		lines = append(lines, cut(line, f, width))
	}
	return lines
}

// cut is a text that is at most width points wide, if need be without its end.
func cut(s string, f font.Font, width float64) string {
	if widthOf(s, f) <= width {
		return s
	}
	runes := []rune(s)
	low, high := 0, len(runes)-1 // so many are kept
	for low < high {
		mid := (low + high + 1) / 2
		if widthOf(string(runes[:mid])+"…", f) <= width {
			low = mid
		} else {
			high = mid - 1
		}
	}
	return strings.TrimRight(string(runes[:low]), " ") + "…"
}

// widest is the width of the widest of some texts.
func widest(texts []string, f font.Font) (width float64) {
	for _, s := range texts {
		width = max(width, widthOf(s, f))
	}
	return width
}
