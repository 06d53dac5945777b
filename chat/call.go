package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
)

// call is a tool call as it was generated.
type call struct{ name, arguments string }

// errUnfinished says that a text may become a call if it goes on: the end tag that was
// found in it stands inside a value.
var errUnfinished = errors.New("the call goes on")

var errMalformed = errors.New("not a call")

const (
	functionOpen  = "<function="
	functionEnd   = "</function>"
	parameterOpen = "<parameter="
	parameterEnd  = "</parameter>"
)

// mayBeCall says whether a text that begins like this can be a call.
func mayBeCall(text string) bool {
	text = strings.TrimLeft(text, whiteSpace)
	return text == "" || text[0] == '{' || strings.HasPrefix(text, functionOpen) || strings.HasPrefix(functionOpen, text)
}

// readCall reads what stood between the tags of a call.
func readCall(text string, known map[string]parameters) (call, error) {
	text = strings.Trim(text, whiteSpace)
	if strings.HasPrefix(text, "{") {
		return readJSONCall(text)
	}
	return readXMLCall(text, known)
}

// readJSONCall reads {"name": …, "arguments": {…}}.
func readJSONCall(text string) (call, error) {
	if insideString(text) {
		return call{}, errUnfinished
	}
	var in struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	}
	if json.Unmarshal([]byte(text), &in) != nil || in.Name == "" {
		return call{}, errMalformed
	}
	args, err := arguments(in.Arguments)
	if err != nil || args[0] != '{' {
		return call{}, errMalformed
	}
	return call{in.Name, string(args)}, nil
}

// insideString says whether a JSON text ends inside a string.
func insideString(text string) bool {
	inside := false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			inside = !inside
		case inside && text[i] == '\\':
			i++
		}
	}
	return inside
}

// readXMLCall reads <function=NAME> with <parameter=KEY> tags in it. Values have the
// types that the function's schema gives them.
func readXMLCall(text string, known map[string]parameters) (call, error) {
	if !strings.HasSuffix(text, functionEnd) {
		return call{}, errUnfinished
	}
	name, rest, ok := cutTag(text, functionOpen)
	if !ok {
		return call{}, errMalformed
	}
	var keys []string
	values := map[string]json.RawMessage{}
	for {
		rest = strings.TrimLeft(rest, whiteSpace)
		if rest == functionEnd {
			return call{name, joinObject(keys, values)}, nil
		}
		key, after, ok := cutTag(rest, parameterOpen)
		if !ok {
			return call{}, errMalformed
		}
		end := valueEnd(after)
		if end < 0 {
			return call{}, errMalformed
		}
		if _, twice := values[key]; !twice {
			keys = append(keys, key)
		}
		value := strings.TrimSuffix(strings.TrimPrefix(after[:end], "\n"), "\n")
		values[key] = known[name].value(key, value)
		rest = after[end+len(parameterEnd):]
	}
}

// cutTag takes a tag from the beginning of a text and returns what it names.
func cutTag(text, open string) (name, rest string, ok bool) {
	text, ok = strings.CutPrefix(text, open)
	if !ok {
		return "", "", false
	}
	name, rest, ok = strings.Cut(text, ">")
	name = strings.Trim(name, whiteSpace)
	return name, rest, ok && name != "" && !strings.ContainsAny(name, "<\n")
}

// valueEnd is where a value ends: at an end tag after which another parameter begins
// or the function ends. It is -1 if there is none.
func valueEnd(text string) int {
	for from := 0; ; {
		at := strings.Index(text[from:], parameterEnd)
		if at < 0 {
			return -1
		}
		at += from
		from = at + len(parameterEnd)
		next := strings.TrimLeft(text[from:], whiteSpace)
		if next == functionEnd || strings.HasPrefix(next, parameterOpen) {
			return at
		}
	}
}

func joinObject(keys []string, values map[string]json.RawMessage) string {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, k := range keys {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(quote(k))
		b.WriteByte(':')
		b.Write(values[k])
	}
	b.WriteByte('}')
	return b.String()
}

// quote returns a JSON string.
func quote(s string) json.RawMessage {
	var b strings.Builder
	appendQuoted(&b, s)
	return json.RawMessage(b.String())
}
