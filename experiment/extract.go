package experiment

import (
	"fmt"
	"regexp"
	"strings"
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
