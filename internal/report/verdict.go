package report

import (
	"fmt"
	"strconv"

	"bankai/internal/text"
	"bankai/measure"
)

// Significance is the level below which a p-value counts as evidence.
const Significance = 0.05

// Verdict says in a few sentences what the counts and the p-value of a result show,
// and what they do not.
func Verdict(r *measure.Result) string {
	fixed, broke := len(r.Fixed), len(r.Broke)
	counts := fmt.Sprintf("%s of %s right before, %s after: %s fixed, %s broke",
		thousandsOf(r.Before), thousandsOf(r.Total), thousandsOf(r.After), thousandsOf(fixed), thousandsOf(broke))
	if fixed+broke == 0 {
		return counts + ". No answer changed from right to wrong or back."
	}
	return fmt.Sprintf("%s (McNemar, exact: p = %s). %s %s", counts, text.Probability(r.PValue), Meaning(r), Chance(r.PValue))
}

// BaseVerdict says what the counts of a model as it is show.
func BaseVerdict(r *measure.Result) string {
	return fmt.Sprintf("%s of %s right.", thousandsOf(r.Before), thousandsOf(r.Total))
}

// Meaning says what the p-value lets one conclude.
func Meaning(r *measure.Result) string {
	switch {
	case r.PValue >= Significance:
		return "This is no evidence of a difference."
	case len(r.Fixed) > len(r.Broke):
		return "The gain is unlikely to be chance."
	}
	return "The loss is unlikely to be chance: the patch does harm here."
}

// Chance puts a p-value of McNemar's test into words, which agree with the value as it is
// written.
func Chance(p float64) string {
	var often string
	switch {
	case p >= 0.995:
		often = "practically always"
	case p >= 0.0995:
		often = fmt.Sprintf("in about %.0f of 100 cases", 100*p)
	case p >= 1e-12:
		written, _ := strconv.ParseFloat(text.Probability(p), 64)
		often = "about once in " + text.Rounded(1/written) + " cases"
	default:
		often = "less than once in a million million cases"
	}
	return "If the patch changed answers at random, a split at least as uneven would come up " + often + "."
}

// Conclusion says what a p-value of fixed and broken answers lets one conclude.
func Conclusion(fixed, broke int, p float64) string {
	switch {
	case fixed+broke == 0:
		return "no answer went from wrong to right or back"
	case p >= Significance:
		return "no evidence of a difference"
	case fixed > broke:
		return "a gain that is unlikely to be chance"
	}
	return "a loss that is unlikely to be chance"
}
