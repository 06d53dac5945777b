package judge

import (
	"math/big"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// marker stands before the final answer in GSM8K's solutions.
const marker = "####"

// A figure is digits, in groups of three or not, with decimals; a fraction of two whole
// numbers; with an exponent.
//
// A comma, an apostrophe, an underscore or a narrow space groups digits only where
// exactly three follow; a decimal comma is not read, since "1,234" would have two
// meanings.
var figure = regexp.MustCompile(`(?:[0-9]{1,3}(?:[,'’_\x{a0}\x{2009}\x{202f}][0-9]{3})+|[0-9]+)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+\b)?|\.[0-9]+(?:[eE][+-]?[0-9]+\b)?`)

// mostDigits bounds the work that a hostile answer could make of a number.
const mostDigits = 2000

// value is a number as it is written: of "50%", 50 with percent.
type value struct {
	*big.Rat
	percent bool
	text    string
}

// same says whether two values are equal. A percent sign on one side only is a unit
// ("50%" is 50) or a factor ("50%" is 0.5), whichever fits.
func (v value) same(o value) bool {
	if v.Cmp(o.Rat) == 0 {
		return true
	}
	hundred := big.NewRat(100, 1)
	switch {
	case v.percent && !o.percent:
		return new(big.Rat).Quo(v.Rat, hundred).Cmp(o.Rat) == 0
	case o.percent && !v.percent:
		return new(big.Rat).Quo(o.Rat, hundred).Cmp(v.Rat) == 0
	}
	return false
}

func number(want, have string) Verdict {
	w, ok := lastNumber(want)
	if !ok {
		return wrong("no number is wanted")
	}
	h, ok := lastNumber(have)
	switch {
	case !ok:
		return wrong("no number, wanted %s", w.text)
	case h.same(w):
		return right("number %s", h.text)
	}
	return wrong("number %s, wanted %s", h.text, w.text)
}

// lastNumber is the number behind the last "####" if there is one, else the last of the
// text. Digits behind a letter ("H2O", "x2") are no number.
func lastNumber(s string) (last value, ok bool) {
	s = strings.ReplaceAll(width.Narrow.String(s), "−", "-")
	if at := strings.LastIndex(s, marker); at >= 0 {
		if v, ok := scan(s[at+len(marker):], true); ok {
			return v, true
		}
	}
	return scan(s, false)
}

// scan finds the first or the last number of a text.
func scan(s string, first bool) (found value, ok bool) {
	for from := 0; from < len(s); {
		at := figure.FindStringIndex(s[from:])
		if at == nil {
			break
		}
		begin, end := from+at[0], from+at[1]
		v, after, good := readNumber(s, begin, end)
		if good {
			found, ok = v, true
			if first {
				break
			}
		}
		from = after
	}
	return found, ok
}

// readNumber reads the figure at s[begin:end] with its sign, the denominator of a
// fraction and a percent sign. after is where the text goes on.
func readNumber(s string, begin, end int) (v value, after int, ok bool) {
	before, _ := utf8.DecodeLastRuneInString(s[:begin])
	if begin > 0 && (unicode.IsLetter(before) || before == '_') || end-begin > mostDigits {
		return v, end, false
	}
	v.Rat, ok = rational(s[begin:end])
	if !ok {
		return v, end, false
	}
	if over, size := denominator(s, begin, end); size > 0 {
		v.Quo(v.Rat, over)
		end += size
	}
	start := begin
	if at, negative := sign(s, begin); negative {
		v.Neg(v.Rat)
		start = at
	}
	if rest := strings.TrimLeft(s[end:], " \\"); strings.HasPrefix(rest, "%") || strings.HasPrefix(rest, "percent") {
		v.percent = true
	}
	v.text = s[start:end]
	if v.percent {
		v.text += "%"
	}
	return v, end, true
}

func rational(s string) (*big.Rat, bool) {
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune(",'’_\u00a0\u2009\u202f", r) {
			return -1
		}
		return r
	}, s)
	return smallRational(s)
}

// denominator reads "/4" behind a whole number, unless a date or a path goes on there.
func denominator(s string, begin, end int) (over *big.Rat, size int) {
	rest := s[end:]
	slash, n := utf8.DecodeRuneInString(rest)
	if slash != '/' && slash != '⁄' || begin > 0 && (s[begin-1] == '/' || s[begin-1] == '.') {
		return nil, 0
	}
	digits := 0
	for n+digits < len(rest) && '0' <= rest[n+digits] && rest[n+digits] <= '9' {
		digits++
	}
	if digits == 0 || digits > mostDigits || strings.HasPrefix(rest[n+digits:], "/") {
		return nil, 0
	}
	over, ok := new(big.Rat).SetString(rest[n : n+digits])
	if !ok || over.Sign() == 0 {
		return nil, 0
	}
	return over, n + digits
}

// sign looks for a minus before a number that is no subtraction: "-5", "-$5", "= -5",
// but not "10-5".
func sign(s string, begin int) (at int, negative bool) {
	before := strings.TrimRight(s[:begin], "$€£¥")
	if !strings.HasSuffix(before, "-") {
		return begin, false
	}
	before = strings.TrimSuffix(before, "-")
	last, _ := utf8.DecodeLastRuneInString(before)
	if before != "" && (unicode.IsLetter(last) || unicode.IsNumber(last) || strings.ContainsRune(")]}%", last)) {
		return begin, false
	}
	return len(before), true
}

// isNumber says whether a text is a number and nothing else but a currency or a percent
// sign.
func isNumber(s string) bool {
	v, ok := lastNumber(s)
	if !ok {
		return false
	}
	rest := strings.TrimLeft(strings.ReplaceAll(width.Narrow.String(s), "−", "-"), "$€£¥-+ ")
	return strings.TrimRight(rest, "% ") == strings.TrimLeft(strings.TrimSuffix(v.text, "%"), "-$€£¥")
}
