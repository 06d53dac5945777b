package chat

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// A template of Jinja returns one text, in which content can no longer be told from
// what the template itself says. So content goes through it behind a veil: every
// character of a special token that is neither letter nor digit, such as the bars of
// <|im_end|>, is replaced by a private character that stands for it, and put back
// afterwards as ordinary text. Whatever the template does with content, what still
// spells a special token is then the template's own.

// The private characters are those of Unicode's plane 15. Content that has such
// characters itself goes behind the veil with them, so none is ever mistaken.
const (
	firstVeiled = 0xF0000
	lastVeiled  = 0xFFFFD
)

// veil hands private characters out and takes them back.
type veil struct {
	signs  string   // characters that content may not show
	words  []string // special tokens of letters and digits alone
	chosen map[held]rune
	held   []held // by private character
	full   bool   // there were more than there are private characters
}

// held is what a private character stands for.
type held struct {
	text string
	// bare says that it is a number, whose quotes in JSON are taken away with it.
	bare bool
}

// veiled returns the signs and the words of special tokens that content may not show.
func (s specials) veiled() (signs string, words []string) {
	for _, text := range s {
		n := len(words)
		for _, r := range text {
			if isSign(r) && !strings.ContainsRune(signs, r) {
				signs += string(r)
			}
		}
		if strings.IndexFunc(text, isSign) < 0 {
			words = append(words[:n], text)
		}
	}
	return signs, words
}

// isSign says whether content may do without a character while a template looks at
// it. Names and numbers are made of the others.
func isSign(r rune) bool {
	return !(r == '_' || r == '-' || r == '.' || r == ' ' || r == '\n' ||
		'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9')
}

func isVeiled(r rune) bool { return firstVeiled <= r && r <= lastVeiled }

func (v *veil) hide(h held) rune {
	if r, ok := v.chosen[h]; ok {
		return r
	}
	r := rune(firstVeiled + len(v.held))
	if r > lastVeiled {
		v.full = true
		return utf8.RuneError
	}
	v.chosen[h] = r
	v.held = append(v.held, h)
	return r
}

// cover returns a text as the template may see it, without signs. What is in show
// stays as it is.
func (v *veil) cover(text, signs string, show ...string) string {
	var b strings.Builder
	for text != "" {
		if s := prefix(text, show); s != "" {
			b.WriteString(s)
			text = text[len(s):]
			continue
		}
		if s := prefix(text, v.words); s != "" {
			b.WriteRune(v.hide(held{text: s}))
			text = text[len(s):]
			continue
		}
		r, n := utf8.DecodeRuneInString(text)
		if strings.ContainsRune(signs, r) && r != utf8.RuneError || isVeiled(r) {
			r = v.hide(held{text: text[:n]})
		}
		b.WriteRune(r)
		text = text[n:]
	}
	return b.String()
}

func prefix(text string, of []string) string {
	for _, s := range of {
		if strings.HasPrefix(text, s) {
			return s
		}
	}
	return ""
}

// number returns a text that stands for a number, with or without the quotes that
// JSON gives to a string.
func (v *veil) number(text string) string { return string(v.hide(held{text, true})) }

// lift returns an ordinary text with everything put back.
func (v *veil) lift(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		quoted := r == '"'
		if quoted {
			r, n = utf8.DecodeRuneInString(text[i+1:])
		}
		k := int(r) - firstVeiled
		switch {
		case k < 0 || k >= len(v.held), quoted && !v.held[k].bare:
			if quoted {
				n = 1
			}
			b.WriteString(text[i : i+n])
		case quoted && strings.HasPrefix(text[i+1+n:], `"`):
			b.WriteString(v.held[k].text)
			n += 2
		case quoted:
			b.WriteByte('"')
			n = 1
		default:
			b.WriteString(v.held[k].text)
		}
		i += n
	}
	return b.String()
}

// parts tells the template's special tokens from all other text of a rendering.
func (v *veil) parts(s specials, text string) []Part {
	w := &writer{specials: s}
	w.template(text)
	w.flush()
	for i := range w.parts {
		if !w.parts[i].Special {
			w.parts[i].Text = v.lift(w.parts[i].Text)
		}
	}
	return w.parts
}

func (v *veil) err() error {
	if v.full {
		return errors.New("the messages have too many different private characters (U+F0000 to U+FFFFD)")
	}
	return nil
}
