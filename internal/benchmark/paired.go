package benchmark

import (
	"fmt"
	"math"

	"bankai/internal/experiment"
	"bankai/internal/report"
	"bankai/internal/stats"
	"bankai/internal/text"
	"bankai/measure"
)

// Paired is the right answers to the same questions before and after a patch.
type Paired struct {
	measure.Counts
	ShareBefore report.Estimate `json:"share_before"`
	ShareAfter  report.Estimate `json:"share_after"`
	Difference  report.Estimate `json:"difference"` // of the shares, after less before, by Newcombe's method
	experiment.McNemar

	// Needed is the least net loss of right answers that McNemar's test would have
	// called evidence at 0.05 if as many answers had changed as did, or, where that
	// number is too small to show a loss, the least larger one. It is 0 where even
	// changes of all answers could not.
	Needed int `json:"needed"`
}

// pairedOf compares marks of the same questions.
func pairedOf(before, after []bool) Paired {
	p := Paired{Counts: experiment.CountsOf(before, after)}
	p.ShareBefore, p.ShareAfter = report.ShareOf(p.Before, p.Total), report.ShareOf(p.After, p.Total)
	low, high := newcombe(p.Before-p.Broke, p.Broke, p.Fixed, p.Total)
	p.Difference = report.Estimate{Value: float64(p.Fixed-p.Broke) / float64(p.Total), Low: low, High: high, N: p.Total}
	p.McNemar, p.Needed = experiment.NewMcNemar(p.Fixed, p.Broke), neededLoss(p.Fixed+p.Broke, p.Total)
	return p
}

// newcombe is the 95 % interval of the difference of two paired proportions, of
// total pairs of which both hold, only the first (lost), or only the second
// (gained): that of the second less that of the first. It joins Wilson's intervals
// of the two by squares, less what their correlation takes away, which is
// estimated with a correction for continuity: method 10 of R. G. Newcombe,
// Statistics in Medicine 17 (1998), 2635–2650.
func newcombe(both, lost, gained, total int) (low, high float64) {
	first, second, neither := both+lost, both+gained, total-both-lost-gained
	n := float64(total)
	p, q := float64(first)/n, float64(second)/n
	pLow, pHigh := stats.Wilson(first, total)
	qLow, qHigh := stats.Wilson(second, total)

	corr := 0.0
	if product := float64(first) * float64(total-first) * float64(second) * float64(total-second); product > 0 {
		excess := float64(both*neither - lost*gained)
		if excess > 0 {
			excess = max(0, excess-n/2)
		}
		corr = excess / math.Sqrt(product)
	}
	side := func(a, b float64) float64 {
		return math.Sqrt(float64(a*a) - float64(2*corr*a*b) + float64(b*b))
	}
	return q - p - side(q-qLow, pHigh-p), q - p + side(qHigh-q, p-pLow)
}

// neededLoss is Paired.Needed, where a number of answers out of total changed.
func neededLoss(changed, total int) int {
	for ; changed <= total; changed++ {
		for fixed := changed / 2; fixed >= 0; fixed-- {
			if broke := changed - fixed; stats.McNemar(fixed, broke) < report.Significance {
				return broke - fixed
			}
		}
	}
	return 0
}

// finding says what the comparison shows and what it cannot.
func (p Paired) finding(what string) string {
	return fmt.Sprintf("Patched, %d of %d %s are right, where %d were: fixed %d, broke %d, p = %s: %s.",
		p.After, p.Total, what, p.Before, p.Fixed, p.Broke, report.CellText(report.PValue(p.PValue)), report.Conclusion(p.Fixed, p.Broke, p.PValue))
}

// limits says how large the change is, and where there is no evidence of one, how
// large a loss may have gone unnoticed.
func (p Paired) limits() string {
	s := fmt.Sprintf("The share of right answers changed by %s points (95 %%: %s to %s)",
		points(p.Difference.Value), points(p.Difference.Low), points(p.Difference.High))
	if p.PValue < report.Significance {
		return s + "."
	}
	if p.Difference.Low < 0 {
		s += fmt.Sprintf(": a loss of more than %s points is excluded, a smaller one is not", text.Digits(-100*p.Difference.Low))
	}
	if p.Needed == 0 {
		return s + fmt.Sprintf(". So few as %d questions cannot show a loss: it takes at least 6 answers broken and none fixed.", p.Total)
	}
	return s + fmt.Sprintf(". The least net loss that the test could have shown here is %d of %d answers, %s points.",
		p.Needed, p.Total, text.Digits(100*float64(p.Needed)/float64(p.Total)))
}

// rows are the figures of a table of estimates.
func (p Paired) rows() [][]any {
	return [][]any{
		{"share right, patched", p.ShareAfter},
		{"difference", p.Difference},
		{"share fixed", report.ShareOf(p.Fixed, p.Total)},
		{"share broken", report.ShareOf(p.Broke, p.Total)},
		{"McNemar's p", report.PlainEstimate(p.PValue, p.Fixed+p.Broke)},
	}
}

// points is a difference of shares in percentage points, with its sign.
func points(x float64) string {
	if x > 0 {
		return "+" + text.Digits(100*x)
	}
	return text.Digits(100 * x)
}
