// Package judge decides when a free answer is right.
//
// A [Rule] compares what a model answered with what was wanted: letter by letter, as a
// number, a choice, JSON, calls of tools, by a regular expression, or as probes are
// judged. Every [Verdict] has a reason for people. The package knows nothing of models.
package judge

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"bankai/probe"
)

// Wanted is a right answer.
type Wanted struct {
	Text       string
	Alternates []string // other right texts
	Calls      []Call   // of tools, if the answer is to call some
	Labels     []string // all there are to choose from, if the answer is a label
}

// Answer is what a model said.
type Answer struct {
	Text  string // without the calls
	Calls []Call
	Cut   bool // it had not ended where the room for it did
}

// Verdict is whether an answer is right, and why in words for people.
type Verdict struct {
	Right  bool
	Reason string
}

func right(format string, args ...any) Verdict { return Verdict{true, fmt.Sprintf(format, args...)} }

func wrong(format string, args ...any) Verdict { return Verdict{false, fmt.Sprintf(format, args...)} }

// Kind is a way to judge.
type Kind string

// The ways to judge.
const (
	Exact    Kind = "exact"    // the same text; white space and Unicode's composition aside
	Contains Kind = "contains" // the answer has the text, in whole words
	Begins   Kind = "begins"   // probe.Probe.Match: the first line begins with the text, whole
	Number   Kind = "number"   // the last number of the answer is that of the text
	Choice   Kind = "choice"   // the letter that is chosen
	Label    Kind = "label"    // the label that is named
	JSON     Kind = "json"     // the same value
	Tool     Kind = "tool"     // the same calls
	Regex    Kind = "regex"    // the answer matches an expression (RE2)
)

// variants are what may stand behind the colon of a kind.
var variants = map[Kind]string{Exact: "fold", Contains: "fold", Tool: "ordered"}

// Rule is a kind with what it needs.
type Rule struct {
	Kind    Kind
	Variant string // "fold": upper and lower case are alike; "ordered": calls in their order; or the expression of Regex
	re      *regexp.Regexp
}

// Parse reads a rule: a kind; or "exact:fold", "contains:fold", "tool:ordered",
// "regex:EXPRESSION".
func Parse(s string) (Rule, error) {
	name, variant, has := strings.Cut(s, ":")
	r := Rule{Kind: Kind(strings.TrimSpace(name)), Variant: variant}
	switch r.Kind {
	case Regex:
		if variant == "" {
			return Rule{}, fmt.Errorf("judge %q: give the expression behind the colon, as in regex:^\\d+$", s)
		}
		re, err := regexp.Compile(variant)
		if err != nil {
			return Rule{}, fmt.Errorf("judge %q: %w (the syntax is RE2's)", s, err)
		}
		r.re = re
		return r, nil
	case Exact, Contains, Begins, Number, Choice, Label, JSON, Tool:
	default:
		return Rule{}, fmt.Errorf("judge %q is not known: give %s", s, Kinds())
	}
	if allowed := variants[r.Kind]; has && (variant != allowed || allowed == "") {
		if allowed == "" {
			return Rule{}, fmt.Errorf("judge %q: nothing may stand behind %s", s, name)
		}
		return Rule{}, fmt.Errorf("judge %q: behind %s: only %q may stand", s, name, allowed)
	}
	return r, nil
}

// Kinds are the rules that [Parse] reads, for help and errors.
func Kinds() string {
	return "exact, contains, begins, number, choice, label, json, tool or regex:EXPRESSION"
}

// String is what [Parse] reads.
func (r Rule) String() string {
	if r.Variant == "" {
		return string(r.Kind)
	}
	return string(r.Kind) + ":" + r.Variant
}

// Check refuses a wanted answer that the rule could never find given.
func (r Rule) Check(w Wanted) error {
	switch r.Kind {
	case Exact, Contains, Begins:
		if normal(w.Text, false) == "" || r.Kind == Begins && probe.Normalize(w.Text) == "" {
			return fmt.Errorf("the wanted answer is empty, which %s cannot judge", r.Kind)
		}
	case Number:
		if _, ok := lastNumber(w.Text); !ok {
			return fmt.Errorf("the wanted answer %q has no number: judge it otherwise", clip(w.Text))
		}
	case Choice:
		if c := chosen(w.Text); c.letter == 0 {
			return fmt.Errorf("the wanted answer %q names no choice (A to J): judge it otherwise", clip(w.Text))
		}
	case Label:
		if !slices.Contains(w.Labels, w.Text) {
			return fmt.Errorf("the wanted answer %q is none of the labels", clip(w.Text))
		}
	case JSON:
		if _, err := readJSON(w.Text); err != nil {
			return fmt.Errorf("the wanted answer %w", err)
		}
	case Tool:
		calls, err := w.calls()
		if err == nil && len(calls) == 0 {
			err = fmt.Errorf("the wanted answer calls no tool")
		}
		return err
	}
	return nil
}

// Judge says whether an answer is right: by the wanted text or by an alternate. An answer that was cut off is judged by what is
// there, and the reason says so.
func (r Rule) Judge(w Wanted, a Answer) Verdict {
	v := r.judge(w, a)
	for _, other := range w.Alternates {
		if v.Right {
			break
		}
		w.Text = other
		if also := r.judge(w, a); also.Right {
			v = also
		}
	}
	if a.Cut {
		v.Reason += " (the answer was cut off)"
	}
	return v
}

func (r Rule) judge(w Wanted, a Answer) Verdict {
	switch r.Kind {
	case Exact:
		return exact(w.Text, a.Text, r.Variant == "fold")
	case Contains:
		return contains(w.Text, a.Text, r.Variant == "fold")
	case Begins:
		return begins(w.Text, a.Text)
	case Number:
		return number(w.Text, a.Text)
	case Choice:
		return choice(w.Text, a.Text)
	case Label:
		return label(w, a.Text)
	case JSON:
		return sameJSON(w.Text, a.Text)
	case Tool:
		return tool(w, a, r.Variant == "ordered")
	case Regex:
		return r.matches(a.Text)
	}
	return wrong("there is no rule %q", r.Kind)
}

// shortest is how long an answer may be, in characters, to be judged as probes are.
const shortest = 60

// Default is how a wanted answer is judged if nobody says: calls as calls, a label
// among labels, a number as a number, JSON (an object or a list) as JSON, one line of at
// most 60 characters as probes. For a longer one there is no right or wrong: ok is false.
func Default(w Wanted) (r Rule, ok bool) {
	s := strings.TrimSpace(w.Text)
	switch {
	case len(w.Calls) > 0:
		return Rule{Kind: Tool}, true
	case slices.Contains(w.Labels, w.Text):
		return Rule{Kind: Label}, true
	case isNumber(s) || strings.Contains(s, marker):
		r = Rule{Kind: Number}
	case strings.HasPrefix(s, "{") || strings.HasPrefix(s, "["):
		r = Rule{Kind: JSON}
	}
	if r.Kind != "" && r.Check(w) == nil {
		return r, true
	}
	r = Rule{Kind: Begins}
	return r, len([]rune(s)) <= shortest && !strings.Contains(s, "\n") && r.Check(w) == nil
}
