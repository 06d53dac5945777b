package engine

import (
	"strings"
	"unicode/utf8"

	"bankai/internal/bpe"
)

// safeText turns the ids of a generation into text that may be shown at once: never
// half a character, never what may turn out to be the beginning of a stop text, and
// nothing from a stop text on.
type safeText struct {
	dec   *bpe.Decoder
	stops []stopText
	held  string          // decoded, but not shown: a stop text may begin with it
	shown strings.Builder // all that push and flush returned
	stop  string          // the stop text that ended the text, "" if none did
}

func newSafeText(tok *bpe.Tokenizer, stops []string) *safeText {
	t := &safeText{dec: tok.Decoder()}
	for _, s := range stops {
		t.stops = append(t.stops, newStopText(s))
	}
	return t
}

// push takes one more id and returns the text that may be shown with it. Nothing
// comes after a stop text.
func (t *safeText) push(id int32) string { return t.add(t.dec.Push(id), false) }

// flush ends the text and returns what was held back of it.
func (t *safeText) flush() string { return t.add(t.dec.Flush(), true) }

// add takes more text, which may be the last. Of several stop texts that it
// completes the one that begins first ends the text.
func (t *safeText) add(text string, last bool) string {
	if t.stop != "" {
		return ""
	}
	before := len(t.held)
	t.held += text
	end, hold := len(t.held), 0
	for i := range t.stops {
		s := &t.stops[i]
		n := s.find(text)
		if n < 0 {
			hold = max(hold, s.matched)
		} else if begin := before + n - len(s.text); begin < end {
			end, t.stop = begin, s.text
		}
	}
	if t.stop == "" && !last {
		end -= hold
	}
	show := t.held[:end]
	t.held = t.held[end:]
	t.shown.WriteString(show)
	return show
}

// stopText finds a text in another that comes piece by piece, every byte of which is
// looked at once (Knuth, Morris and Pratt).
type stopText struct {
	text    string
	matched int   // bytes of text that end what came so far
	shorter []int // [n]: the most bytes, but fewer than n, that both begin and end text[:n]
}

func newStopText(text string) stopText {
	s := stopText{text: text, shorter: make([]int, len(text)+1)}
	for n := 1; n < len(text); n++ {
		s.shorter[n+1] = s.longer(s.shorter[n], text[n])
	}
	return s
}

// longer is how many bytes of the text match after one more, if n did before.
func (s *stopText) longer(n int, next byte) int {
	for n > 0 && s.text[n] != next {
		n = s.shorter[n]
	}
	if s.text[n] == next {
		n++
	}
	return n
}

// find returns where in piece the text ends for the first time, -1 if it does not.
func (s *stopText) find(piece string) int {
	for i := range len(piece) {
		if s.matched = s.longer(s.matched, piece[i]); s.matched == len(s.text) {
			return i + 1
		}
	}
	return -1
}

// checkStopTexts refuses stop texts that every text has, or that none can have.
func checkStopTexts(stops []string) error {
	for i, s := range stops {
		if s == "" || !utf8.ValidString(s) {
			return &StopTextError{i, s}
		}
	}
	return nil
}
