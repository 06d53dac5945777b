package chat

import (
	"slices"
	"strings"

	"bankai/engine"
)

// Part is a stretch of a prompt. If it is special, its text is one special token. All
// other text is ordinary, even if it spells one.
type Part = engine.Part

// Text returns the parts as one text.
func Text(parts []Part) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text)
	}
	return b.String()
}

// specials are the texts of special tokens, the longest first.
type specials []string

func newSpecials(texts []string) specials {
	s := slices.DeleteFunc(slices.Clone(texts), func(t string) bool { return t == "" })
	slices.SortFunc(s, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(s)
}

// next finds the first special token of a text, and of those that begin there the
// longest, as the tokenizer does. Without one, at is the text's length.
func (s specials) next(text string) (at int, found string) {
	for at := range len(text) {
		for _, t := range s {
			if text[at] == t[0] && strings.HasPrefix(text[at:], t) {
				return at, t
			}
		}
	}
	return len(text), ""
}

// writer puts a prompt together. Ordinary text that meets is one part, whoever wrote
// it: a tokenizer merges over the seam, as it would in the prompt as one text.
type writer struct {
	specials specials
	parts    []Part
	ordinary strings.Builder
	marks    []int
	marked   bool // a message ended here
}

// template writes text of the template, in which special tokens are recognised.
func (w *writer) template(text string) {
	for text != "" {
		at, found := w.specials.next(text)
		w.content(text[:at])
		if found != "" {
			w.flush()
			w.parts = append(w.parts, Part{Text: found, Special: true})
		}
		text = text[at+len(found):]
	}
}

// content writes text in which nothing is special.
func (w *writer) content(text string) {
	if text == "" {
		return
	}
	if w.ordinary.Len() == 0 {
		w.flush()
	}
	w.marked = false // the message's end is inside a part, where no prompt can be cut
	w.ordinary.WriteString(text)
}

// mark says that a message ends here. It becomes a mark if a special token follows,
// or precedes, or the prompt ends.
func (w *writer) mark() { w.marked = true }

// flush ends the part of ordinary text.
func (w *writer) flush() {
	if w.ordinary.Len() > 0 {
		w.parts = append(w.parts, Part{Text: w.ordinary.String()})
		w.ordinary.Reset()
	}
	if n := len(w.marks); w.marked && (n == 0 || w.marks[n-1] < len(w.parts)) {
		w.marks = append(w.marks, len(w.parts))
	}
	w.marked = false
}
