package chart

import (
	"math"
	"strconv"
	"strings"

	"bankai/internal/text"
)

// tick is a marked place on an axis.
type tick struct {
	at    float64
	label string
}

// decimal is m·10^k.
type decimal struct {
	m int64
	k int
}

func (d decimal) float() float64 {
	if d.k < 0 {
		return float64(d.m) / math.Pow10(-d.k)
	}
	return float64(d.m) * math.Pow10(d.k)
}

// linearTicks marks the multiples of 1, 2 or 5 times a power of ten within
// [low, high], about n of them and at least two. The range is not empty.
func linearTicks(low, high float64, n int) []tick {
	step := steps((high - low) / float64(max(n, 1)))
	size := step.float()
	var marks []decimal
	for i := int64(math.Ceil(low/size - 1e-9)); i <= int64(math.Floor(high/size+1e-9)); i++ {
		marks = append(marks, decimal{i * step.m, step.k})
	}
	if len(marks) < 2 { // which would not tell the scale
		return linearTicks(low, high, n+1)
	}
	return labelled(marks)
}

// steps rounds a width to 1, 2 or 5 times a power of ten.
func steps(width float64) decimal {
	k := int(math.Floor(math.Log10(width)))
	switch share := width / math.Pow10(k); {
	case share < 1.5:
		return decimal{1, k}
	case share < 3.5:
		return decimal{2, k}
	case share < 7.5:
		return decimal{5, k}
	}
	return decimal{1, k + 1}
}

// logTicks marks powers of ten within [low, high], both above 0: every one, or
// every few if there are more than n; with some of their multiples if there is
// room; round numbers if the range is a small one.
func logTicks(low, high float64, n int) []tick {
	first, last := int(math.Floor(math.Log10(low))), int(math.Ceil(math.Log10(high)))
	for _, multiples := range [][]int64{{1, 2, 5}, {1, 3}, {1}} {
		var marks []decimal
		for k := first; k <= last; k++ {
			for _, m := range multiples {
				d := decimal{m, k}
				if v := d.float(); v >= low*(1-1e-9) && v <= high*(1+1e-9) {
					marks = append(marks, d)
				}
			}
		}
		switch {
		case len(marks) < 3 && high < 10*low:
			return linearTicks(low, high, min(n, 5))
		case len(marks) <= n:
			return labelledEach(marks)
		case len(multiples) == 1:
			var few []decimal
			for i := 0; i < len(marks); i += (len(marks) + n - 1) / max(n, 1) {
				few = append(few, marks[i])
			}
			return labelledEach(few)
		}
	}
	return nil
}

// units are the powers of ten with a letter of their own.
var units = []struct {
	k      int
	letter string
}{{12, "T"}, {9, "G"}, {6, "M"}, {3, "k"}, {0, ""}}

// labelled gives marks of one step their labels, all in the same unit.
func labelled(marks []decimal) []tick {
	largest := 0.0
	for _, d := range marks {
		largest = max(largest, math.Abs(d.float()))
	}
	ticks := make([]tick, len(marks))
	for i, d := range marks {
		ticks[i] = tick{d.float(), d.in(largest)}
	}
	return ticks
}

// labelledEach gives each mark the unit that suits it: 1k stands beside 10k.
func labelledEach(marks []decimal) []tick {
	ticks := make([]tick, len(marks))
	for i, d := range marks {
		ticks[i] = tick{d.float(), short(d.float())}
	}
	return ticks
}

// in writes the number in the unit that suits largest.
func (d decimal) in(largest float64) string {
	v := d.float()
	if v == 0 {
		return "0"
	}
	if largest < 1e15 && d.k >= -6 && largest > 2e-4 {
		for _, u := range units {
			decimals := max(0, u.k-d.k)
			fits := largest >= math.Pow10(u.k) && decimals <= 2 && (u.k != 3 || largest >= 1e4)
			if u.k == 0 || fits {
				return trimmed(strconv.FormatFloat(v/math.Pow10(u.k), 'f', decimals, 64), u.k != 0) + u.letter
			}
		}
	}
	digits := len(strconv.FormatInt(d.m, 10)) // of which some may be zeros, and one a sign
	return exponent(v, digits-1)
}

// exponent writes a number as 2e−5, with a number of digits behind the point, less
// those that are 0 at its end.
func exponent(v float64, digits int) string {
	mantissa, power, _ := strings.Cut(strconv.FormatFloat(v, 'e', digits, 64), "e")
	sign := ""
	if power[0] == '-' {
		sign = "−"
	}
	return text.Minus(trimmed(mantissa, true)) + "e" + sign + strings.TrimLeft(power[1:], "0")
}

// trimmed is a number with a proper sign, without zeros at its end if asked.
func trimmed(number string, zeros bool) string {
	if zeros && strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	return text.Minus(number)
}

// short writes a value with three significant digits, and large ones as 12.3k.
func short(v float64) string {
	size := math.Abs(v)
	switch {
	case math.IsNaN(v):
		return ""
	case math.IsInf(v, 0):
		return text.Minus(strings.TrimPrefix(strings.Replace(strconv.FormatFloat(v, 'f', 0, 64), "Inf", "∞", 1), "+"))
	case v == 0:
		return "0"
	case size < 9.995e-4 || size >= 9.995e14:
		return exponent(v, 2)
	case size < 999.5:
		decimals := 2 - int(math.Floor(math.Log10(size)))
		return trimmed(strconv.FormatFloat(v, 'f', max(0, decimals), 64), true)
	}
	for _, u := range units {
		if scaled := size / math.Pow10(u.k); scaled >= 0.9995 {
			decimals := max(0, 2-int(math.Floor(math.Log10(scaled))))
			return trimmed(strconv.FormatFloat(v/math.Pow10(u.k), 'f', decimals, 64), true) + u.letter
		}
	}
	return ""
}
