package experiment

import (
	"bankai/internal/report"
	"bankai/measure"
)

// Generated is every text that was generated for an experiment, so that it can be
// marked again without the model.
type Generated struct {
	By      []string     `json:"by"`      // who generated: the model as it is, then the patched ones
	Answers []Generation `json:"answers"` // in the order of the sets

	// Match is the experiment's rule by which a text is right; nil is
	// probe.Probe.Match.
	Match func(g Generation, text string) bool `json:"-"`
	// ByRules is such a rule made of named ones that find an answer in a text; nil
	// where answers are not looked for.
	ByRules func(names []string) (func(g Generation, text string) bool, error) `json:"-"`
}

// Generation is the texts that answer one question, with what was asked.
type Generation struct {
	Set        string   `json:"set"` // what it stands in
	Name       string   `json:"name"`
	Category   string   `json:"category,omitempty"`
	Prompt     string   `json:"prompt"`
	Correct    string   `json:"correct"`
	Alternates []string `json:"alternates,omitempty"` // other right answers
	Texts      []string `json:"texts"`                // in the order of Generated.By
	Right      []bool   `json:"right"`                // as it was marked
}

// Rescorable is a result that kept what was generated.
type Rescorable interface {
	report.Result
	Texts() Generated
}

// Base is what the model without a patch is called.
const Base = "base"

// keep adds the answers to a set, those of the model as it is first.
func (g *Generated) keep(s measure.Named, by []*measure.Measurement) {
	for i, p := range s.Set {
		a := Generation{Set: s.Name, Name: p.Name, Category: p.Category, Prompt: p.Prompt, Correct: p.Correct, Alternates: p.Alternates}
		for _, m := range by {
			a.Texts, a.Right = append(a.Texts, m.Texts[i]), append(a.Right, m.Right[i])
		}
		g.Answers = append(g.Answers, a)
	}
}
