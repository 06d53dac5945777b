package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// value is a JSON value with its keys in order and its numbers as they are written.
type value struct {
	kind  kind
	text  string // of a string; a number as Python writes it
	yes   bool
	items []value  // of a list, or of an object by keys
	keys  []string // of an object
}

type kind byte

const (
	null kind = iota
	boolean
	integer
	float
	str
	list
	dict
)

// parseValue reads one JSON value. Of a key that comes twice, the last value stands
// in the place of the first, as in Python.
func parseValue(raw []byte) (value, error) {
	if !json.Valid(raw) { // also if it is nested too deep for a recursion
		return value{}, errors.New("is not JSON")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return decodeValue(d)
}

func decodeValue(d *json.Decoder) (value, error) {
	t, err := d.Token()
	if err != nil {
		return value{}, err
	}
	switch t := t.(type) {
	case bool:
		return value{kind: boolean, yes: t}, nil
	case string:
		return value{kind: str, text: t}, nil
	case json.Number:
		return number(t.String()), nil
	case json.Delim:
		return decodeItems(d, t == '{')
	}
	return value{}, nil
}

func decodeItems(d *json.Decoder, keyed bool) (value, error) {
	v := value{kind: list}
	if keyed {
		v.kind = dict
	}
	at := map[string]int{}
	for d.More() {
		var key string
		if keyed {
			t, err := d.Token()
			if err != nil {
				return v, err
			}
			key = t.(string)
		}
		item, err := decodeValue(d)
		if err != nil {
			return v, err
		}
		if i, twice := at[key]; keyed && twice {
			v.items[i] = item
			continue
		}
		at[key] = len(v.items)
		v.items = append(v.items, item)
		if keyed {
			v.keys = append(v.keys, key)
		}
	}
	_, err := d.Token()
	return v, err
}

// number makes a value of a JSON number: one with a point or an exponent is a float,
// and written as Python writes it.
func number(s string) value {
	if !strings.ContainsAny(s, ".eE") {
		if s == "-0" {
			s = "0"
		}
		return value{kind: integer, text: s}
	}
	f, _ := strconv.ParseFloat(s, 64) // what is out of range is infinite
	return value{kind: float, text: pythonFloat(f)}
}

// pythonFloat is Python's repr: the fewest digits that give the number back, with an
// exponent below 1e-4 and from 1e16 on.
func pythonFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// appendJSON writes v as Python's json.dumps(ensure_ascii=False) does, which is what
// templates' tojson is, and what models were trained on.
func (v *value) appendJSON(b *strings.Builder) {
	switch v.kind {
	case null:
		b.WriteString("null")
	case boolean:
		b.WriteString(strconv.FormatBool(v.yes))
	case integer, float:
		b.WriteString(v.text)
	case str:
		appendQuoted(b, v.text)
	case list:
		v.appendItems(b, '[', ']')
	case dict:
		v.appendItems(b, '{', '}')
	}
}

func (v *value) appendItems(b *strings.Builder, open, end byte) {
	b.WriteByte(open)
	for i := range v.items {
		if i > 0 {
			b.WriteString(", ")
		}
		if v.kind == dict {
			appendQuoted(b, v.keys[i])
			b.WriteString(": ")
		}
		v.items[i].appendJSON(b)
	}
	b.WriteByte(end)
}

func appendQuoted(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"', r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= ' ':
			b.WriteRune(r)
		case strings.ContainsRune("\n\r\t\b\f", r):
			b.WriteByte('\\')
			b.WriteByte("btn.fr"[r-'\b'])
		default:
			fmt.Fprintf(b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
}

func (v *value) json() string {
	var b strings.Builder
	v.appendJSON(&b)
	return b.String()
}

// python is Python's str of a scalar; lists and objects are written as JSON.
func (v *value) python() string {
	switch v.kind {
	case null:
		return "None"
	case boolean:
		if v.yes {
			return "True"
		}
		return "False"
	case str:
		return v.text
	case integer:
		return v.text
	case float:
		return strings.Replace(v.text, "Infinity", "inf", 1)
	}
	return v.json()
}
