package chart

import "strings"

// font is the one that texts are set in: sans-serif, in one size and weight.
type font struct {
	size float64 // in points
	bold bool
}

var (
	titleFont = font{14, true}
	headFont  = font{12, true}
	labelFont = font{11, false}
	tickFont  = font{10.5, false}
)

// widthOf is the width of a text in points.
func widthOf(s string, f font) float64 {
	units := 0
	for _, r := range s {
		units += unitsOf(r, f.bold)
	}
	return float64(units) * f.size / unitsPerEm
}

// lineOf is the height of a line in points.
func lineOf(f font) float64 { return 1.25 * f.size }

// capital is the height of a capital letter as a share of the font's size.
const capital = 0.72

// fold breaks a text between words into lines of at most width points. A word
// that is wider is cut.
func fold(s string, f font, width float64) (lines []string) {
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
func cut(s string, f font, width float64) string {
	if widthOf(s, f) <= width {
		return s
	}
	runes := []rune(s)
	low, high := 0, len(runes)-1 // characters that are kept, at least and at most
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
func widest(texts []string, f font) (width float64) {
	for _, s := range texts {
		width = max(width, widthOf(s, f))
	}
	return width
}

// clean makes a text one line of characters that XML can hold.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r < ' ' || r == 0xfffe || r == 0xffff:
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}
