package dialog

import (
	"unicode"
)

// Span is a part of a text, which another text has, too, or not.
type Span struct {
	Text    string
	Differs bool
}

// Differences are the parts of a text that another one has, in its order, and those that
// it does not have. They are made of whole words.
func Differences(text, other string) (spans []Span) {
	a, b := words(text), words(other)
	common := commonWords(a, b)
	for i, word := range a {
		if n := len(spans) - 1; n >= 0 && spans[n].Differs != common[i] {
			spans[n].Text += word
			continue
		}
		spans = append(spans, Span{word, !common[i]})
	}
	return spans
}

// words cuts a text into words, numbers, and the characters between them.
func words(text string) (all []string) {
	begin, within := 0, false
	for i, r := range text {
		wordy := (unicode.IsLetter(r) || unicode.IsDigit(r)) && !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana)
		if i > 0 && !(wordy && within) {
			all = append(all, text[begin:i])
			begin = i
		}
		within = wordy
	}
	if begin < len(text) {
		all = append(all, text[begin:])
	}
	return all
}

// maxTable bounds the memory for comparing, in pairs of words. Beyond it, all that stands
// between equal beginnings and equal ends differs.
const maxTable = 1 << 22

// commonWords marks the words of a that are part of a longest common subsequence with b.
func commonWords(a, b []string) []bool {
	common := make([]bool, len(a))
	begin := 0
	for begin < min(len(a), len(b)) && a[begin] == b[begin] {
		common[begin] = true
		begin++
	}
	end := 0
	for end < min(len(a), len(b))-begin && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
		common[len(a)-end] = true
	}
	a, b = a[begin:len(a)-end], b[begin:len(b)-end]
	if len(a)*len(b) == 0 || len(a)*len(b) > maxTable {
		return common
	}
	width := len(b) + 1
	longest := make([]uint32, (len(a)+1)*width) // of the words from i and from j on
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			at := i*width + j
			if a[i] == b[j] {
				longest[at] = longest[at+width+1] + 1
			} else {
				longest[at] = max(longest[at+width], longest[at+1])
			}
		}
	}
	for i, j := 0, 0; i < len(a) && j < len(b); {
		at := i*width + j
		switch {
		case a[i] == b[j]:
			common[begin+i] = true
			i, j = i+1, j+1
		case longest[at+width] >= longest[at+1]:
			i++
		default:
			j++
		}
	}
	return common
}
