package probe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strings"
)

// Template makes many probes of one kind: texts with expressions in braces, and
// the values of their variables. FORMAT.md describes its file and language.
type Template struct {
	number int        // 1-based place in its file
	fields [5]pattern // nil where the file has none
	others []pattern  // alternates
	where  *expression
	vars   []variable
	count  uint64 // of combinations
}

// The texts of a template, by their place in Template.fields.
const (
	promptField = iota
	correctField
	wrongField
	nameField
	categoryField
)

// templateKeys are the fields of a template in a file, the texts first.
var templateKeys = []string{"prompt", "correct", "wrong", "name", "category", "alternates", "ranges", "where"}

// TemplateError says where a template is wrong. Zero fields are unknown or do not
// apply.
type TemplateError struct {
	File     string
	Line     int    // 1-based, of the fault or the field
	Template int    // 1-based
	Field    string // such as "correct"
	Char     int    // 1-based, in the text of the field
	Msg      string
}

// Error is one line, such as `t.json:3: template 1: "wrong", character 4: "c" has
// no range`.
func (e *TemplateError) Error() string {
	var b strings.Builder
	writePlace(&b, e.File, e.Line)
	if e.Template > 0 {
		fmt.Fprintf(&b, "template %d: ", e.Template)
	}
	switch {
	case e.Char > 0:
		fmt.Fprintf(&b, "%q, character %d: ", e.Field, e.Char)
	case e.Field != "":
		fmt.Fprintf(&b, "%q ", e.Field)
	}
	return b.String() + e.Msg
}

// maxTemplates bounds a template file, in bytes.
const maxTemplates = 1 << 20

// ReadTemplates reads a JSON list of templates, or one template. Faults in the
// text are a *TemplateError.
func ReadTemplates(r io.Reader) ([]Template, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxTemplates+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxTemplates {
		return nil, fmt.Errorf("more than %d MiB of templates: split the file", maxTemplates>>20)
	}
	var parse *ParseError
	if errors.As(checkUTF8(data), &parse) {
		return nil, &TemplateError{Line: parse.Line, Msg: parse.Msg}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	d := decoder{data: data, Decoder: json.NewDecoder(bytes.NewReader(data)), line: 1}
	var list []Template
	if trimmed := bytes.TrimSpace(data); len(trimmed) > 0 && trimmed[0] == '{' {
		list = make([]Template, 1)
		err = d.template(&list[0], 1)
	} else {
		list, err = d.templates()
	}
	if err == nil {
		if t, end := d.Token(); end != io.EOF {
			err = d.misplaced(0, end, fmt.Sprintf("%v follows the templates: nothing may, and several stand in a list, [{…}, …]", t))
		}
	}
	if err != nil {
		return nil, err
	}
	return list, nil
}

// templates reads the list.
func (d *decoder) templates() ([]Template, error) {
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, d.misplaced(0, err, "want a list of templates, [{…}, …]")
	}
	var list []Template
	for d.More() {
		var t Template
		if err := d.template(&t, len(list)+1); err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	if _, err := d.Token(); err != nil {
		return nil, d.misplaced(0, err, "the list is not closed")
	}
	if len(list) == 0 {
		return nil, &TemplateError{Line: 1, Msg: "no templates: the list is empty"}
	}
	return list, nil
}

// misplaced is fault for templates.
func (d *decoder) misplaced(n int, err error, msg string) error {
	var parse *ParseError
	errors.As(d.fault(n, err, msg), &parse)
	return &TemplateError{Line: parse.Line, Template: n, Msg: parse.Msg}
}

// source is a template as written, with the line of each field.
type source struct {
	number int
	line   int
	texts  [5]*string
	others []string
	where  *string
	ranges []variable
	lines  map[string]int
}

// template reads one object and compiles it.
func (d *decoder) template(t *Template, n int) error {
	if tok, err := d.Token(); err != nil || tok != json.Delim('{') {
		return d.misplaced(n, err, `want an object such as {"prompt": "{a} + {b} =", "correct": " {a+b}", "ranges": {"a": [2, 9], "b": [2, 9]}}`)
	}
	s := source{number: n, line: d.at(d.InputOffset() - 1), lines: map[string]int{}}
	for d.More() {
		tok, err := d.Token()
		if err != nil {
			return d.misplaced(n, err, "not JSON")
		}
		key, _ := tok.(string) // the decoder gives nothing else at this place
		line := d.at(d.InputOffset())
		if s.lines[key] > 0 {
			return &TemplateError{Line: line, Template: n, Field: clip(key), Msg: "is given twice"}
		}
		s.lines[key] = line
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return d.misplaced(n, err, "not JSON")
		}
		if err := s.take(key, raw); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return d.misplaced(n, err, "the object is not closed")
	}
	return s.compile(t)
}

// take stores the value of a key.
func (s *source) take(key string, raw json.RawMessage) error {
	fault := func(field, msg string) error {
		return &TemplateError{Line: s.lines[key], Template: s.number, Field: field, Msg: msg}
	}
	for i, k := range templateKeys[:len(s.texts)] {
		if k == key {
			if json.Unmarshal(raw, &s.texts[i]) != nil {
				return fault(key, "is no text: put it in quotes")
			}
			return nil
		}
	}
	var err error
	switch key {
	case "where":
		if json.Unmarshal(raw, &s.where) != nil {
			return fault(key, `is no text: put it in quotes, as in "a != b"`)
		}
	case "alternates":
		if json.Unmarshal(raw, &s.others) != nil {
			return fault(key, "is no list of strings")
		}
	case "ranges":
		if s.ranges, err = decodeRanges(raw); err != nil {
			return fault(key, err.Error())
		}
	default:
		return fault("", unknownOf(key, "template", templateKeys))
	}
	return nil
}

// compile checks and translates the fields.
func (s *source) compile(t *Template) error {
	*t = Template{number: s.number, vars: s.ranges, count: 1}
	used := make([]bool, len(s.ranges))
	for i, field := range s.texts {
		switch {
		case field == nil || strings.TrimSpace(*field) == "":
			if i < wrongField {
				return s.fault(templateKeys[i], nil, "is missing or empty")
			}
		default:
			p, f := parsePattern(*field, s.ranges, used)
			if f != nil {
				return s.fault(templateKeys[i], f, f.msg)
			}
			t.fields[i] = p
		}
	}
	for _, field := range s.others {
		p, f := parsePattern(field, s.ranges, used)
		if f == nil && strings.TrimSpace(field) == "" {
			return s.fault("alternates", nil, "has an empty entry: leave it out")
		}
		if f != nil {
			return s.fault("alternates", f, fmt.Sprintf("%s in %q", f.msg, clip(field)))
		}
		t.others = append(t.others, p)
	}
	if s.where != nil {
		e, f := parseCondition(*s.where, s.ranges, used)
		if f != nil {
			return s.fault("where", f, f.msg)
		}
		t.where = &e
	}
	for i, v := range s.ranges {
		if !used[i] {
			return s.fault("ranges", nil, fmt.Sprintf("has %q, which no text uses: write {%s} or take it out", v.name, v.name))
		}
		if !t.multiply(v.count) {
			return s.fault("ranges", nil, "has more than 2^62 combinations: narrow it")
		}
	}
	return nil
}

// maxCombinations bounds what a template can make.
const maxCombinations = 1 << 62

// Combinations is how many combinations the values of its variables have.
func (t *Template) Combinations() uint64 { return t.count }

func (t *Template) multiply(n uint64) bool {
	high, low := bits.Mul64(t.count, n)
	t.count = low
	return high == 0 && low <= maxCombinations
}

// fault places a mistake; f is nil if it is not at a character of the field.
func (s *source) fault(key string, f *fault, msg string) error {
	e := &TemplateError{Line: s.line, Template: s.number, Field: key, Msg: msg}
	if line := s.lines[key]; line > 0 {
		e.Line = line
	}
	if f != nil {
		e.Char = f.char
	}
	return e
}
