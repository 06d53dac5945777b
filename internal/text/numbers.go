// Package text writes numbers and words for people: on a terminal, in tables and on
// pages. Nothing here depends on a locale; equal values give equal bytes.
package text

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Thousands writes a whole number with commas: 4,096.
func Thousands(n int64) string {
	if n < 0 {
		return "−" + Thousands(-n)
	}
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Amount is a number, a large one in words: 336,768, 4.85 million, 8.19 billion.
func Amount(n int64) string {
	switch {
	case n >= 999_500_000:
		return ThreeDigits(float64(n)/1e9) + " billion"
	case n >= 999_500:
		return ThreeDigits(float64(n)/1e6) + " million"
	}
	return Thousands(n)
}

// Size is a number of bytes with a unit: 492 B, 714 KB, 1.16 GB.
func Size(bytes int64) string {
	if bytes < 1000 {
		return fmt.Sprintf("%d B", bytes)
	}
	size, unit := float64(bytes), ""
	for _, u := range []string{"KB", "MB", "GB", "TB"} {
		if size, unit = size/1000, u; size < 999.5 {
			break
		}
	}
	return ThreeDigits(size) + " " + unit
}

// ThreeDigits writes x with three significant digits, or all of its integer
// part.
func ThreeDigits(x float64) string {
	switch {
	case x >= 99.95:
		return fmt.Sprintf("%.0f", x)
	case x >= 9.995:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// Digits writes a figure with four significant digits: 2.406, 0.01235, 15,330. What
// is no number is a dash.
func Digits(x float64) string {
	switch size := math.Abs(x); {
	case math.IsNaN(x):
		return "–"
	case math.IsInf(x, 0):
		return strconv.FormatFloat(x, 'f', 0, 64)
	case size >= 1e7 || size < 1e-4 && size > 0:
		return strconv.FormatFloat(x, 'e', 2, 64)
	case size >= 1000:
		return Thousands(int64(math.Round(x)))
	case size == 0:
		return "0"
	default:
		whole := 1 + decade(size) // digits before the point
		return strconv.FormatFloat(x, 'f', max(0, 4-whole), 64)
	}
}

// Rounded writes a number of at least 1 to two significant digits: 47, 330,000 or 2.1
// million as "2,100,000", and beyond 10 million in millions.
func Rounded(x float64) string {
	unit := math.Pow10(max(0, decade(x)-1))
	rounded := math.Round(x/unit) * unit
	if rounded < 1e7 {
		return Thousands(int64(rounded))
	}
	return Thousands(int64(math.Round(rounded/1e6))) + " million"
}

// Percent is the share of a part in the whole, to two significant digits: "3.1 %". Of
// nothing it is "0 %".
func Percent(part, whole float64) string {
	if part == 0 || whole == 0 {
		return "0 %"
	}
	share := 100 * part / whole
	decimals := max(0, 1-decade(share))
	return strconv.FormatFloat(share, 'f', min(decimals, 12), 64) + " %"
}

// decade is the power of ten that a positive x begins with: 2 for 100 and for 999.
func decade(x float64) int {
	text := strconv.FormatFloat(x, 'e', -1, 64)
	n, _ := strconv.Atoi(text[strings.IndexByte(text, 'e')+1:])
	return n
}

// Probability formats a p-value with two significant digits and never as a bare 0.
func Probability(p float64) string {
	switch {
	case p >= 0.0995:
		return fmt.Sprintf("%.2f", p)
	case p >= 1e-12:
		return fmt.Sprintf("%.2g", p)
	}
	return "1e-12 or less"
}

// Elapsed says how long something took: 3.2 s, 41 s, 2 min 5 s, 1 h 3 min.
func Elapsed(seconds float64) string {
	s := int64(seconds)
	switch {
	case seconds < 10:
		return fmt.Sprintf("%.2g s", seconds)
	case seconds < 100:
		return fmt.Sprintf("%.0f s", seconds)
	case s < 3600:
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	}
	return fmt.Sprintf("%d h %d min", s/3600, s/60%60)
}

// Minus writes a number with the sign that is as wide as a digit.
func Minus(number string) string { return strings.Replace(number, "-", "−", 1) }
