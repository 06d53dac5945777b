package experiment

import (
	"bankai/evaluate"
	"bankai/internal/stats"
	"bankai/probe"
)

// AnswerChange says what became of the answers to a set of probes.
type AnswerChange struct {
	evaluate.Counts
	ShareBefore Estimate `json:"share_before"` // right, of the model as it is
	ShareAfter  Estimate `json:"share_after"`  // right, of the patched model
	PValue      float64  `json:"p_value"`      // McNemar's, exact and two-sided
	Holm        float64  `json:"p_holm"`       // that, adjusted for the tests beside it
	Gain        Estimate `json:"gain"`         // mean change of seq_logprob, nats
}

// changeOf compares the answers to some probes of a set.
func changeOf(before, after *evaluate.Measurement, probes []int) AnswerChange {
	c := evaluate.Counts{Total: len(probes)}
	var gains []float64
	for _, i := range probes {
		was, is := before.Right[i], after.Right[i]
		c.Before, c.After = c.Before+one(was), c.After+one(is)
		c.Fixed, c.Broke = c.Fixed+one(is && !was), c.Broke+one(was && !is)
		gains = append(gains, after.SeqLogprob[i]-before.SeqLogprob[i])
	}
	p := stats.McNemar(c.Fixed, c.Broke)
	return AnswerChange{c, shareOf(c.Before, c.Total), shareOf(c.After, c.Total), p, p, meanOf(gains)}
}

// adjust corrects the p-values of tests that are looked at together, by Holm's
// method.
func adjust(tests []*AnswerChange) {
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

// categoryLabel is a category for people.
func categoryLabel(name string) string {
	if name == "" {
		return "(none)"
	}
	return name
}

// joined puts measurements of several sets behind each other.
func joined(parts []*evaluate.Measurement) *evaluate.Measurement {
	all := &evaluate.Measurement{}
	for _, p := range parts {
		all.Texts = append(all.Texts, p.Texts...)
		all.Right = append(all.Right, p.Right...)
		all.SeqLogprob = append(all.SeqLogprob, p.SeqLogprob...)
	}
	return all
}

// significance is the level below which a p-value counts as evidence.
const significance = 0.05

// verdict says what the adjusted p-value lets one conclude.
func (c AnswerChange) verdict() string {
	switch {
	case c.Fixed+c.Broke == 0:
		return "no answer went from wrong to right or back"
	case c.Holm >= significance:
		return "no evidence of a difference"
	case c.Fixed > c.Broke:
		return "a gain that is unlikely to be chance"
	}
	return "a loss that is unlikely to be chance"
}
