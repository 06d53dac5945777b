package benchmark

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// finalMark is what GSM8K puts in front of an answer.
const finalMark = "####"

// Rule finds the answer, a number, in a generated text.
type Rule struct {
	Name string // as in results and on the command line
	Does string // what it takes, for people
	find func(text string) (answer string, ok bool)
}

// AnswerRules are the rules there are, in the order in which they are tried.
//
//   - "####": the first number behind the first "####". What a model goes on to
//     write after it has answered does not count.
//   - "answer": the first number behind the last "answer is", "answer:" or "\boxed{",
//     in any case, on the same line. The last, since a text may weigh answers before
//     it settles on one.
//   - "last": the last number of the text.
var AnswerRules = []Rule{
	{finalMark, `the number behind "####"`, func(text string) (string, bool) {
		_, rest, marked := strings.Cut(text, finalMark)
		if !marked {
			return "", false
		}
		return firstNumber(rest)
	}},
	{"answer", `the number behind the last "answer is", "answer:" or "\boxed{"`, func(text string) (string, bool) {
		said := stated.FindAllStringIndex(text, -1)
		if said == nil {
			return "", false
		}
		line, _, _ := strings.Cut(text[said[len(said)-1][1]:], "\n")
		return firstNumber(line)
	}},
	{"last", "the last number", lastNumber},
}

// stated is what people write in front of an answer.
var stated = regexp.MustCompile(`(?i)\banswer\s*(?:is\b|:)|\\boxed\s*\{`)

// RulesNamed picks rules by name, in the given order.
func RulesNamed(names []string) ([]Rule, error) {
	var rules []Rule
	for _, name := range names {
		rule, err := ruleNamed(name)
		if err != nil {
			return nil, err
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

func ruleNamed(name string) (Rule, error) {
	var known []string
	for _, r := range AnswerRules {
		if r.Name == name {
			return r, nil
		}
		known = append(known, r.Name)
	}
	return Rule{}, fmt.Errorf("there is no rule %q for answers: choose among %s", name, strings.Join(known, ", "))
}

// Extract finds the answer in a generated text by the first of the rules that
// finds one, and tells that rule's name. Both are empty where none does. The answer
// is written as PlainNumber does.
func Extract(text string, rules []Rule) (answer, rule string) {
	for _, r := range rules {
		if answer, ok := r.find(text); ok {
			return answer, r.Name
		}
	}
	return "", ""
}

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
