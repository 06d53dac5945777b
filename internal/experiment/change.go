package experiment

import (
	"bankai/internal/report"
	"bankai/internal/stats"
	"bankai/measure"
	"bankai/probe"
)

// AnswerChange says what became of the answers to a set of probes.
type AnswerChange struct {
	measure.Counts
	ShareBefore report.Estimate `json:"share_before"` // right, of the model as it is
	ShareAfter  report.Estimate `json:"share_after"`  // right, of the patched model
	McNemar
	Gain report.Estimate `json:"gain"` // mean change of seq_logprob, nats
}

// changeOf compares the answers to some probes of a set.
func changeOf(before, after *measure.Measurement, probes []int) AnswerChange {
	c := CountsOf(picked(before.Right, probes), picked(after.Right, probes))
	gains := picked(gainsOf(before, after), probes)
	return AnswerChange{c, report.ShareOf(c.Before, c.Total), report.ShareOf(c.After, c.Total), NewMcNemar(c.Fixed, c.Broke), report.MeanOf(gains)}
}

// CountsOf compares marks of the same questions.
func CountsOf(before, after []bool) measure.Counts {
	c := measure.Counts{Total: len(before)}
	for i, was := range before {
		is := after[i]
		c.Before, c.After = c.Before+one(was), c.After+one(is)
		c.Fixed, c.Broke = c.Fixed+one(is && !was), c.Broke+one(was && !is)
	}
	return c
}

// McNemar is the test of whether answers changed one way more often than chance would
// have it.
type McNemar struct {
	PValue float64 `json:"p_value"` // exact and two-sided
	Holm   float64 `json:"p_holm"`  // adjusted by Holm's method for the tests looked at together
}

// NewMcNemar tests the numbers of answers that a change fixed and broke. It is not yet
// adjusted for other tests.
func NewMcNemar(fixed, broke int) McNemar {
	p := stats.McNemar(fixed, broke)
	return McNemar{p, p}
}

// AdjustHolm corrects the p-values of tests that are looked at together, by Holm's
// method.
func AdjustHolm(tests []*McNemar) {
	var ps []float64
	for _, t := range tests {
		ps = append(ps, t.PValue)
	}
	for i, p := range stats.Holm(ps) {
		tests[i].Holm = p
	}
}

// allOf are the indices of n probes.
func allOf(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// byCategory groups the indices of a set by category, in order of appearance.
func byCategory(set probe.Set) (names []string, members map[string][]int) {
	members = map[string][]int{}
	for i, p := range set {
		if members[p.Category] == nil {
			names = append(names, p.Category)
		}
		members[p.Category] = append(members[p.Category], i)
	}
	return names, members
}

// joined puts measurements of several sets behind each other.
func joined(parts []*measure.Measurement) *measure.Measurement {
	all := &measure.Measurement{}
	for _, p := range parts {
		all.Texts = append(all.Texts, p.Texts...)
		all.Right = append(all.Right, p.Right...)
		all.SeqLogprob = append(all.SeqLogprob, p.SeqLogprob...)
	}
	return all
}

// verdict says what the adjusted p-value lets one conclude.
func (c AnswerChange) verdict() string { return report.Conclusion(c.Fixed, c.Broke, c.Holm) }
