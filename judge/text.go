package judge

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"bankai/probe"
)

// normal is a text in Unicode's form NFC, its white space as single spaces and none at
// the ends; with fold, upper and lower case are alike.
func normal(s string, fold bool) string {
	s = strings.Join(strings.Fields(norm.NFC.String(s)), " ")
	if fold {
		s = norm.NFC.String(cases.Fold().String(s))
	}
	return s
}

// clip is a text for a reason: on one line, and short.
func clip(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "\ufffd")), " ")
	if r := []rune(s); len(r) > shortest {
		return string(r[:shortest-1]) + "…"
	}
	return s
}

func exact(want, have string, fold bool) Verdict {
	w, h := normal(want, fold), normal(have, fold)
	switch {
	case w == h:
		return right("the text that is wanted")
	case h == "":
		return wrong("nothing was said, wanted %q", clip(w))
	case normal(want, true) == normal(have, true):
		return wrong("only upper and lower case differ from %q: exact:fold lets it pass", clip(w))
	}
	return wrong("%s", difference(w, h))
}

// difference says where a text first differs from the one that is wanted.
func difference(want, have string) string {
	w, h := []rune(want), []rune(have)
	at := 0
	for at < len(w) && at < len(h) && w[at] == h[at] {
		at++
	}
	switch {
	case at == len(h):
		return fmt.Sprintf("the answer ends before %q", clip(string(w[at:])))
	case at == len(w):
		return fmt.Sprintf("the answer goes on: %q", clip(string(h[at:])))
	}
	from := max(0, at-10)
	return fmt.Sprintf("from character %d: %q, wanted %q", at+1, clip(string(h[from:])), clip(string(w[from:])))
}

func contains(want, have string, fold bool) Verdict {
	w, h := normal(want, fold), normal(have, fold)
	switch {
	case w == "":
		return wrong("nothing is wanted")
	case indexWord(h, w) >= 0:
		return right("has %q", clip(w))
	case strings.Contains(h, w):
		return wrong("has %q only inside of a longer word", clip(w))
	case indexWord(normal(have, true), normal(want, true)) >= 0:
		return wrong("has %q only in other case: contains:fold lets it pass", clip(w))
	}
	return wrong("does not have %q", clip(w))
}

// indexWord is where word stands in text and neither a letter nor a digit carries it on;
// -1 if nowhere. word is not empty.
func indexWord(text, word string) int {
	for from := 0; ; {
		at := strings.Index(text[from:], word)
		if at < 0 {
			return -1
		}
		at += from
		before, _ := utf8.DecodeLastRuneInString(text[:at])
		first, size := utf8.DecodeRuneInString(text[at:])
		after, _ := utf8.DecodeRuneInString(text[at+len(word):])
		last, _ := utf8.DecodeLastRuneInString(word)
		if !(at > 0 && inWord(before) && inWord(first)) && !(inWord(after) && inWord(last)) {
			return at
		}
		from = at + size
	}
}

func inWord(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) || r == '_')
}

// begins is the rule of probes.
func begins(want, have string) Verdict {
	have = strings.TrimLeftFunc(have, unicode.IsSpace)
	first, _, _ := strings.Cut(have, probe.Stop)
	switch {
	case probe.Normalize(want) == "":
		return wrong("nothing is wanted")
	case (probe.Probe{Correct: want}).Match(have):
		return right("begins with %q", clip(want))
	case first == "":
		return wrong("nothing was said, wanted %q", clip(want))
	}
	return wrong("begins with %q, wanted %q", clip(first), clip(want))
}

func (r Rule) matches(have string) Verdict {
	if r.re == nil {
		return wrong("the rule has no expression")
	}
	if at := r.re.FindStringIndex(have); at != nil {
		return right("matches, at %q", clip(have[at[0]:at[1]]))
	}
	return wrong("%q does not match %s", clip(have), r.Variant)
}

// label finds which label an answer names: the longest that it begins with; or, if it
// begins with none, that its end does, behind the last colon or the last "is". Case and
// what surrounds a word (quotes, asterisks, brackets) do not count. A label that is only
// mentioned ("not positive") is not named.
func label(w Wanted, have string) Verdict {
	text := normal(have, true)
	parts := []string{text}
	for _, before := range []string{":", " is "} {
		if at := strings.LastIndex(text, before); at >= 0 {
			parts = append(parts, text[at+len(before):])
		}
	}
	for _, part := range parts {
		if named := longest(w.Labels, part); named != "" {
			if named == w.Text {
				return right("names %q", named)
			}
			return wrong("names %q, wanted %q", named, w.Text)
		}
	}
	if text == "" {
		return wrong("nothing was said, wanted %q", w.Text)
	}
	return wrong("%q begins with no label, wanted %q", clip(have), w.Text)
}

// longest is the longest label that a folded text begins with, "" for none.
func longest(labels []string, text string) (found string) {
	text = strings.TrimLeft(text, " \"'`*_([{“‘«")
	for _, l := range slices.Sorted(slices.Values(labels)) {
		if folded := normal(l, true); folded != "" && strings.HasPrefix(text, folded) && indexWord(text, folded) == 0 && len(l) > len(found) {
			found = l
		}
	}
	return found
}
