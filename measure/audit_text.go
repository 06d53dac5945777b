package measure

import (
	"fmt"
	"strings"

	"bankai/probe"
)

// auditTexts finds what shows in the texts alone.
func auditTexts(set probe.Set, against []Named) Findings {
	found := auditPrompts(set, against)
	for _, p := range set {
		found = append(found, auditAnswers(p)...)
	}
	names, members := categories(set)
	for _, name := range names {
		found = append(found, auditContrast(set, name, members[name])...)
		found = append(found, auditConventions(set, name, members[name])...)
	}
	return found
}

// auditPrompts compares prompts, normalised as answers are: a prompt that
// differs in spacing, brackets or case asks the same question.
func auditPrompts(set probe.Set, against []Named) Findings {
	var found Findings
	first := map[string]int{}
	for i, p := range set {
		key := probe.Normalize(p.Prompt)
		j, seen := first[key]
		if !seen {
			first[key] = i
			continue
		}
		q := set[j]
		found = append(found, of(p, Duplicate, Warning, fmt.Sprintf("asks %q, as %s does", p.Prompt, q.Name)))
		if !p.Agrees(q) {
			found = append(found, of(p, Contradiction, Warning, fmt.Sprintf("answer %q to %q, but %q in %s", p.Correct, p.Prompt, q.Correct, q.Name)))
		}
	}
	for _, other := range against {
		theirs := map[string]string{}
		for _, q := range other.Set {
			theirs[probe.Normalize(q.Prompt)] = q.Name
		}
		for _, p := range set {
			if name, leaked := theirs[probe.Normalize(p.Prompt)]; leaked {
				found = append(found, of(p, Leakage, Fatal, fmt.Sprintf("%q is %s of %s too", p.Prompt, name, other.Name)))
			}
		}
	}
	return found
}

// auditAnswers looks at one probe's answers.
func auditAnswers(p probe.Probe) Findings {
	right, wrong := probe.Normalize(p.Correct), probe.Normalize(p.Wrong)
	switch {
	case right == "":
		return Findings{of(p, Unmatchable, Fatal, fmt.Sprintf("nothing is left of the answer %q once normalised", p.Correct))}
	case strings.Contains(p.Correct, probe.Stop):
		return Findings{of(p, Unmatchable, Fatal, fmt.Sprintf("the answer %q goes beyond the end of the line, where decoding stops", p.Correct))}
	case right == wrong:
		return Findings{of(p, Dead, Fatal, fmt.Sprintf("right answer %q and wrong answer %q are the same", p.Correct, p.Wrong))}
	case p.Match(p.Wrong):
		return Findings{of(p, Ambiguous, Warning, fmt.Sprintf("the wrong answer %q would be marked right", p.Wrong))}
	}
	return nil
}

// minRepeats is the size from which a category that repeats one contrast is
// worth a finding.
const minRepeats = 3

// auditContrast finds a category whose probes all ask to tell the same right
// answer from the same wrong one.
func auditContrast(set probe.Set, category string, members []int) Findings {
	if len(members) < minRepeats {
		return nil
	}
	for _, i := range members {
		p, q := set[i], set[members[0]]
		if probe.Normalize(p.Correct) != probe.Normalize(q.Correct) || probe.Normalize(p.Wrong) != probe.Normalize(q.Wrong) {
			return nil
		}
	}
	p := set[members[0]]
	return Findings{{
		Category: category, Kind: RepeatedContrast, Severity: Warning,
		Detail: fmt.Sprintf("1 distinct pair of answers in %d probes: %q against %q", len(members), p.Correct, p.Wrong),
	}}
}
