package bpe

import (
	"slices"
	"strings"
)

// special is a token that stands for itself in a text, wherever it occurs, before
// the text is normalised or split.
type special struct {
	text string
	id   int32
}

// specials finds special tokens in a text.
type specials struct {
	sorted []special // by text
	first  [256]bool // the bytes they begin with
}

func newSpecials(list []special) specials {
	slices.SortFunc(list, func(a, b special) int { return strings.Compare(a.text, b.text) })
	s := specials{sorted: list}
	for _, t := range list {
		s.first[t.text[0]] = true
	}
	return s
}

// Specials returns the texts of the special tokens, sorted: of what only a template
// may write.
func (t *Tokenizer) Specials() []string {
	texts := make([]string, len(t.specials.sorted))
	for i, s := range t.specials.sorted {
		texts[i] = s.text
	}
	return texts
}

// next finds the first special token of a text, and of those that begin there the
// longest. Without one, at is the text's length.
func (s *specials) next(text string) (at int, found special) {
	for at := range len(text) {
		if s.first[text[at]] {
			if t := s.longest(text[at:]); t.text != "" {
				return at, t
			}
		}
	}
	return len(text), special{}
}

// longest returns the longest special token that begins a text. It narrows the
// sorted tokens byte by byte to those that share the text's beginning.
func (s *specials) longest(text string) (found special) {
	list := s.sorted
	for n := range len(text) {
		c := text[n]
		from, _ := slices.BinarySearchFunc(list, c, func(t special, c byte) int { return int(t.text[n]) - int(c) })
		to, _ := slices.BinarySearchFunc(list[from:], c, func(t special, c byte) int {
			if t.text[n] > c {
				return 1
			}
			return -1
		})
		list = list[from : from+to]
		// The one that ends here sorts before those that go on.
		if len(list) > 0 && len(list[0].text) == n+1 {
			found, list = list[0], list[1:]
		}
		if len(list) == 0 {
			break
		}
	}
	return found
}
