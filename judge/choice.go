package judge

import (
	"regexp"
	"slices"
	"strings"
)

// A choice is a letter from A to J. In words of reasoning letters stand, too ("A dog",
// "I"), so a letter counts where an answer says that it is the answer, where it begins
// the answer and a mark follows, or where it is the only one in brackets or alone.
var (
	stated = regexp.MustCompile(`(?i)\b(?:answer|choice|option|choose|pick)\b(?:\s+(?:is|would\s+be|must\s+be|should\s+be))?\s*:?[\s*_"'“$]*(?:\\boxed\{|\\text\{)*(?:(?:option|choice|answer)\s+)?([(\[]?)([A-J])\b([)\]]?)`)
	leads  = regexp.MustCompile(`^[\s*_"'“]*(?:[(\[]([A-Ja-j])[)\]]|([A-J])(?:[).:,*_"'”]|\s*$|\s*\n)|([a-j])(?:[).]|\s*$))`)
	alone  = regexp.MustCompile(`[(\[]([A-Ja-j])[)\]]|\\boxed\{(?:\\text\{)?([A-Ja-j])\}|\b([B-HJ])\b`)
	also   = regexp.MustCompile(`^[\s*_"')\]]*(?:or|and|/|,|&)\s*[(\[]?[A-J]\b`)
)

// pick is a letter, or why there is none.
type pick struct {
	letter byte // 0: none
	why    string
}

func choice(want, have string) Verdict {
	w, h := chosen(want), chosen(have)
	switch {
	case w.letter == 0:
		return wrong("no choice is wanted")
	case h.letter == 0:
		return wrong("%s, wanted %c", h.why, w.letter)
	case h.letter == w.letter:
		return right("chose %c", h.letter)
	}
	return wrong("chose %c, wanted %c", h.letter, w.letter)
}

// chosen finds the choice of an answer: the last that is stated, else the one that the
// answer begins with, else the only one that stands alone.
func chosen(s string) pick {
	if p := lastStated(s); p.letter != 0 || p.why != "" {
		return p
	}
	if at := leads.FindStringSubmatchIndex(s); at != nil {
		if also.MatchString(s[at[1]:]) || s[at[1]-1] == ',' && also.MatchString(s[at[1]-1:]) {
			return pick{why: "names several choices"}
		}
		return pick{letter: letterOf(s, at)}
	}
	var letters []byte
	for _, at := range alone.FindAllStringSubmatchIndex(s, -1) {
		if l := letterOf(s, at); !slices.Contains(letters, l) {
			letters = append(letters, l)
		}
	}
	switch len(letters) {
	case 0:
		return pick{why: "names no choice"}
	case 1:
		return pick{letter: letters[0]}
	}
	return pick{why: "names several choices"}
}

// lastStated is the last choice that follows on "the answer is" or the like. A small
// letter counts only in brackets or at the end: "the answer is a matter of taste". A
// capital A that a small letter follows is an article: "the answer is A dog".
func lastStated(s string) (p pick) {
	for from := 0; from < len(s); {
		at := stated.FindStringSubmatchIndex(s[from:])
		if at == nil {
			break
		}
		letter, rest := s[from+at[4]], s[from+at[1]:]
		brackets := at[3] > at[2] && at[7] > at[6]
		ends := strings.Trim(rest, " .*_\"'”})$\n") == "" || strings.HasPrefix(strings.TrimLeft(rest, " .*_\"'”})$"), "\n")
		article := letter == 'A' && strings.HasPrefix(rest, " ") && strings.TrimLeft(rest, " ") != "" && !also.MatchString(rest) && isSmall(strings.TrimLeft(rest, " ")[0])
		if brackets || ends || 'A' <= letter && letter <= 'J' && !article && !(letter == 'I' && strings.HasPrefix(rest, " ")) {
			p = pick{letter: upper(letter)}
			if also.MatchString(rest) {
				p = pick{why: "names several choices"}
			}
		}
		from += at[5]
	}
	return p
}

func isSmall(b byte) bool { return 'a' <= b && b <= 'z' }

// letterOf is the group of a match that matched, as a capital.
func letterOf(s string, at []int) byte {
	for g := 2; g < len(at); g += 2 {
		if at[g] >= 0 {
			return upper(s[at[g]])
		}
	}
	return 0
}

func upper(b byte) byte {
	if isSmall(b) {
		return b - 'a' + 'A'
	}
	return b
}
