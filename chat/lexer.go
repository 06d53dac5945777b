package chat

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// segment is a stretch of a template: text, an expression to print, or a statement.
type segment struct {
	kind   byte   // '"' is text, '{' an expression, '%' a statement
	text   string // of text
	tokens []token
	line   int
}

// token is a word of the language: a name, a number, a text or an operator.
type token struct {
	kind byte   // 'a' is a name, '1' a number, '"' a text, and '+' an operator
	text string // of a text what it says, without quotes
}

func (t token) is(operator string) bool { return t.kind == '+' && t.text == operator }

func (t token) named(name string) bool { return t.kind == 'a' && t.text == name }

// lexer cuts a template into segments, with the white space around tags left as Jinja2
// leaves it with trim_blocks and lstrip_blocks, which is how templates of chats are meant:
// a tag that is no expression takes the blanks before it on its line and the line's end
// behind it, a minus sign takes all white space on its side, and a plus sign none.
type lexer struct {
	text     string
	at       int
	starts   bool // here, or behind blanks, a line starts
	segments []segment
}

// rawBegin is the tag behind which all is text, and rawEnd the one that ends it.
var (
	rawBegin = regexp.MustCompile(`^\{%[-+]?\s*raw\s*-?%\}`)
	rawEnd   = regexp.MustCompile(`\{%[-+]?\s*endraw\s*[-+]?%\}`)
)

// lex returns a template's segments. Of its last line the end is dropped.
func lex(text string) ([]segment, error) {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	l := &lexer{text: strings.TrimSuffix(text, "\n"), starts: true}
	for {
		rest := l.text[l.at:]
		n := opening(rest)
		if n < 0 {
			l.say(rest)
			return l.segments, nil
		}
		tag := rest[n:]
		sign := tag[2:min(3, len(tag))]
		l.say(l.before(rest[:n], sign, tag[1] != '{'))
		l.at += n
		if err := l.tag(sign); err != nil {
			return nil, fmt.Errorf("line %d: %w", l.line(), err)
		}
		l.starts = l.text[l.at-1] == '\n'
	}
}

// opening finds the next tag's beginning; −1 if there is none.
func opening(text string) int {
	for i := range len(text) - 1 {
		if text[i] == '{' && strings.IndexByte("{%#", text[i+1]) >= 0 {
			return i
		}
	}
	return -1
}

func (l *lexer) line() int { return 1 + strings.Count(l.text[:l.at], "\n") }

func (l *lexer) say(text string) {
	if text != "" {
		l.segments = append(l.segments, segment{kind: '"', text: text})
	}
}

// before is a text before a tag, without the white space that the tag takes.
func (l *lexer) before(text, sign string, block bool) string {
	switch {
	case sign == "-":
		return strings.TrimRightFunc(text, unicode.IsSpace)
	case sign == "+" || !block:
		return text
	}
	begin := strings.LastIndexByte(text, '\n') + 1
	if (begin > 0 || l.starts) && strings.TrimSpace(text[begin:]) == "" {
		return text[:begin]
	}
	return text
}

// after skips the white space that a tag takes behind it.
func (l *lexer) after(sign byte, block bool) {
	switch {
	case sign == '-':
		l.at = len(l.text) - len(strings.TrimLeftFunc(l.text[l.at:], unicode.IsSpace))
	case block && sign != '+' && strings.HasPrefix(l.text[l.at:], "\n"):
		l.at++
	}
}

// tag reads a tag.
func (l *lexer) tag(sign string) error {
	rest := l.text[l.at:]
	if raw := rawBegin.FindString(rest); raw != "" {
		return l.raw(raw)
	}
	if rest[1] == '#' {
		n := strings.Index(rest[2:], "#}")
		if n < 0 {
			return fmt.Errorf("a comment does not end: write #}")
		}
		l.at += 2 + n + 2
		l.after(rest[1+n], true) // the sign before the end, if there is one
		return nil
	}
	n := 2
	if sign == "-" || sign == "+" {
		n++
	}
	s := segment{kind: rest[1], line: l.line()}
	end := "}}"
	if s.kind == '%' {
		end = "%}"
	}
	open := 0 // brackets
	for {
		n += len(rest[n:]) - len(strings.TrimLeftFunc(rest[n:], unicode.IsSpace))
		if open == 0 {
			for _, sign := range []string{"-", "+", ""} {
				if strings.HasPrefix(rest[n:], sign+end) && (sign != "+" || s.kind == '%') {
					l.at += n + len(sign) + 2
					l.after((sign + " ")[0], s.kind == '%')
					l.segments = append(l.segments, s)
					return nil
				}
			}
		}
		if n == len(rest) {
			return fmt.Errorf("a tag does not end: write %s", end)
		}
		t, size, err := lexToken(rest[n:])
		if err != nil {
			return err
		}
		if t.kind == '+' && strings.Contains("([{", t.text) {
			open++
		} else if t.kind == '+' && strings.Contains(")]}", t.text) {
			open--
		}
		n += size
		if last := len(s.tokens) - 1; t.kind == '"' && last >= 0 && s.tokens[last].kind == '"' {
			s.tokens[last].text += t.text // texts side by side are one, as in Python
			continue
		}
		s.tokens = append(s.tokens, t)
	}
}

// raw reads what stands between the tags raw and endraw as text.
func (l *lexer) raw(begin string) error {
	rest := l.text[l.at+len(begin):]
	end := rawEnd.FindStringIndex(rest)
	if end == nil {
		return fmt.Errorf("a raw text does not end: write {%% endraw %%}")
	}
	l.at += len(begin)
	l.starts = strings.HasSuffix(begin, "\n")
	text := rest[:end[0]]
	if strings.HasSuffix(begin, "-%}") {
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
	}
	tag := rest[end[0]:end[1]]
	l.say(l.before(text, tag[2:3], true))
	l.at += end[1]
	l.after(tag[len(tag)-3], true)
	return nil
}

var (
	nameToken   = regexp.MustCompile(`^[\pL_][\pL\pN_]*`)
	floatToken  = regexp.MustCompile(`^[0-9](_?[0-9])*(\.[0-9](_?[0-9])*([eE][-+]?[0-9](_?[0-9])*)?|[eE][-+]?[0-9](_?[0-9])*)`)
	wholeToken  = regexp.MustCompile(`^(0[bB](_?[01])+|0[oO](_?[0-7])+|0[xX](_?[0-9a-fA-F])+|[0-9](_?[0-9])*)`)
	stringToken = regexp.MustCompile(`(?s)^('([^'\\]|\\.)*'|"([^"\\]|\\.)*")`)
)

// operators begin with the longest.
var operators = strings.Fields("** // == != >= <= + - / * % ~ [ ] ( ) { } > < = . : | ,")

// lexToken reads the token that a text begins with.
func lexToken(text string) (t token, size int, err error) {
	if s := floatToken.FindString(text); s != "" {
		f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
		digits := strconv.FormatFloat(f, 'e', -1, 64)
		if !strings.Contains(digits, ".") {
			digits = strings.Replace(digits, "e", ".0e", 1) // the library wants a point
		}
		return token{'1', digits}, len(s), err
	}
	if s := wholeToken.FindString(text); s != "" {
		base, digits := 0, strings.ReplaceAll(s, "_", "")
		if strings.Trim(digits, "0123456789") == "" {
			base = 10 // also with zeros in front
		}
		n, err := strconv.ParseInt(digits, base, 64)
		return token{'1', strconv.FormatInt(n, 10)}, len(s), err
	}
	if s := nameToken.FindString(text); s != "" {
		return token{'a', s}, len(s), nil
	}
	if s := stringToken.FindString(text); s != "" {
		said, err := unescape(s[1 : len(s)-1])
		return token{'"', said}, len(s), err
	}
	for _, o := range operators {
		if strings.HasPrefix(text, o) {
			return token{'+', o}, len(o), nil
		}
	}
	return t, 0, fmt.Errorf("%.10q… is no expression", text)
}

var escape = regexp.MustCompile(`(?s)\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{1,3}|.)`)

// unescape is what a text of Python's between quotes says.
func unescape(s string) (string, error) {
	var err error
	s = escape.ReplaceAllStringFunc(s, func(e string) string {
		switch c := e[1]; {
		case c == '\n':
			return ""
		case strings.IndexByte(`\'"`, c) >= 0:
			return e[1:]
		case strings.IndexByte("abfnrtv", c) >= 0:
			return string("\a\b\f\n\r\t\v"[strings.IndexByte("abfnrtv", c)])
		case len(e) > 2 && strings.IndexByte("xuU", c) >= 0:
			n, _ := strconv.ParseUint(e[2:], 16, 32)
			return string(rune(n))
		case '0' <= c && c <= '7':
			n, _ := strconv.ParseUint(e[1:], 8, 32)
			return string(rune(n))
		case strings.IndexByte("xuUN", c) >= 0:
			err = fmt.Errorf("%s in a text is not supported: write the character itself", e)
		}
		return e
	})
	return s, err
}
