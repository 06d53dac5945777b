package measure

import (
	"context"

	"bankai/engine"
	"bankai/probe"
)

// Severity says what a finding means for a search.
type Severity string

// The severities, worst first.
const (
	Fatal   Severity = "fatal"   // the search would measure nothing or its result would be void
	Warning Severity = "warning" // the search is weaker or less telling for it
	Info    Severity = "info"    // worth knowing; nothing to repair for the metric in use
)

// Kind names a defect of a probe set.
type Kind string

// The defects, in the order in which a summary lists them.
const (
	Dead             Kind = "dead"              // right and wrong answer reduce to the same tokens
	Leakage          Kind = "leakage"           // the prompt is in a set that must not share it
	Contradiction    Kind = "contradiction"     // one prompt, different right answers
	Ambiguous        Kind = "ambiguous"         // the wrong answer would be marked right
	Unmatchable      Kind = "unmatchable"       // no generated text could be marked right
	TooLong          Kind = "too_long"          // the probe does not fit into the model's context
	Duplicate        Kind = "duplicate"         // a prompt stands in the set twice
	BoundaryMerge    Kind = "boundary_merge"    // a token crosses the border between prompt and answer
	WeakDistractor   Kind = "weak_distractor"   // the wrong answer is not what the model would say instead
	RepeatedContrast Kind = "repeated_contrast" // a category asks for one and the same choice
	MixedConventions Kind = "mixed_conventions" // answers of a category are written in different ways
	MultiToken       Kind = "multi_token"       // the token scored is not the one emitted next
	Overview         Kind = "overview"          // how the model stands to the set
)

// meaning is what a summary says of each kind.
var meaning = []struct {
	kind Kind
	text string
}{
	{Dead, "right and wrong answer reduce to the same tokens: nothing to measure"},
	{Leakage, "the prompt is also in a set that must not share it"},
	{Contradiction, "one prompt has different right answers"},
	{Ambiguous, "the wrong answer would be marked right"},
	{Unmatchable, "no generated text could be marked right"},
	{TooLong, "prompt and answer do not fit into the model's context"},
	{Duplicate, "the prompt stands in the set more than once"},
	{BoundaryMerge, "a token crosses the border between prompt and answer"},
	{WeakDistractor, "the wrong answer is not what the model would say instead"},
	{RepeatedContrast, "the category repeats one choice between two answers"},
	{MixedConventions, "answers are written in different ways"},
	{MultiToken, "the token that token_gap scores is not the one emitted next"},
	{Overview, "how the model stands to the set"},
}

// Finding is one defect of a probe set. Probe is empty where a whole category
// is meant, and Category too where the set is.
type Finding struct {
	Probe    string   `json:"probe"`
	Category string   `json:"category"`
	Kind     Kind     `json:"kind"`
	Severity Severity `json:"severity"`
	Detail   string   `json:"detail"`
}

// Findings is what an audit found.
type Findings []Finding

// Named is a probe set with the name by which a finding refers to it, such as
// its file's.
type Named struct {
	Name string
	Set  probe.Set
}

// Scorer gives the log-probabilities and ranks of answers; *engine.Model is one.
type Scorer interface {
	Context() int // the most tokens that a prompt and its answer may have; 0 for no limit
	Width() int   // about how many times as much is worth asking at once as of one machine
	Score(ctx context.Context, qs []engine.Question) ([][]engine.Answer, error)
}

// Audit looks for every known defect of the set, as a search that climbs the
// metric m would suffer from it. Prompts in a set of against are leaks. Checks
// that need token ids are left out when e is nil, and those that need the
// model's own ranks when s is.
func Audit(ctx context.Context, set probe.Set, m probe.Metric, against []Named, e probe.Encoder, s Scorer) (Findings, error) {
	found := append(Findings{}, auditTexts(set, against)...) // never nil, for JSON's sake
	if e == nil {
		return found, nil
	}
	tokens := make([]probe.Tokens, len(set))
	for i, p := range set {
		var err error
		if tokens[i], err = p.Tokens(e); err != nil {
			return nil, err
		}
	}
	found = append(found, auditTokens(set, tokens, m)...)
	if s == nil {
		return found, nil
	}
	found, set, tokens = auditLengths(found, set, tokens, e, s.Context())
	if len(set) == 0 {
		return found, nil
	}
	ranks, err := auditRanks(ctx, set, tokens, s)
	return append(found, ranks...), err
}

// Fatal reports whether a finding ought to stop a search.
func (f Findings) Fatal() bool {
	for _, x := range f {
		if x.Severity == Fatal {
			return true
		}
	}
	return false
}

// Of returns the findings of one kind and severity.
func (f Findings) Of(k Kind, s Severity) Findings {
	var out Findings
	for _, x := range f {
		if x.Kind == k && x.Severity == s {
			out = append(out, x)
		}
	}
	return out
}

// of makes a finding about one probe.
func of(p probe.Probe, k Kind, s Severity, detail string) Finding {
	return Finding{Probe: p.Name, Category: p.Category, Kind: k, Severity: s, Detail: detail}
}

// categories groups the indices of a set by category, in order of appearance.
func categories(set probe.Set) (names []string, members map[string][]int) {
	members = map[string][]int{}
	for i, p := range set {
		if _, seen := members[p.Category]; !seen {
			names = append(names, p.Category)
		}
		members[p.Category] = append(members[p.Category], i)
	}
	return names, members
}
