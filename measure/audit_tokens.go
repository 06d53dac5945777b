package measure

import (
	"fmt"
	"slices"

	"bankai/probe"
)

// auditTokens finds what shows in the token ids. The old token_gap metric reads
// one token of each answer; what only it suffers from is mere information when a
// search climbs another metric.
func auditTokens(set probe.Set, tokens []probe.Tokens, m probe.Metric) Findings {
	var found Findings
	gap := Info
	if m == probe.TokenGap {
		gap = Warning
	}
	for i, p := range set {
		t := tokens[i]
		found = append(found, auditDead(p, t, m)...)
		if len(t.Correct) > 1 {
			found = append(found, of(p, MultiToken, gap, fmt.Sprintf("%q is %d tokens: token_gap reads the last, which is not the one emitted next", p.Correct, len(t.Correct))))
		}
		if t.Merged > 0 {
			found = append(found, of(p, BoundaryMerge, Warning, fmt.Sprintf("the answers change the last %s of the prompt %q: scored are other ids than a generation starts from", plural(t.Merged, "token"), p.Prompt)))
		}
	}
	names, members := categories(set)
	for _, name := range names {
		found = append(found, auditScoredPair(name, members[name], tokens, gap)...)
	}
	return found
}

// auditDead compares what the metrics read of the two answers.
func auditDead(p probe.Probe, t probe.Tokens, m probe.Metric) Findings {
	switch last := t.Correct[len(t.Correct)-1]; {
	case probe.Normalize(p.Correct) == probe.Normalize(p.Wrong):
		return nil // reported from the texts
	case slices.Equal(t.Correct, t.Wrong):
		return Findings{of(p, Dead, Fatal, fmt.Sprintf("%q and %q have the same token ids", p.Correct, p.Wrong))}
	case last == t.Wrong[len(t.Wrong)-1]:
		severity, remark := Info, "; harmless to "+m.String()
		if m == probe.TokenGap {
			severity, remark = Fatal, ""
		}
		return Findings{of(p, Dead, severity, fmt.Sprintf("%q and %q end in the same token, id %d: token_gap is always 0%s", p.Correct, p.Wrong, last, remark))}
	}
	return nil
}

// auditScoredPair finds a category in which token_gap always reads the same two
// tokens.
func auditScoredPair(category string, members []int, tokens []probe.Tokens, severity Severity) Findings {
	if len(members) < minRepeats {
		return nil
	}
	type pair struct{ correct, wrong int32 }
	distinct := map[pair]bool{}
	for _, i := range members {
		t := tokens[i]
		distinct[pair{t.Correct[len(t.Correct)-1], t.Wrong[len(t.Wrong)-1]}] = true
	}
	if len(distinct) > 1 {
		return nil
	}
	return Findings{{
		Category: category, Kind: RepeatedContrast, Severity: severity,
		Detail: fmt.Sprintf("token_gap reads 1 distinct pair of tokens in %d probes", len(members)),
	}}
}
