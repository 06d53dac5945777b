package probe

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// keys are the fields of a probe in a file, required ones first.
var keys = []string{"prompt", "correct", "wrong", "name", "category", "alternates"}

// record is a probe as read, with the line it starts on.
type record struct {
	Probe
	line int
}

// text returns the field a key names, or nil for the list "alternates".
func (r *record) text(key string) *string {
	switch key {
	case "prompt":
		return &r.Prompt
	case "correct":
		return &r.Correct
	case "wrong":
		return &r.Wrong
	case "name":
		return &r.Name
	case "category":
		return &r.Category
	}
	return nil
}

// unknownKey names a key that a probe does not have, and the one probably meant.
func unknownKey(key string) string { return unknownOf(key, "probe", keys) }

// unknownOf is unknownKey of things that have other keys.
func unknownOf(key, thing string, keys []string) string {
	best, distance := "", 3
	for _, k := range keys {
		if d := editDistance(strings.ToLower(strings.TrimSpace(key)), k); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("unknown key %q: did you mean %q?", clip(key), best)
	}
	return fmt.Sprintf("unknown key %q: a %s has %s", clip(key), thing, strings.Join(keys, ", "))
}

// clip bounds what an error message quotes.
func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// editDistance is Levenshtein's, in runes, of strings short enough to be keys;
// a long a is as far as its length.
func editDistance(a, b string) int {
	if len(a) > 40 {
		return len(a)
	}
	x, y := []rune(a), []rune(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j := range y {
			cost := diagonal
			if x[i] != y[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(y)]
}

// finish checks that the records have the required fields, names the nameless and returns the set.
func finish(recs []record, required []string) (Set, error) {
	if len(recs) == 0 {
		return nil, &ParseError{Line: 1, Msg: "no probes: the list is empty"}
	}
	set := make(Set, len(recs))
	first := map[string]int{}
	for i, r := range recs {
		if r.Name == "" {
			r.Name = fmt.Sprintf("probe_%d", i)
		}
		if err := r.check(i+1, required); err != nil {
			return nil, err
		}
		if j, taken := first[r.Name]; taken {
			return nil, &ParseError{
				Line: r.line, Record: i + 1, Field: "name",
				Msg: fmt.Sprintf("%q is already that of probe %d on line %d: names tell results apart, so make them distinct", clip(r.Name), j+1, recs[j].line),
			}
		}
		first[r.Name] = i
		set[i] = r.Probe
	}
	return set, nil
}

// check reports the first field of record number n that cannot be used.
func (r *record) check(n int, required []string) error {
	fault := func(field, msg string) error {
		return &ParseError{Line: r.line, Record: n, Field: field, Msg: msg}
	}
	for _, key := range required {
		if strings.TrimSpace(*r.text(key)) == "" {
			return fault(key, "is missing or empty")
		}
	}
	for _, key := range keys[:5] {
		if strings.ContainsRune(*r.text(key), utf8.RuneError) {
			return fault(key, "has a character that was lost in a conversion (U+FFFD)")
		}
	}
	if slices.ContainsFunc(r.Alternates, func(a string) bool { return strings.TrimSpace(a) == "" }) {
		return fault("alternates", "has an empty entry: leave it out")
	}
	if slices.ContainsFunc(r.Alternates, func(a string) bool { return strings.ContainsRune(a, utf8.RuneError) }) {
		return fault("alternates", "has a character that was lost in a conversion (U+FFFD)")
	}
	return nil
}
