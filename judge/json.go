package judge

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"
)

// fence is a block of code in Markdown.
var fence = regexp.MustCompile("(?s)```[a-zA-Z0-9]*[ \t]*\r?\n(.*?)```")

func sameJSON(want, have string) Verdict {
	w, err := readJSON(want)
	if err != nil {
		return wrong("what is wanted %v", err)
	}
	h, err := readJSON(have)
	if err != nil {
		return wrong("the answer %v", err)
	}
	if d := jsonDifference("", w, h); d != "" {
		return wrong("%s", d)
	}
	return right("the JSON value that is wanted")
}

// readJSON reads a text that is one JSON value, or has one in its only block of code.
func readJSON(s string) (any, error) {
	v, err := decodeJSON(s)
	if err == nil {
		return v, nil
	}
	switch blocks := fence.FindAllStringSubmatch(s, -1); {
	case len(blocks) > 1:
		return nil, fmt.Errorf("has %d blocks of code: one was expected", len(blocks))
	case len(blocks) == 1:
		return decodeJSON(blocks[0][1])
	}
	return nil, err
}

// decodeJSON reads one value and nothing behind it. An object that has a key twice is
// refused: readers of JSON do not agree on what it says.
func decodeJSON(s string) (any, error) {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	v, err := decodeValue(d, 0)
	switch {
	case err == io.EOF && strings.TrimSpace(s) == "":
		return nil, errors.New("is empty, and no JSON")
	case err == io.EOF, errors.Is(err, io.ErrUnexpectedEOF):
		return nil, errors.New("is JSON that does not end")
	case err != nil:
		return nil, fmt.Errorf("is no JSON (%w)", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("has more behind its JSON value")
	}
	return v, nil
}

// mostDepth bounds how deep a value may be nested.
const mostDepth = 200

func decodeValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	if depth > mostDepth {
		return nil, fmt.Errorf("nested more than %d deep", mostDepth)
	}
	switch t {
	case json.Delim('{'):
		return decodeObject(d, depth)
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := decodeValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	}
	return t, nil
}

func decodeObject(d *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := key.(string)
		if !ok {
			return nil, errors.New("a key is no string")
		}
		if _, twice := object[name]; twice {
			return nil, fmt.Errorf("the key %q is there twice", clip(name))
		}
		if object[name], err = decodeValue(d, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return object, err
}

// jsonDifference says where a value first differs from the one that is wanted, keys in
// their order; "" if nowhere. Numbers are compared by value: 1, 1.0 and 1e0 are equal.
func jsonDifference(path string, want, have any) string {
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		if !ok {
			return notSame(path, want, have)
		}
		for _, key := range slices.Sorted(maps.Keys(w)) {
			v, ok := h[key]
			if !ok {
				return fmt.Sprintf("%s is missing", at(path+"."+clip(key)))
			}
			if d := jsonDifference(path+"."+clip(key), w[key], v); d != "" {
				return d
			}
		}
		for _, key := range slices.Sorted(maps.Keys(h)) {
			if _, ok := w[key]; !ok {
				return fmt.Sprintf("%s is not wanted", at(path+"."+clip(key)))
			}
		}
		return ""
	case []any:
		return listDifference(path, w, have)
	case json.Number:
		if h, ok := have.(json.Number); ok && sameNumber(string(w), string(h)) {
			return ""
		}
		return notSame(path, want, have)
	}
	if _, plain := have.([]any); plain || isObject(have) || want != have {
		return notSame(path, want, have)
	}
	return ""
}

func isObject(v any) bool { _, ok := v.(map[string]any); return ok }

func listDifference(path string, want []any, have any) string {
	h, ok := have.([]any)
	if !ok {
		return notSame(path, want, have)
	}
	for i := range min(len(want), len(h)) {
		if d := jsonDifference(fmt.Sprintf("%s[%d]", path, i), want[i], h[i]); d != "" {
			return d
		}
	}
	if len(want) != len(h) {
		return fmt.Sprintf("%s has %d items, wanted %d", at(path), len(h), len(want))
	}
	return ""
}

func at(path string) string {
	if path = strings.TrimPrefix(path, "."); path == "" {
		return "the value"
	}
	return path
}

func notSame(path string, want, have any) string {
	return fmt.Sprintf("%s is %s, wanted %s", at(path), shown(have), shown(want))
}

func shown(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return clip(string(b))
}

// sameNumber compares two JSON numbers. Those with exponents that would take much memory
// as fractions are compared as they are written.
func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	x, ok := smallRational(a)
	y, also := smallRational(b)
	return ok && also && x.Cmp(y) == 0
}

var hugeExponent = regexp.MustCompile(`[eE][+-]?0*[0-9]{4,}`)

func smallRational(s string) (*big.Rat, bool) {
	if len(s) > mostDigits || hugeExponent.MatchString(s) {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}
