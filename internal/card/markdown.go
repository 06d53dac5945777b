package card

import (
	"encoding/json"
	"strings"
	"unicode"

	"bankai/internal/text"
)

// printable is a text on one line in which nothing steers a terminal, ends a line, or turns
// the direction of what is read.
func printable(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		joiner := r == '\u200c' || r == '\u200d' // some scripts need them
		if unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) && !joiner {
			return '·'
		}
		return r
	}, text.Printable(text.Line(s))))
}

// Characters by which Markdown, tables and formulas included, means something anywhere in
// a line, and those by which it does at its beginning, or behind a number there.
const (
	special   = "\\`*_[]|~$"
	beginning = "#+-=.)"
)

// prose is a text that a patch holds, for any place in a line of Markdown, or in a cell of
// a table: it comes out as it is, and makes no markup, no link, no picture and no HTML.
func prose(s string) string {
	var b strings.Builder
	s = printable(s)
	begun := false // something but digits is there
	for i, r := range s {
		begins := !begun && strings.ContainsRune(beginning, r)
		begun = begun || r < '0' || r > '9'
		rest := strings.ToLower(s[i:])
		switch {
		case r == '&' || r == '<' || r == '>' || r == '@':
			b.WriteString(map[rune]string{'&': "&amp;", '<': "&lt;", '>': "&gt;", '@': "&#64;"}[r])
		case begins, strings.ContainsRune(special, r), strings.HasPrefix(rest, "://"), r == '.' && strings.HasSuffix(strings.ToLower(s[:i]), "www"), r == '!' && strings.HasPrefix(rest, "!["):
			b.WriteRune('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// code is a text as it is, within a line.
func code(s string) string {
	s = printable(s)
	if s == "" {
		return ""
	}
	fence := strings.Repeat("`", run(s, '`')+1)
	if strings.ContainsRune(s, '`') {
		s = " " + s + " "
	}
	return fence + strings.ReplaceAll(s, "|", "¦") + fence // a table ends its cell at a bar even here
}

// block is lines as they are.
func block(lines ...string) string {
	n := 3
	for i := range lines {
		lines[i] = printable(lines[i])
		n = max(n, run(lines[i], '`')+1)
	}
	fence := strings.Repeat("`", n)
	return fence + "\n" + strings.Join(lines, "\n") + "\n" + fence + "\n"
}

// run is the length of the longest run of a character.
func run(s string, of rune) (longest int) {
	n := 0
	for _, r := range s {
		if n++; r != of {
			n = 0
		}
		longest = max(longest, n)
	}
	return longest
}

// quoted is a text as a value in YAML: of its forms the one with double quotes, in which
// the escapes of JSON mean the same.
func quoted(s string) string {
	data, err := json.Marshal(printable(s))
	if err != nil {
		return `""` // a text can be marshalled
	}
	return string(data)
}
