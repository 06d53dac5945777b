package dataset

import (
	"encoding/json"
	"io"
	"strings"

	"bankai/chat"
)

// Write writes examples as lines of JSON, of which Read makes the same examples: all but
// their Source and Line, and white space within tools. All must be of one form, as those of a piece of [Pieces] are.
// labels are those that there are, of which the examples need not have all.
func Write(w io.Writer, examples []Example, labels []string) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	wide := isWide(examples)
	for _, x := range examples {
		if err := e.Encode(x.line(labels, wide)); err != nil {
			return err
		}
	}
	return nil
}

// Pieces divides examples into the fewest parts of one form each, in their order: a file
// holds one format.
func Pieces(examples []Example) (pieces [][]Example) {
	wide := map[string]bool{} // sources whose answers need the form of probes
	for i := range examples {
		if isWide(examples[i : i+1]) {
			wide[examples[i].Source] = true
		}
	}
	form := func(e *Example) string {
		if e.Kind == Answer && wide[e.Source] {
			return string(Probes)
		}
		return string(e.Kind)
	}
	for i := range examples {
		if i == 0 || form(&examples[i]) != form(&examples[i-1]) {
			pieces = append(pieces, nil)
		}
		last := &pieces[len(pieces)-1]
		*last = append(*last, examples[i])
	}
	return pieces
}

// isWide reports whether answers have more than a prompt and what is wanted, as those of
// probes do.
func isWide(examples []Example) bool {
	for _, e := range examples {
		if e.Kind == Answer && (e.Rejected != nil || len(e.Alternates) > 0) {
			return true
		}
	}
	return false
}

// written is an example as a line holds it.
type written struct {
	Name       string            `json:"name,omitempty"`
	Group      string            `json:"group,omitempty"`
	Category   string            `json:"category,omitempty"`
	Match      string            `json:"match,omitempty"`
	Weight     float64           `json:"weight,omitempty"`
	Tools      []json.RawMessage `json:"tools,omitempty"`
	Prompt     any               `json:"prompt,omitempty"`
	Completion any               `json:"completion,omitempty"`
	Correct    string            `json:"correct,omitempty"`
	Wrong      string            `json:"wrong,omitempty"`
	Alternates []string          `json:"alternates,omitempty"`
	Chosen     any               `json:"chosen,omitempty"`
	Rejected   any               `json:"rejected,omitempty"`
	Text       string            `json:"text,omitempty"`
	Label      string            `json:"label,omitempty"`
	Labels     []string          `json:"labels,omitempty"`
}

func (e *Example) line(labels []string, wide bool) written {
	w := written{Name: e.Name, Group: e.Group, Category: e.Category, Match: e.Match, Tools: e.Tools}
	if e.Weight != 1 {
		w.Weight = e.Weight
	}
	said := func(m chat.Message) any { return m.Content }
	switch {
	case e.Messages != nil:
		said = func(m chat.Message) any { return []chat.Message{m} }
		w.Prompt = e.Messages
	case e.Kind == Preference && strings.TrimSpace(e.Prompt) == "":
		// Without a prompt, what both begin with is it.
		said = func(m chat.Message) any { return e.Prompt + m.Content }
	case e.Prompt != "":
		w.Prompt = e.Prompt
	}
	switch {
	case e.Kind == Text:
		w.Prompt, w.Text = nil, e.Want.Content
	case e.Kind == Label:
		w.Prompt, w.Text, w.Label, w.Labels = nil, e.Prompt, e.Label, labels
	case e.Kind == Preference:
		w.Chosen, w.Rejected = said(e.Want), said(*e.Rejected)
	case wide:
		w.Correct, w.Alternates = e.Want.Content, e.Alternates
		if e.Rejected != nil {
			w.Wrong = e.Rejected.Content
		}
	default:
		w.Completion = said(e.Want)
	}
	return w
}
