package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// check matches PATH, PATH==VALUE and so on.
var check = regexp.MustCompile(`^([^=!<>~]+?)(==|!=|>=|<=|=>|~|$)(.*)$`)

// checkJSON checks that a file, or stdout, holds exactly one JSON document, and
// that the checks hold:
//
//	path            is there and not null
//	path==value     equals the value, written as JSON or as a bare string
//	path!=value
//	path>=number    and <=
//	path~regexp     its JSON matches
//	path=>NAME      becomes the value of an environment variable
//
// A path is keys and indices, as heldout.before or findings.0.kind, and may end
// in .len for the length.
func checkJSON(ts *testscript.TestScript, _ bool, args []string) {
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	dec.UseNumber()
	var doc any
	ts.Check(dec.Decode(&doc))
	if dec.More() {
		ts.Fatalf("%s holds more than one JSON document", args[0])
	}
	for _, arg := range args[1:] {
		m := check.FindStringSubmatch(arg)
		if m == nil {
			ts.Fatalf("%s is no check", arg)
		}
		got, err := lookUp(doc, m[1])
		if err == nil && m[2] == "=>" {
			ts.Setenv(m[3], fmt.Sprint(got))
			continue
		}
		if err == nil {
			err = compareJSON(got, m[2], m[3])
		}
		if err != nil {
			ts.Fatalf("%s: %v", arg, err)
		}
	}
}

// alike checks that two JSON documents are equal, to the digit, but for the members
// of some names, wherever they are; those must be in both.
func alike(ts *testscript.TestScript, _ bool, args []string) {
	var docs [2]any
	for i := range docs {
		dec := json.NewDecoder(strings.NewReader(ts.ReadFile(args[i])))
		dec.UseNumber()
		ts.Check(dec.Decode(&docs[i]))
		docs[i] = blank(docs[i], args[2:])
	}
	if !reflect.DeepEqual(docs[0], docs[1]) {
		ts.Fatalf("%s and %s differ:\n%v\n%v", args[0], args[1], docs[0], docs[1])
	}
}

// blank is a document with the values of some members taken out.
func blank(doc any, keys []string) any {
	switch v := doc.(type) {
	case map[string]any:
		for key, value := range v {
			v[key] = blank(value, keys)
			if slices.Contains(keys, key) {
				v[key] = nil
			}
		}
	case []any:
		for i, value := range v {
			v[i] = blank(value, keys)
		}
	}
	return doc
}

// lookUp follows a path into a document.
func lookUp(doc any, path string) (any, error) {
	path, length := strings.CutSuffix(path, ".len")
	for _, key := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' }) {
		switch v := doc.(type) {
		case map[string]any:
			next, ok := v[key]
			if !ok {
				return nil, fmt.Errorf("there is no %s", key)
			}
			doc = next
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(v) {
				return nil, fmt.Errorf("a list of %d has no %s", len(v), key)
			}
			doc = v[i]
		default:
			return nil, fmt.Errorf("%v has no %s", v, key)
		}
	}
	if !length {
		return doc, nil
	}
	switch v := doc.(type) {
	case map[string]any:
		return json.Number(strconv.Itoa(len(v))), nil
	case []any:
		return json.Number(strconv.Itoa(len(v))), nil
	}
	return nil, fmt.Errorf("%v has no length", doc)
}

func compareJSON(got any, op, want string) error {
	data, err := json.Marshal(got)
	if err != nil {
		return err
	}
	text := string(data)
	equal := text == want || text == strconv.Quote(want)
	ok := false
	switch op {
	case "":
		ok = got != nil
	case "==":
		ok = equal
	case "!=":
		ok = !equal
	case "~":
		ok, err = regexp.MatchString(want, text)
	default:
		x, errX := strconv.ParseFloat(text, 64)
		y, errY := strconv.ParseFloat(want, 64)
		ok = errX == nil && errY == nil && (op == ">=" && x >= y || op == "<=" && x <= y)
	}
	if err == nil && !ok {
		err = fmt.Errorf("got %s", text)
	}
	return err
}
