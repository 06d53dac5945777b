package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bankai/chat"
	"bankai/internal/text"
)

// turn is a message as the data have it.
type turn struct {
	chat.Message
	weight float64 // of an assistant's: 0 is not to be learnt
}

// roles are the names under which people have them.
var roles = map[string]string{
	"system": "system", "developer": "system",
	"user": "user", "human": "user", "prompter": "user",
	"assistant": "assistant", "gpt": "assistant", "model": "assistant", "bot": "assistant", "chatgpt": "assistant", "function_call": "assistant",
	"tool": "tool", "function": "tool", "observation": "tool", "ipython": "tool", "function_response": "tool",
}

// messageKeys are those that mean something in a message.
var messageKeys = []string{
	"role", "from", "content", "value", "weight", "name", "tool_calls", "tool_call_id", "function_call",
	"reasoning_content", "reasoning", "thinking", "refusal", "annotations", "audio",
}

// turns reads a list of messages, of OpenAI's or of ShareGPT's form, or one message.
func turns(raw json.RawMessage, key string, ignored func(string)) ([]turn, error) {
	raw = unwrapped(raw)
	if isNull(raw) {
		return nil, nil
	}
	list := []json.RawMessage{raw}
	switch raw[0] {
	case '[':
		list = elements(raw)
	case '{':
	default:
		return nil, fmt.Errorf("%s is no list of messages", key)
	}
	out := make([]turn, len(list))
	for i, m := range list {
		var err error
		if out[i], err = message(m, ignored); err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", key, i, err)
		}
	}
	return out, nil
}

// elements returns the values in a list that is known to be valid JSON.
func elements(raw []byte) (out []json.RawMessage) {
	for at := skipSpace(raw, 1); raw[at] != ']'; {
		end := valueEnd(raw, at)
		out = append(out, raw[at:end:end])
		if at = skipSpace(raw, end); raw[at] == ',' {
			at = skipSpace(raw, at+1)
		}
	}
	return out
}

// unwrapped returns the JSON list or object in a string, as tables have them.
func unwrapped(raw json.RawMessage) json.RawMessage {
	var s string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		if inner := bytes.TrimSpace([]byte(s)); len(inner) > 0 && (inner[0] == '[' || inner[0] == '{') && json.Valid(inner) {
			return inner
		}
	}
	return raw
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// message reads one message.
func message(raw json.RawMessage, ignored func(string)) (t turn, err error) {
	if raw[0] != '{' {
		return t, errors.New("is no message with role and content")
	}
	r := members(raw)
	if r.fault != "" {
		return t, errors.New(r.fault)
	}
	for _, key := range r.keys {
		if !slices.Contains(messageKeys, key) {
			ignored("a message's " + key)
		}
	}
	name := ""
	if err = firstText(r, &name, "role", "from"); err != nil {
		return t, err
	}
	role, ok := roles[strings.ToLower(name)]
	if !ok {
		return t, fmt.Errorf("role %q is not known: give system, user, assistant or tool", text.Clip(text.Printable(name), 40))
	}
	t = turn{Message: chat.Message{Role: role}, weight: 1}
	if !isNull(r.fields["audio"]) {
		return t, errors.New("it holds audio, and only text can be learnt")
	}
	if t.Content, err = content(first(r, "content", "value")); err != nil {
		return t, err
	}
	if err = firstText(r, &t.Name, "name"); err != nil {
		return t, err
	}
	if err = firstText(r, &t.ToolCallID, "tool_call_id"); err != nil {
		return t, err
	}
	if role != "assistant" {
		return t, nil
	}
	return t, t.assistant(r, strings.EqualFold(name, "function_call"))
}

// assistant reads what only an assistant's message has. A call stands in tool_calls, in
// function_call, or in the content of a message from "function_call".
func (t *turn) assistant(r record, call bool) error {
	if err := firstText(r, &t.Reasoning, "reasoning_content", "reasoning", "thinking"); err != nil {
		return err
	}
	if t.Content == "" {
		if err := firstText(r, &t.Content, "refusal"); err != nil {
			return err
		}
	}
	if raw := r.fields["weight"]; !isNull(raw) {
		if json.Unmarshal(raw, &t.weight) != nil || t.weight < 0 {
			return fmt.Errorf("weight is %s: give 0 or 1", text.Clip(string(raw), 20))
		}
	}
	if raw := r.fields["tool_calls"]; !isNull(raw) && json.Unmarshal(raw, &t.ToolCalls) != nil {
		return fmt.Errorf("tool_calls are not a list of functions with names and arguments: %w", json.Unmarshal(raw, &t.ToolCalls))
	}
	calls := r.fields["function_call"]
	if call {
		calls, t.Content = json.RawMessage(t.Content), ""
	}
	if isNull(calls) {
		return nil
	}
	var err error
	t.ToolCalls, err = bareCalls(calls)
	return err
}

// bareCalls reads a {"name", "arguments"}, or a list of them.
func bareCalls(raw json.RawMessage) (calls []chat.ToolCall, err error) {
	list := []json.RawMessage{raw}
	if trimmed := bytes.TrimSpace(raw); len(trimmed) > 0 && trimmed[0] == '[' {
		_ = json.Unmarshal(raw, &list)
	}
	for _, one := range list {
		wrapped, err := json.Marshal(map[string]json.RawMessage{"function": one})
		var c chat.ToolCall
		if err != nil || json.Unmarshal(wrapped, &c) != nil {
			return nil, fmt.Errorf("a function call is not a name with arguments: %s", text.Clip(text.Printable(string(one)), 60))
		}
		calls = append(calls, c)
	}
	return calls, nil
}

// content is the text of a message: a string, a number as it is written, parts of text
// with newlines between them, or nothing.
func content(raw json.RawMessage) (string, error) {
	if isNull(raw) {
		return "", nil
	}
	switch raw[0] {
	case '"':
		return unquoted(raw), nil
	case '[':
		return parts(raw)
	case '{':
		return "", errors.New("content is an object: give a string, or a list of parts")
	}
	return string(raw), nil
}

func parts(raw json.RawMessage) (string, error) {
	var list []struct {
		Type string
		Text *string
	}
	if json.Unmarshal(raw, &list) != nil {
		return "", errors.New("content is neither a string nor a list of parts of text")
	}
	var texts []string
	for _, p := range list {
		switch {
		case strings.Contains(p.Type, "image"):
			return "", errors.New("it holds an image, and only text can be learnt")
		case p.Type != "" && !strings.HasSuffix(p.Type, "text"):
			return "", fmt.Errorf("it holds a part of type %q, and only text can be learnt", text.Clip(text.Printable(p.Type), 40))
		case p.Text == nil:
			return "", errors.New("a part of its content has no text")
		}
		texts = append(texts, *p.Text)
	}
	return strings.Join(texts, "\n"), nil
}

// first is the first of the fields that is there.
func first(r record, keys ...string) json.RawMessage {
	for _, key := range keys {
		if raw := r.fields[key]; !isNull(raw) {
			return raw
		}
	}
	return nil
}

// firstText reads the first of the fields that is there as text.
func firstText(r record, to *string, keys ...string) error {
	s, err := content(first(r, keys...))
	if err != nil {
		return fmt.Errorf("%s: %w", keys[0], err)
	}
	if s != "" {
		*to = s
	}
	return nil
}

// tools reads the functions that may be called: a list in OpenAI's form, or of functions
// alone.
func tools(raw json.RawMessage) ([]json.RawMessage, error) {
	raw = unwrapped(raw)
	if isNull(raw) || string(raw) == `""` {
		return nil, nil
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil, errors.New("tools are not a list of functions")
	}
	for i, t := range list {
		var named struct {
			Name     string
			Function struct{ Name string }
		}
		if json.Unmarshal(t, &named) != nil || named.Name == "" && named.Function.Name == "" {
			return nil, fmt.Errorf("tools[%d] is no function with a name", i)
		}
		if named.Function.Name == "" {
			list[i], _ = json.Marshal(map[string]any{"type": "function", "function": t})
		}
	}
	return list, nil
}
