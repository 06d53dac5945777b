package evaluate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// significant is the level from which a split is called unlikely to be chance.
const significant = 0.05

// Verdict says in a few sentences what the counts and the p-value show, and
// what they do not.
func (r *Result) Verdict() string {
	fixed, broke := len(r.Fixed), len(r.Broke)
	counts := fmt.Sprintf("%d of %d right before, %d after: %d fixed, %d broke", r.Before, r.Total, r.After, fixed, broke)
	if fixed+broke == 0 {
		return counts + ". No answer changed from right to wrong or back."
	}
	return fmt.Sprintf("%s (McNemar, exact: p = %s). %s %s", counts, Probability(r.PValue), r.Meaning(), Chance(r.PValue))
}

// Meaning says what the p-value lets one conclude.
func (r *Result) Meaning() string {
	switch {
	case r.PValue >= significant:
		return "This is no evidence of a difference."
	case len(r.Fixed) > len(r.Broke):
		return "The gain is unlikely to be chance."
	}
	return "The loss is unlikely to be chance: the patch does harm here."
}

// Chance puts a p-value of McNemar's test into words.
func Chance(p float64) string {
	var often string
	switch {
	case p >= 0.995:
		often = "practically always"
	case p >= 0.0995:
		often = fmt.Sprintf("in about %.0f of 100 cases", 100*p)
	case p >= 1e-12:
		often = "about once in " + roundNumber(1/p) + " cases"
	default:
		often = "less than once in 1,000,000 million cases"
	}
	return "If the patch changed answers at random, a split at least as uneven would come up " + often + "."
}

// Probability formats a p-value with one or two significant digits and never
// as a bare 0.
func Probability(p float64) string {
	switch {
	case p >= 0.0995:
		return fmt.Sprintf("%.2f", p)
	case p >= 0.001:
		return fmt.Sprintf("%.2g", p)
	case p >= 1e-12:
		return fmt.Sprintf("%.0e", p)
	}
	return "1e-12 or less"
}

// roundNumber writes a number to two significant digits: 47, 330,000 or 2.1
// million as "2,100,000", and beyond that in millions.
func roundNumber(x float64) string {
	unit := math.Pow10(max(0, Decade(x)-1))
	if rounded := math.Round(x/unit) * unit; rounded < 1e7 {
		return Thousands(int64(rounded))
	} else {
		return Thousands(int64(math.Round(rounded/1e6))) + " million"
	}
}

// Decade is the power of ten that a positive x begins with: 2 for 100 and for 999.
func Decade(x float64) int {
	text := strconv.FormatFloat(x, 'e', -1, 64)
	n, _ := strconv.Atoi(text[strings.IndexByte(text, 'e')+1:])
	return n
}

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
