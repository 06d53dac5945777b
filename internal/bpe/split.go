package bpe

import "unicode/utf8"

// splitter has the rules by which a text is split, which differ from model to model in
// one thing: what a combining mark is taken for.
type splitter struct{ mark uint8 }

// splitters are the rules by the name that GGUF has for them.
var splitters = map[string]splitter{"qwen2": {other}, "qwen35": {letter}}

// class returns the class of a character, which is not mark.
func (p splitter) class(r rune) uint8 {
	c := class(r)
	if c == mark {
		return p.mark
	}
	return c
}

// pieceLen returns the length of the first piece of s, in bytes. s is well-formed
// and not empty. The pieces are the successive matches of
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)
//	|[^\r\n\p{L}\p{N}]?\p{L}+
//	|\p{N}
//	| ?[^\s\p{L}\p{N}]+[\r\n]*
//	|\s*[\r\n]+
//	|\s+(?!\S)
//	|\s+
//
// where an earlier alternative wins, and marks belong to \p{L} if they are taken for
// letters. Every character is taken by one of them.
func (p splitter) pieceLen(s string) int {
	r, n := utf8.DecodeRuneInString(s)
	if r == '\'' {
		if k := contractionLen(s); k > 0 {
			return k
		}
	}
	c := p.class(r)
	switch c {
	case letter:
		return n + p.runLen(s[n:], letter)
	case number:
		return n
	}
	// One character that is neither letter, number nor line end leads a word.
	if r != '\r' && r != '\n' {
		if k := p.runLen(s[n:], letter); k > 0 {
			return n + k
		}
	}
	if c == other {
		return p.symbolsLen(s)
	}
	if r == ' ' {
		if k := p.symbolsLen(s[n:]); k > 0 {
			return n + k
		}
	}
	return spaceLen(s)
}

// contractionLen matches (?i:'s|'t|'re|'ve|'m|'ll|'d) at the apostrophe that
// begins s. Folded to one case, the long s (U+017F) is an s too; no other
// character outside ASCII folds to one of these letters.
func contractionLen(s string) int {
	at := func(i int) byte {
		if i < len(s) {
			return s[i] | 0x20
		}
		return 0
	}
	switch at(1) {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if at(2) == 'e' {
			return 3
		}
	case 'l':
		if at(2) == 'l' {
			return 3
		}
	}
	const longS = "ſ"
	if len(s) > len(longS) && s[1:1+len(longS)] == longS {
		return 1 + len(longS)
	}
	return 0
}

// runLen returns the length of the run of characters of class c that begins s.
func (p splitter) runLen(s string, c uint8) int {
	for i, r := range s {
		if p.class(r) != c {
			return i
		}
	}
	return len(s)
}

// symbolsLen matches [^\s\p{L}\p{N}]+[\r\n]*.
func (p splitter) symbolsLen(s string) int {
	n := p.runLen(s, other)
	if n == 0 {
		return 0
	}
	for n < len(s) && (s[n] == '\r' || s[n] == '\n') {
		n++
	}
	return n
}

// spaceLen matches \s*[\r\n]+|\s+(?!\S)|\s+ at the space that begins s: up to the
// last line end of the run of spaces; without one, the whole run if it ends the
// text, or else all but its last character, which leads what follows; but at
// least one character.
func spaceLen(s string) int {
	last, line := 0, 0 // where the last space begins and the last line end ends
	for i, r := range s {
		switch {
		case r == '\r' || r == '\n':
			line = i + 1
		case class(r) != space:
			return runEnd(i, last, line)
		}
		last = i
	}
	return runEnd(len(s), len(s), line)
}

// runEnd returns the first of line, last and end that is not 0.
func runEnd(end, last, line int) int {
	switch {
	case line > 0:
		return line
	case last > 0:
		return last
	}
	return end
}
