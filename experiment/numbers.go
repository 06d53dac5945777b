package experiment

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// number is what counts as one: digits, in groups of three behind commas or not,
// with decimals or a denominator; currency and signs before it and % behind it.
var number = regexp.MustCompile(`[-+−]?[$€£]?[-+−]?(?:(?:\d{1,3}(?:,\d{3})+\b|\d+)(?:\.\d+)?(?:/\d+)?|\.\d+)%?`)

// fraction is a LaTeX one of two whole numbers.
var fraction = regexp.MustCompile(`\\[dt]?frac\s*\{\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}`)

// plainMath takes from a text what LaTeX puts around and into numbers.
func plainMath(text string) string {
	return latex.Replace(fraction.ReplaceAllString(text, "$1/$2"))
}

var latex = strings.NewReplacer(`\$`, "$", `\%`, "%", `{,}`, ",", `\,`, "", `\!`, "", "\u202f", "", "\u00a0", " ")

// firstNumber is the first number of a text, written plainly.
func firstNumber(text string) (string, bool) {
	text = plainMath(text)
	at := number.FindStringIndex(text)
	if at == nil {
		return "", false
	}
	return numberAt(text, at), true
}

// lastNumber is the last number of a text, written plainly.
func lastNumber(text string) (string, bool) {
	text = plainMath(text)
	all := number.FindAllStringIndex(text, -1)
	if all == nil {
		return "", false
	}
	return numberAt(text, all[len(all)-1]), true
}

// numberAt is the number between two places of a text. A sign right behind a
// letter, a digit or a bracket is an operator or a dash, as in 9-4 and 5-10.
func numberAt(text string, at []int) string {
	found := text[at[0]:at[1]]
	before, _ := utf8.DecodeLastRuneInString(text[:at[0]])
	if unicode.IsLetter(before) || unicode.IsNumber(before) || strings.ContainsRune(")]}", before) {
		found = strings.TrimLeft(found, "-+−")
	}
	return PlainNumber(found)
}

// PlainNumber writes a number plainly, so that equal ones are equal texts:
//
//   - currency signs, commas between digits, % and + are left out;
//   - the minus sign − becomes -, and a 0 has none;
//   - zeros in front, and at the end of decimals, are left out: 007.50 is 7.5, .5
//     is 0.5, 42.0 and 42. are 42;
//   - a fraction stays as it is written: 2/4 is neither 1/2 nor 0.5.
func PlainNumber(s string) string {
	s = unadorned.Replace(strings.TrimSpace(s))
	negative := strings.HasPrefix(s, "-")
	whole, denominator, isFraction := strings.Cut(strings.TrimPrefix(s, "-"), "/")
	whole, decimals, _ := strings.Cut(whole, ".")
	whole = strings.TrimLeft(whole, "0")
	if decimals = strings.TrimRight(decimals, "0"); decimals != "" {
		decimals = "." + decimals
	}
	if whole == "" {
		whole = "0"
	}
	plain := whole + decimals
	if negative && plain != "0" {
		plain = "-" + plain
	}
	if isFraction {
		plain += "/" + denominator
	}
	return plain
}

var unadorned = strings.NewReplacer("$", "", "€", "", "£", "", ",", "", "%", "", "+", "", "−", "-")
