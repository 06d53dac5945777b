// Package strictjson reads documents of which every member counts, such as those that
// limit what is trusted. What encoding/json reads, and drops or takes for another member
// without a word, is an error here.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"bankai/internal/text"
)

// Unmarshal reads data, one JSON value, into what v points to, as encoding/json does. Of
// objects it refuses members that v has no place for or whose names are written in other
// letters, members that stand there twice, and members that are null, or empty where v
// would be written without them. v is undefined if there is an error.
func Unmarshal(data []byte, v any) error {
	if err := unique(json.NewDecoder(bytes.NewReader(data))); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	again, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var read, written any
	if err := errors.Join(json.Unmarshal(data, &read), json.Unmarshal(again, &written)); err != nil {
		return err
	}
	return kept(read, written)
}

// unique refuses members that stand in one object twice, and what follows the value.
func unique(dec *json.Decoder) error {
	var open []map[string]bool // by object or array within which the next token stands; nil for an array
	key := false               // the next token is the name of a member, or ends the object
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) && len(open) > 0 {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		switch name, isName := tok.(string); {
		case tok == json.Delim('{'):
			open = append(open, map[string]bool{})
		case tok == json.Delim('['):
			open = append(open, nil)
		case tok == json.Delim('}'), tok == json.Delim(']'):
			open = open[:len(open)-1]
		case key && isName:
			if seen := open[len(open)-1]; seen[name] {
				return fmt.Errorf("the member %q stands there twice: leave one", shown(name))
			} else {
				seen[name] = true
			}
			key = false
			continue
		}
		if len(open) == 0 {
			break
		}
		key = open[len(open)-1] != nil
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows it")
	}
	return nil
}

// kept refuses members that are not there when what was read is written again.
func kept(read, written any) error {
	switch read := read.(type) {
	case map[string]any:
		written, _ := written.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(read)) {
			again, there := written[name]
			switch value := read[name]; {
			case value == nil, !there && isEmpty(value):
				return fmt.Errorf("the member %q is empty: leave it out", shown(name))
			case !there:
				return fmt.Errorf("the member %q is not known: mind capital and small letters", shown(name))
			default:
				if err := kept(value, again); err != nil {
					return err
				}
			}
		}
	case []any:
		written, _ := written.([]any)
		for i := range min(len(read), len(written)) {
			if err := kept(read[i], written[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// isEmpty says whether a value is one of those that encoding/json may leave out.
func isEmpty(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return value == "" || value == false || value == 0.0
}

// shown is a name of a member in an error.
func shown(name string) string { return text.Clip(name, 40) }
