package chat

import (
	"encoding/json"
	"slices"
	"strings"
)

// parameters are a function's parameters by name, each with the JSON types that its
// schema allows; none if the schema does not say.
type parameters map[string][]string

// functions reads the schemas of tools, as far as they can be read: what a tool does
// not say about a value leaves it a string.
func functions(tools []json.RawMessage) map[string]parameters {
	type function struct {
		Name       string
		Parameters struct{ Properties map[string]json.RawMessage }
	}
	out := map[string]parameters{}
	for _, raw := range tools {
		var tool struct {
			Function *function
			function // a tool may be the function itself
		}
		if json.Unmarshal(raw, &tool) != nil {
			continue
		}
		f := tool.function
		if tool.Function != nil {
			f = *tool.Function
		}
		p := parameters{}
		for name, schema := range f.Parameters.Properties {
			p[name] = schemaTypes(schema)
		}
		out[f.Name] = p
	}
	return out
}

// schemaTypes returns the types that a schema allows.
func schemaTypes(raw json.RawMessage) []string {
	var s struct {
		Type         json.RawMessage
		Enum         []json.RawMessage
		AnyOf, OneOf []json.RawMessage
	}
	if json.Unmarshal(raw, &s) != nil {
		return nil
	}
	var one string
	var types []string
	switch {
	case json.Unmarshal(s.Type, &one) == nil && one != "":
		types = []string{one}
	case json.Unmarshal(s.Type, &types) == nil:
	default:
		for _, v := range s.Enum {
			types = append(types, typesOf(v)...)
		}
	}
	for _, sub := range append(s.AnyOf, s.OneOf...) {
		types = append(types, schemaTypes(sub)...)
	}
	return types
}

// typesOf returns the names that JSON Schema has for a value's type.
func typesOf(raw json.RawMessage) []string {
	v, err := parseValue(raw)
	if err != nil {
		return nil
	}
	switch v.kind {
	case null:
		return []string{"null"}
	case boolean:
		return []string{"boolean"}
	case integer:
		return []string{"integer", "number"}
	case float:
		if strings.HasSuffix(v.text, ".0") {
			return []string{"number", "integer"}
		}
		return []string{"number"}
	case str:
		return []string{"string"}
	case list:
		return []string{"array"}
	}
	return []string{"object"}
}

// value returns a value as JSON: what its text spells, if the schema allows a value of
// that type and the text is more than a string; else a string.
func (p parameters) value(key, text string) json.RawMessage {
	allowed := p[key]
	raw := strings.Trim(text, whiteSpace)
	// Templates write the values of earlier calls as Python does, and models repeat it.
	if spelt, ok := map[string]string{"True": "true", "False": "false", "None": "null"}[raw]; ok {
		raw = spelt
	}
	for _, t := range typesOf(json.RawMessage(raw)) {
		if t != "string" && slices.Contains(allowed, t) {
			return json.RawMessage(raw)
		}
	}
	return quote(text)
}
