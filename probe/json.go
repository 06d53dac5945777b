package probe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// readJSON reads one list of objects.
func readJSON(data []byte) ([]record, error) {
	d := decoder{data: data, Decoder: json.NewDecoder(bytes.NewReader(data)), line: 1}
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		if t == json.Delim('{') {
			return nil, &ParseError{Line: 1, Msg: "want a list of probes, [{…}, …], not one object; for an object a line use the extension .jsonl"}
		}
		return nil, d.fault(0, err, "want a JSON list of probes")
	}
	var recs []record
	for d.More() {
		r, err := d.record(len(recs) + 1)
		if err != nil {
			return nil, err
		}
		recs = append(recs, r)
	}
	if _, err := d.Token(); err != nil {
		return nil, d.fault(0, err, "the list is not closed")
	}
	if t, err := d.Token(); err != io.EOF {
		return nil, d.fault(0, err, fmt.Sprintf("%v follows the list of probes: nothing may", t))
	}
	return recs, nil
}

// readJSONL reads one object a line; blank lines are skipped.
func readJSONL(data []byte) ([]record, error) {
	var recs []record
	line := 0
	for text := range bytes.Lines(data) {
		line++
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		d := decoder{data: text, Decoder: json.NewDecoder(bytes.NewReader(text)), line: line}
		r, err := d.record(len(recs) + 1)
		if err != nil {
			return nil, err
		}
		if _, err := d.Token(); err != io.EOF {
			return nil, d.fault(len(recs)+1, err, "more than one object stands on the line: give each its own")
		}
		recs = append(recs, r)
	}
	return recs, nil
}

// decoder is a json.Decoder that knows its text, and so its line.
type decoder struct {
	*json.Decoder
	data []byte
	line int   // of the byte at pos
	pos  int64 // offsets are asked for in ascending order, so lines are counted once
}

// at is the line of a byte offset, which must not lie before earlier ones.
func (d *decoder) at(offset int64) int {
	if offset = min(offset, int64(len(d.data))); offset > d.pos {
		d.line += bytes.Count(d.data[d.pos:offset], []byte("\n"))
		d.pos = offset
	}
	return d.line
}

// fault makes a ParseError where the decoder stands. It says what the JSON
// decoder says, if it found a fault itself, and otherwise msg.
func (d *decoder) fault(record int, err error, msg string) error {
	var syntax *json.SyntaxError
	offset := d.InputOffset()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		offset, msg = int64(len(d.data)), "the JSON ends too soon"
	case errors.As(err, &syntax):
		offset = syntax.Offset - 1
		msg = "not JSON: " + syntax.Error()
	}
	return &ParseError{Line: d.at(offset), Record: record, Msg: msg}
}

// record reads one object, key by key, so that a key that is unknown, doubled
// or of the wrong type is reported by name.
func (d *decoder) record(n int) (record, error) {
	t, err := d.Token()
	if err != nil || t != json.Delim('{') {
		return record{}, d.fault(n, err, `want an object such as {"prompt": "2 + 2 =", "correct": " 4", "wrong": " 5"}`)
	}
	r := record{line: d.at(d.InputOffset() - 1)}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return record{}, d.fault(n, err, "not JSON")
		}
		key, _ := t.(string) // the decoder gives nothing else at this place
		if seen[key] {
			return record{}, &ParseError{Line: d.at(d.InputOffset()), Record: n, Field: clip(key), Msg: "is given twice"}
		}
		seen[key] = true
		if err := d.field(&r, key, n); err != nil {
			return record{}, err
		}
	}
	if _, err := d.Token(); err != nil {
		return record{}, d.fault(n, err, "the object is not closed")
	}
	return r, nil
}

// field reads the value of a key into the record.
func (d *decoder) field(r *record, key string, n int) error {
	var target any = &r.Alternates
	want := "a list of strings"
	if key != "alternates" {
		text := r.text(key)
		if text == nil {
			return &ParseError{Line: d.at(d.InputOffset()), Record: n, Msg: unknownKey(key)}
		}
		target, want = text, "a string"
	}
	err := d.Decode(target)
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return &ParseError{Line: d.at(d.InputOffset()), Record: n, Field: key, Msg: fmt.Sprintf("is %s: want %s", kindOf(wrongType.Value), want)}
	}
	if err != nil {
		return d.fault(n, err, "not JSON")
	}
	return nil
}

// kindOf is a kind of JSON value, as its decoder names it, with its article.
func kindOf(kind string) string {
	switch kind, _, _ = strings.Cut(kind, " "); kind {
	case "array":
		return "a list"
	case "object":
		return "an object"
	case "bool":
		return "true or false"
	}
	return "a " + kind
}

// WriteJSON writes the set as the list that Read reads, one probe after
// another, indented, without escaping what JSON allows.
func (s Set) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(s)
}
