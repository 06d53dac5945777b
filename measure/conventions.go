package measure

import (
	"fmt"
	"regexp"
	"strings"

	"bankai/internal/text"
	"bankai/probe"
)

// convention is one free choice in writing an answer down. A model has its own
// habit; a set that mixes both asks for the writing as much as for the answer.
type convention struct {
	one, other string         // how the two choices are called
	applies    *regexp.Regexp // which answers make the choice at all; nil is all
	chosen     *regexp.Regexp // which of them choose one
}

var conventions = []convention{
	{one: "with a leading space", other: "without a leading space", chosen: regexp.MustCompile(`^\s`)},
	{one: "with a space at the end", other: "without a space at the end", chosen: regexp.MustCompile(`\s$`)},
	{one: "with a full stop", other: "without a full stop", chosen: regexp.MustCompile(`\.\s*$`)},
	{one: "with * in products", other: "without * in products", applies: regexp.MustCompile(`\*|\d\s*[A-Za-z(]`), chosen: regexp.MustCompile(`\*`)},
	{one: "with √", other: "with sqrt", applies: regexp.MustCompile(`√|(?i:sqrt)`), chosen: regexp.MustCompile(`√`)},
	{one: "as a decimal", other: "as a fraction", applies: regexp.MustCompile(`^\s*-?\d+[./]\d+\s*$`), chosen: regexp.MustCompile(`\.`)},
	{one: "with + C", other: "without + C", applies: regexp.MustCompile(`[\^/\d]`), chosen: regexp.MustCompile(`\+\s*[Cc]\s*$`)},
}

// auditConventions finds answers of a category that are written unlike the rest
// of it, and probes whose two answers are written unlike each other, so that a
// search learns the writing.
func auditConventions(set probe.Set, category string, members []int) Findings {
	var found Findings
	for _, c := range conventions {
		var ones, others []string
		for _, i := range members {
			p := set[i]
			right, applies := c.choice(p.Correct)
			if !applies {
				continue
			}
			if right {
				ones = append(ones, p.Name)
			} else {
				others = append(others, p.Name)
			}
			if wrong, applies := c.choice(p.Wrong); applies && wrong != right {
				found = append(found, of(p, MixedConventions, Warning, fmt.Sprintf("right answer %q is %s, wrong answer %q is %s", p.Correct, c.name(right), p.Wrong, c.name(wrong))))
			}
		}
		if len(ones) > 0 && len(others) > 0 {
			found = append(found, Finding{
				Category: category, Kind: MixedConventions, Severity: Warning,
				Detail: fmt.Sprintf("%s %s (%s), %d %s (%s)", plural(len(ones), "right answer"), c.one, some(ones), len(others), c.other, some(others)),
			})
		}
	}
	return append(found, auditSpellings(set, category, members)...)
}

// auditSpellings finds one answer that is written in two ways in a category,
// such as Yes and yes, or 7x and 7*x.
func auditSpellings(set probe.Set, category string, members []int) Findings {
	var found Findings
	first := map[string]string{}
	reported := map[string]bool{}
	for _, i := range members {
		text := strings.TrimSpace(set[i].Correct)
		key := probe.Normalize(text)
		if was, seen := first[key]; !seen {
			first[key] = text
		} else if was != text && !reported[text] {
			reported[text] = true
			found = append(found, Finding{
				Category: category, Kind: MixedConventions, Severity: Warning,
				Detail: fmt.Sprintf("one right answer is written %q and %q (%s)", was, text, set[i].Name),
			})
		}
	}
	return found
}

func (c convention) choice(answer string) (one, applies bool) {
	return c.chosen.MatchString(answer), c.applies == nil || c.applies.MatchString(answer)
}

func (c convention) name(one bool) string {
	if one {
		return c.one
	}
	return c.other
}

// some lists up to three names.
func some(names []string) string {
	if len(names) > 3 {
		return strings.Join(names[:3], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}

// plural says "1 answer" or "4,096 answers".
func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return text.Thousands(int64(n)) + " " + noun
}
