package measure

import (
	"fmt"

	"bankai/probe"
)

// CheckLength refuses a probe that does not fit into a model's context, in tokens: its
// prompt with the longest of its answers and the end of the line. The error names the
// first such probe and says how many there are. A context of 0 is without limit.
func CheckLength(set probe.Set, e probe.Encoder, context int) error {
	long := tooLong(set, e, context)
	if len(long) == 0 {
		return nil
	}
	others := ""
	if n := len(long) - 1; n > 0 {
		others = fmt.Sprintf(" (and %d more)", n)
	}
	return fmt.Errorf("probe %s%s: %s", set[long[0].index].Name, others, long[0].detail(context))
}

// overlong is a probe that does not fit into the context.
type overlong struct {
	index  int // in the set
	tokens int
}

func (o overlong) detail(context int) string {
	return fmt.Sprintf("prompt and answer are %d tokens, more than the model's context of %d: shorten it, or leave it out", o.tokens, context)
}

// tooLong finds the probes that do not fit into the context.
func tooLong(set probe.Set, e probe.Encoder, context int) (long []overlong) {
	if context <= 0 {
		return nil
	}
	for i, p := range set {
		n := len(e.Encode(p.Prompt))
		for _, s := range append(p.Spellings(), p.Wrong) {
			n = max(n, len(e.Encode(p.Prompt+s+probe.Stop)))
		}
		if n-1 > context { // the last token is predicted, not read
			long = append(long, overlong{i, n})
		}
	}
	return long
}

// auditLengths adds what is too long for the model to the findings, and returns the
// rest of the set and of its tokens.
func auditLengths(found Findings, set probe.Set, tokens []probe.Tokens, e probe.Encoder, context int) (Findings, probe.Set, []probe.Tokens) {
	long := tooLong(set, e, context)
	for _, o := range long {
		found = append(found, of(set[o.index], TooLong, Fatal, o.detail(context)))
	}
	var rest probe.Set
	var kept []probe.Tokens
	for i, p := range set {
		if len(long) > 0 && long[0].index == i {
			long = long[1:]
			continue
		}
		rest, kept = append(rest, p), append(kept, tokens[i])
	}
	return found, rest, kept
}
