// Package probe holds the questions a patch is searched and judged with.
//
// A [Probe] is a prompt with the answer that is wanted and a plausible one that
// is not. The package reads and writes sets of them, turns them into token ids
// in a way that survives tokens crossing the border between prompt and answer
// ([Probe.Tokens]), defines the numbers a search may climb ([Metric]) and the
// rule by which a generated text counts as right ([Probe.Match]). It knows
// nothing of models: anything that can encode text is enough.
package probe

import "slices"

const (
	// MaxTokens is how many tokens are decoded greedily before an answer is
	// judged, the published limit.
	MaxTokens = 14

	// Stop ends an answer: decoding stops at it and nothing after it is judged.
	// It is also the terminator whose probability AnswerLogprob includes.
	Stop = "\n"
)

// Probe is one question with a right and a wrong answer. Answers are written
// exactly as they would follow the prompt, so they usually begin with a space.
type Probe struct {
	Name       string   `json:"name"`                 // unique in its set; result lists use it
	Category   string   `json:"category,omitempty"`   // for counts per kind of question; may be empty
	Prompt     string   `json:"prompt"`               // what the model is given
	Correct    string   `json:"correct"`              // the answer that is wanted
	Wrong      string   `json:"wrong,omitempty"`      // a plausible mistake, the distractor; empty only where it is yet to be found
	Alternates []string `json:"alternates,omitempty"` // other right spellings, for Match only
}

// Set is an ordered list of probes with distinct names. The readers of this
// package return no empty Set.
type Set []Probe

// Spellings returns every right answer: Correct, then the alternates.
func (p Probe) Spellings() []string {
	return append([]string{p.Correct}, p.Alternates...)
}

// Agrees reports whether p and q have a right answer in common, differences in
// writing aside.
func (p Probe) Agrees(q Probe) bool {
	return slices.ContainsFunc(p.Spellings(), func(a string) bool {
		return slices.ContainsFunc(q.Spellings(), func(b string) bool { return Normalize(a) == Normalize(b) })
	})
}
