package dataset

import (
	"slices"
	"unicode"
	"unicode/utf8"
)

// token is a word, a number or a sign of a text, as a hash.
type token struct {
	hash   uint64
	number bool
}

// mostTokens bounds what is looked at of a text.
const mostTokens = 20000

// tokenize divides a text into runs of letters, in small ones, numbers, and signs that
// count, as + does; what only punctuates is left out. In scripts without spaces between
// words, a character is a word.
func tokenize(text string) []token {
	var out []token
	for i := 0; i < len(text) && len(out) < mostTokens; {
		r, n := utf8.DecodeRuneInString(text[i:])
		start := i
		i += n
		switch {
		case unicode.IsDigit(r):
			i = numberEnd(text, i)
			out = append(out, token{hashText(text[start:i]), true})
		case isLetter(r) && !alone(r):
			i = wordEnd(text, i)
			out = append(out, token{hashText(text[start:i]), false})
		case isLetter(r), isSign(r):
			out = append(out, token{hashText(text[start:i]), false})
		}
	}
	return out
}

// numberEnd is where a number ends that begins before i: a point or a comma belongs to it
// where a digit follows.
func numberEnd(text string, i int) int {
	for i < len(text) {
		r, n := utf8.DecodeRuneInString(text[i:])
		if (r == '.' || r == ',') && i+1 < len(text) && text[i+1] >= '0' && text[i+1] <= '9' {
			i++
			continue
		}
		if !unicode.IsDigit(r) {
			break
		}
		i += n
	}
	return i
}

func wordEnd(text string, i int) int {
	for i < len(text) {
		r, n := utf8.DecodeRuneInString(text[i:])
		apostrophe := r == '\'' || r == '’'
		if !isLetter(r) && !apostrophe || alone(r) {
			break
		}
		i += n
	}
	return i
}

func isLetter(r rune) bool { return unicode.IsLetter(r) || unicode.IsMark(r) }

// alone says whether a letter is of a script that has no spaces between words.
func alone(r rune) bool {
	return r > 0xe00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// isSign says whether a character means something by itself.
func isSign(r rune) bool {
	if r < utf8.RuneSelf {
		switch r {
		case '+', '-', '*', '/', '^', '%', '=', '<', '>', '&', '|', '~', '#', '@', '!', '$', '_', '\\':
			return true
		}
		return false
	}
	return unicode.IsSymbol(r)
}

const (
	fnvOffset = 0xcbf29ce484222325
	fnvPrime  = 0x100000001b3
)

// hashText is a hash of a text in small letters, the same in every run.
func hashText(s string) uint64 {
	h := uint64(fnvOffset)
	for _, r := range s {
		h = (h ^ uint64(unicode.ToLower(r))) * fnvPrime
	}
	return mix(h)
}

// mix spreads a hash over all bits (the finisher of SplitMix64).
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// shingle is a hash of three neighbouring tokens.
func shingle(t []token) uint64 {
	return mix(t[0].hash + mix(t[1].hash+mix(t[2].hash)))
}

// sortedSet sorts hashes and drops what stands there twice.
func sortedSet(h []uint64) []uint64 {
	slices.Sort(h)
	return slices.Compact(h)
}
