package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds how deep objects and lists of a request lie in one another.
const maxDepth = 100

// fields are the members of a request's object. Each is taken once, by its name; what is
// left in the end nobody knew. null is the same as absent. The first fault stays, and
// everything taken after it is as if absent.
type fields struct {
	place   string // of the object in the request; "" for that itself
	members map[string]json.RawMessage
	known   []string  // names that were asked for
	inner   []*fields // of members that are objects
	fault   *failure
}

// readFields reads a request's body. Names must not be there twice, at any depth: of two
// values, two readers would take different ones.
func readFields(body []byte) (*fields, error) {
	switch {
	case !utf8.Valid(body):
		return nil, invalid("", "the body is not UTF-8")
	case len(bytes.TrimSpace(body)) == 0:
		return nil, invalid("", "the body is empty: send a JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	values := 0
	if err := checkValue(dec, 0, &values); err != nil {
		return nil, notJSON(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, invalid("", "something follows the JSON object of the body")
	}
	f := &fields{}
	if err := json.Unmarshal(body, &f.members); err != nil || f.members == nil {
		return nil, invalid("", "the body must be a JSON object")
	}
	return f, nil
}

func notJSON(err error) *failure {
	var known *failure
	if errors.As(err, &known) {
		return known
	}
	if err == io.EOF {
		return invalid("", "the body is not JSON: it ends too early")
	}
	return invalid("", "the body is not JSON: %v", err)
}

// maxValues bounds the numbers, texts, lists and objects of a request, of which each
// takes time and memory: the tokens of the longest prompts are fewer.
const maxValues = 1 << 20

// checkValue reads one value and refuses names that are twice in an object, depth, and too
// many values.
func checkValue(dec *json.Decoder, depth int, values *int) error {
	t, err := dec.Token()
	if err != nil {
		return err
	}
	if *values++; *values > maxValues {
		return invalid("", "the body has more than %d values", maxValues)
	}
	open, ok := t.(json.Delim)
	if !ok {
		return nil
	}
	if depth >= maxDepth {
		return invalid("", "objects and lists of the body lie more than %d deep in one another", maxDepth)
	}
	names := map[string]bool{}
	for dec.More() {
		if open == '{' {
			name, err := dec.Token()
			if err != nil {
				return err
			}
			s, _ := name.(string)
			if names[s] {
				return invalid(s, "the name %q is twice in one object of the body", s)
			}
			names[s] = true
		}
		if err := checkValue(dec, depth+1, values); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

// fail keeps the first fault.
func (f *fields) fail(err *failure) {
	if f.fault == nil {
		f.fault = err
	}
}

// raw takes a member as it is, nil if it is absent.
func (f *fields) raw(name string) json.RawMessage {
	f.known = append(f.known, name)
	value := f.members[name]
	delete(f.members, name)
	if f.fault != nil || string(value) == "null" {
		return nil
	}
	return value
}

// take reads a member into to, if it is there. what says what it must be.
func (f *fields) take(name string, to any, what string) bool {
	value := f.raw(name)
	if value == nil {
		return false
	}
	if err := json.Unmarshal(value, to); err != nil {
		var known *failure
		if errors.As(err, &known) {
			f.fail(known)
		} else {
			f.fail(invalid(name, "%s must be %s", name, what))
		}
		return false
	}
	return true
}

// alias lets a member be given by another name, too.
func (f *fields) alias(name, other string) {
	value, also := f.members[name], f.members[other]
	switch {
	case also == nil || string(also) == "null":
	case value == nil || string(value) == "null":
		f.members[name] = also
	case !bytes.Equal(value, also):
		f.fail(invalid(other, "%s and %s do not agree: give one of them", name, other))
	}
	delete(f.members, other)
}

// bool is a member that is true or false; false if it is absent.
func (f *fields) bool(name string) bool { return f.boolOr(name, false) }

// boolOr is a member that is true or false, or else otherwise.
func (f *fields) boolOr(name string, otherwise bool) bool {
	v := otherwise
	f.take(name, &v, "true or false")
	return v
}

// text is a member that is a string.
func (f *fields) text(name string) (v string, there bool) {
	there = f.take(name, &v, "a string")
	return v, there
}

// word is a member that is one of a few texts, the first if it is absent.
func (f *fields) word(name string, words ...string) string {
	v, there := f.text(name)
	if !there {
		return words[0]
	}
	if !slices.Contains(words, v) {
		f.fail(unsupported(name, "%s %q is not supported: leave it out", name, v))
	}
	return v
}

// number is a member that is a number between two, otherwise if it is absent.
func (f *fields) number(name string, least, most, otherwise float64) float64 {
	v := otherwise
	what := fmt.Sprintf("a number from %g to %g", least, most)
	if math.IsInf(most, 1) {
		what = fmt.Sprintf("a finite number from %g", least)
	}
	if f.take(name, &v, what) && !(v >= least && v <= most) {
		f.fail(invalid(name, "%s is %g: must be %s", name, v, what))
		return otherwise
	}
	return v
}

// whole is a member that is a whole number between two, otherwise if it is absent. A
// number such as 3.0 is one.
func (f *fields) whole(name string, least, most, otherwise int) int {
	v := float64(otherwise)
	what := fmt.Sprintf("a whole number from %d to %d", least, most)
	if !f.take(name, &v, what) {
		return otherwise
	}
	if v != math.Trunc(v) || !(v >= float64(least) && v <= float64(most)) {
		f.fail(invalid(name, "%s is %v: must be %s", name, v, what))
		return otherwise
	}
	return int(v)
}

// within takes a member that is an object, whose own members are taken one by one. If it
// is absent, so are they.
func (f *fields) within(name string, take func(in *fields)) {
	var members map[string]json.RawMessage
	f.take(name, &members, "an object")
	f.inside(name, members, func(in *fields) {
		f.inner = append(f.inner, in)
		take(in)
	})
}

// each takes a member that is a list of objects, whose own members are taken one by one.
// what says what it must be.
func (f *fields) each(name, what string, take func(i int, in *fields)) {
	var all []json.RawMessage
	f.take(name, &all, what)
	for i, value := range all {
		place := fmt.Sprintf("%s[%d]", name, i)
		var members map[string]json.RawMessage
		if json.Unmarshal(value, &members) != nil || members == nil {
			f.fail(invalid(place, "%s must be an object", place))
		}
		if f.fault != nil {
			return
		}
		f.inside(place, members, func(in *fields) { take(i, in) })
	}
}

// inside takes the members of an object, of which faults tell the place.
func (f *fields) inside(place string, members map[string]json.RawMessage, take func(in *fields)) {
	in := &fields{place: place, members: members}
	take(in)
	if in.end() == nil {
		return
	}
	fault := *failureOf(in.end())
	fault.message = place + ": " + fault.message
	fault.param = strings.TrimSuffix(place+"."+fault.param, ".")
	f.fail(&fault)
}

// only takes members that must have one of some values, since the server does nothing
// else: as JSON, without white space.
func (f *fields) only(name, why string, values ...string) {
	value := f.raw(name)
	if value == nil {
		return
	}
	var plain bytes.Buffer
	if json.Compact(&plain, value) != nil || !slices.Contains(values, plain.String()) {
		f.fail(unsupported(name, "%s is not supported: %s", name, why))
	}
}

// ignore passes over members that do not change an answer.
func (f *fields) ignore(names ...string) {
	for _, name := range names {
		f.raw(name)
	}
}

// end is the first fault: among others, that there is a member that nobody took.
func (f *fields) end() error {
	if f.fault != nil {
		return f.fault
	}
	var left []string
	for name, value := range f.members {
		if string(value) != "null" {
			left = append(left, name)
		}
	}
	if len(left) == 0 {
		return nil
	}
	slices.Sort(left)
	err := unsupported(left[0], "the field %q is not known%s", left[0], f.meant(left[0]))
	err.code = "unknown_parameter"
	return err
}

// meant asks whether a known name is meant by one that is not.
func (f *fields) meant(name string) string {
	for _, in := range f.inner {
		if slices.Contains(in.known, name) {
			return fmt.Sprintf(" here: give it in %q", in.place)
		}
	}
	best, least := "", 3
	for _, k := range f.known {
		if d := distance(strings.ToLower(name), k); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", best)
}

// distance is how many characters have to be changed, added or taken out to make one
// text of another (Levenshtein).
func distance(a, b string) int {
	if len(a) == 0 || len(a) > 100 {
		return max(len(a), len(b))
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, before+1, row[j]+1)
		}
	}
	return row[len(b)]
}
