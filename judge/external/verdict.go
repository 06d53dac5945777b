package external

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"bankai/internal/text"
)

// verdict is a line of a program. Nil is what it does not have.
type verdict struct {
	Name   *string
	Right  *bool
	Reason string
}

// parse reads a line that is a JSON object. A key that is there twice is refused: readers
// of JSON do not agree on what it says.
func parse(line []byte) (v verdict, err error) {
	if !utf8.Valid(line) {
		return v, errors.New("it is not UTF-8")
	}
	if !json.Valid(line) || bytes.TrimSpace(line)[0] != '{' {
		return v, errors.New("it is no JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(line))
	_, _ = d.Token() // the brace: the line is valid
	seen := map[string]bool{}
	for d.More() {
		key, _ := d.Token()
		name := key.(string)
		if seen[name] {
			return v, fmt.Errorf("the key %q is there twice", text.Clip(name, 40))
		}
		seen[name] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return v, err
		}
		if err := v.set(name, value); err != nil {
			return v, err
		}
	}
	if v.Right == nil {
		return v, errors.New(`it has no "right"`)
	}
	return v, nil
}

// set takes a member of the object. Those that are not known are ignored.
func (v *verdict) set(name string, value []byte) (err error) {
	switch name {
	case "name":
		err = json.Unmarshal(value, &v.Name)
	case "right":
		err = json.Unmarshal(value, &v.Right)
	case "reason":
		err = json.Unmarshal(value, &v.Reason)
	}
	if err != nil {
		return fmt.Errorf("%q is %s", name, text.Clip(string(value), 40))
	}
	return nil
}
