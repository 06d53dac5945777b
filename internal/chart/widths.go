package chart

import "unicode"

// The widths of characters in units of 1/2048 of the font's size: those of Liberation
// Sans, which Arial, Helvetica and Arimo share.

// ascii is the widths of U+0020 to U+007E, regular and bold.
var ascii = [2][95]uint16{{
	569, 569, 727, 1139, 1139, 1821, 1366, 391, 682, 682, 797, 1196, 569, 682, 569, 569,
	1139, 1139, 1139, 1139, 1139, 1139, 1139, 1139, 1139, 1139, 569, 569, 1196, 1196, 1196, 1139,
	2079, 1366, 1366, 1479, 1479, 1366, 1251, 1593, 1479, 569, 1024, 1366, 1139, 1706, 1479, 1593,
	1366, 1593, 1479, 1366, 1251, 1479, 1366, 1933, 1366, 1366, 1251, 569, 569, 569, 961, 1139,
	682, 1139, 1139, 1024, 1139, 1139, 569, 1139, 1139, 455, 455, 1024, 455, 1706, 1139, 1139,
	1139, 1139, 682, 1024, 569, 1139, 1024, 1479, 1024, 1024, 1024, 684, 532, 684, 1196,
}, {
	569, 682, 971, 1139, 1139, 1821, 1479, 487, 682, 682, 797, 1196, 569, 682, 569, 569,
	1139, 1139, 1139, 1139, 1139, 1139, 1139, 1139, 1139, 1139, 682, 682, 1196, 1196, 1196, 1251,
	1997, 1479, 1479, 1479, 1479, 1366, 1251, 1593, 1479, 569, 1139, 1479, 1251, 1706, 1479, 1593,
	1366, 1593, 1479, 1366, 1251, 1479, 1366, 1933, 1366, 1366, 1251, 682, 569, 682, 1196, 1139,
	682, 1139, 1251, 1139, 1251, 1139, 682, 1251, 1251, 569, 569, 1139, 569, 1821, 1251, 1251,
	1251, 1251, 797, 1139, 682, 1251, 1139, 1593, 1139, 1139, 1024, 797, 573, 797, 1196,
}}

// others is the widths of the signs that charts write besides ASCII.
var others = map[rune]int{
	'·': 682, '×': 1196, '°': 819, '±': 1124, '–': 1139, '—': 2048, '−': 1196, '…': 2048,
	'‘': 455, '’': 455, '“': 682, '”': 682, '→': 2048, '≤': 1124, '≥': 1124, '≈': 1124, '∞': 1460, '√': 1124,
}

const (
	unitsPerEm = 2048
	wideLetter = 1593 // of a letter beyond ASCII: as wide as O, and no narrower than most
)

// unitsOf is the width of a character. Those that are not in the tables count as wide
// as the widest of their kind, so that a text has the room it needs.
func unitsOf(r rune, bold bool) int {
	weight := 0
	if bold {
		weight = 1
	}
	switch {
	case ' ' <= r && r <= '~':
		return int(ascii[weight][r-' '])
	case others[r] > 0:
		return others[r]
	case unicode.Is(unicode.Mn, r), unicode.Is(unicode.Cf, r):
		return 0 // combined with the character before, or not seen
	case unicode.Is(unicode.Ll, r):
		return 1251
	case unicode.In(r, unicode.Latin, unicode.Greek, unicode.Cyrillic):
		return wideLetter
	}
	return unitsPerEm
}
