package guard

import (
	"crypto/sha256"
	"slices"
	"strings"
	"unicode"

	"bankai"
)

// alike is the least likeness of a text to a target from which on it counts as one
// of its kind. Of what the demo model says, that of sentences to derivatives is up to
// 0.25, of sums to them 0.37, and of derivatives to other ones at least 0.5.
const alike = 0.45

// stretch bounds the characters of a target that are compared at a time. A page
// has most trigrams of its language, a line does not.
const stretch = 160

// likeness finds texts that resemble some prompts: by Dice's coefficient of the sets
// of trigrams, 2·|a∩b| / (|a|+|b|) (L. R. Dice, Ecology 26, 1945), to one of them.
// Short ones share many trigrams with long ones by chance, but not half of both.
type likeness struct {
	sizes   []int               // trigrams of every target
	holders map[trigram][]int32 // the targets that have it, ascending
}

type trigram [3]rune

// newLikeness compares with the lines of prompts.
func newLikeness(prompts []string) *likeness {
	l := &likeness{holders: map[trigram][]int32{}}
	seen := map[string]bool{}
	for _, p := range prompts {
		for line := range strings.Lines(p) {
			for part := range slices.Chunk(folded(line), stretch) {
				if !seen[string(part)] {
					seen[string(part)] = true
					l.add(trigramsOf(part))
				}
			}
		}
	}
	return l
}

func (l *likeness) add(grams map[trigram]struct{}) {
	for t := range grams {
		l.holders[t] = append(l.holders[t], int32(len(l.sizes)))
	}
	l.sizes = append(l.sizes, len(grams))
}

// resembles reports whether a text, or a line of it, is like one of the targets.
func (l *likeness) resembles(text string) bool {
	for line := range strings.Lines(text) {
		for part := range slices.Chunk(folded(line), stretch) {
			if l.of(trigramsOf(part)) >= alike {
				return true
			}
		}
	}
	return false
}

// of is the likeness to the nearest target, from 0 to 1.
func (l *likeness) of(grams map[trigram]struct{}) (most float64) {
	shared := map[int32]int{}
	for t := range grams {
		for _, i := range l.holders[t] {
			shared[i]++
		}
	}
	for i, n := range shared {
		most = max(most, float64(2*n)/float64(len(grams)+l.sizes[i]))
	}
	return most
}

// folded is a text in which numbers, cases and kinds of white space do not count:
// lower case, each run of digits one 0, each run of white space one space.
func folded(text string) (out []rune) {
	for _, r := range strings.ToLower(text) {
		switch {
		case unicode.IsDigit(r):
			r = '0'
		case unicode.IsSpace(r):
			r = ' '
		}
		if n := len(out); n > 0 && (r == '0' || r == ' ') && out[n-1] == r {
			continue
		}
		out = append(out, r)
	}
	return out
}

// trigramsOf is the trigrams of a folded text, with a space before and behind it.
func trigramsOf(text []rune) map[trigram]struct{} {
	text = slices.Concat([]rune(" "), []rune(strings.TrimSpace(string(text))), []rune(" "))
	grams := map[trigram]struct{}{}
	for i := 0; i+3 <= len(text); i++ {
		grams[trigram(text[i:i+3])] = struct{}{}
	}
	return grams
}

// DigestOf identifies a list of prompts, whatever their order; none have the zero
// digest.
func DigestOf(prompts []string) bankai.Digest {
	if len(prompts) == 0 {
		return bankai.Digest{}
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(prompts)))
	h := sha256.New()
	for _, p := range sorted {
		sum := sha256.Sum256([]byte(p))
		h.Write(sum[:])
	}
	return bankai.Digest(h.Sum(nil))
}
