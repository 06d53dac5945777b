package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Message is one message of a conversation. Its JSON is that of OpenAI's chat
// completions, with reasoning_content beside content.
type Message struct {
	Role       string // system, developer (which is system), user, assistant or tool
	Content    string
	Reasoning  string // an assistant's; "" if there is none
	Name       string // of who speaks; most templates leave it out
	ToolCalls  []ToolCall
	ToolCallID string // which call a tool answers
}

// ToolCall is a call of a function that an assistant asks for.
type ToolCall struct {
	ID   string
	Name string
	// Arguments is a JSON object by the names of the parameters, or a JSON string
	// if what was given as arguments is no object.
	Arguments json.RawMessage
}

// MessageError says which message cannot be rendered or read, and why.
type MessageError struct {
	Index int // of the message, from 0
	Err   error
}

// Error names the message as messages[2].
func (e *MessageError) Error() string { return fmt.Sprintf("messages[%d]: %v", e.Index, e.Err) }

// Unwrap returns the reason.
func (e *MessageError) Unwrap() error { return e.Err }

// normal returns messages that templates can rely on: roles of the four kinds, and
// fields only where they belong.
func normal(ms []Message) ([]Message, error) {
	if len(ms) == 0 {
		return nil, errors.New("there are no messages: give at least one")
	}
	out := slices.Clone(ms)
	for i := range out {
		m := &out[i]
		if m.Role == "developer" {
			m.Role = "system"
		}
		if err := m.check(); err != nil {
			return nil, &MessageError{i, err}
		}
	}
	return out, nil
}

func (m *Message) check() error {
	switch m.Role {
	case "assistant":
		for _, c := range m.ToolCalls {
			if c.Name == "" {
				return errors.New("a tool call names no function")
			}
		}
		return nil
	case "system", "user", "tool":
	case "":
		return errors.New("there is no role: give system, user, assistant or tool")
	default:
		return fmt.Errorf("role %q is not known: give system, developer, user, assistant or tool", m.Role)
	}
	switch {
	case len(m.ToolCalls) > 0:
		return fmt.Errorf("tool_calls in a message of role %s: only an assistant calls tools", m.Role)
	case m.Reasoning != "":
		return fmt.Errorf("reasoning_content in a message of role %s: only an assistant reasons", m.Role)
	}
	return nil
}

// DecodeMessages reads a JSON array of messages. A mistake in one is a [MessageError].
func DecodeMessages(data []byte) ([]Message, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, errors.New("messages must be a list of messages")
	}
	ms := make([]Message, len(raw))
	for i, r := range raw {
		if err := ms[i].UnmarshalJSON(r); err != nil {
			return nil, &MessageError{i, err}
		}
	}
	return ms, nil
}

// UnmarshalJSON reads OpenAI's form. Content is a string, null, or a list of parts of
// type text, which are joined by newlines; parts of other types are refused by name.
// A field of null is one that is not there; one that is not known is refused.
func (m *Message) UnmarshalJSON(data []byte) error {
	fields, err := object(data)
	if err != nil {
		return fmt.Errorf("a message %w", err)
	}
	*m = Message{}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		raw := fields[name]
		switch name {
		case "role":
			err = text(raw, &m.Role)
		case "content":
			m.Content, err = content(raw)
		case "reasoning_content":
			err = text(raw, &m.Reasoning)
		case "name":
			err = text(raw, &m.Name)
		case "tool_call_id":
			err = text(raw, &m.ToolCallID)
		case "tool_calls":
			m.ToolCalls, err = toolCalls(raw)
		case "annotations": // sources that an answer cited: no model reads them
		default:
			err = errors.New("is not supported: leave the field out")
		}
		if err != nil {
			return fmt.Errorf("%s %w", name, err)
		}
	}
	return nil
}

// content returns the text of a message's content.
func content(raw json.RawMessage) (string, error) {
	if raw[0] != '[' {
		var s string
		err := text(raw, &s)
		return s, err
	}
	var parts []struct {
		Type string
		Text *string
	}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return "", errors.New("is neither a string nor a list of parts")
	}
	var b bytes.Buffer
	for i, p := range parts {
		switch {
		case p.Type != "text":
			return "", fmt.Errorf("has a part of type %q, and this model reads only parts of type text", p.Type)
		case p.Text == nil:
			return "", fmt.Errorf("has a part %d of type text that has no text", i)
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(*p.Text)
	}
	return b.String(), nil
}

func toolCalls(raw json.RawMessage) ([]ToolCall, error) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil, errors.New("is not a list")
	}
	calls := make([]ToolCall, len(list))
	for i, r := range list {
		if err := calls[i].UnmarshalJSON(r); err != nil {
			return nil, fmt.Errorf("has in place %d %w", i, err)
		}
	}
	return calls, nil
}

// UnmarshalJSON reads {"id", "type": "function", "function": {"name", "arguments"}}.
// The arguments are an object, or one written out in a string, as OpenAI has it.
func (c *ToolCall) UnmarshalJSON(data []byte) error {
	var in struct {
		ID, Type string
		Function struct {
			Name      string
			Arguments json.RawMessage
		}
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("what is no tool call: %w", err)
	}
	if in.Type != "" && in.Type != "function" {
		return fmt.Errorf("a tool call of type %q: only functions can be called", in.Type)
	}
	if in.Function.Name == "" {
		return errors.New("a tool call that names no function")
	}
	*c = ToolCall{ID: in.ID, Name: in.Function.Name}
	var err error
	c.Arguments, err = arguments(in.Function.Arguments)
	return err
}

// arguments returns an object where there is one, in a string or not.
func arguments(raw json.RawMessage) (json.RawMessage, error) {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0, string(raw) == "null":
		return json.RawMessage("{}"), nil
	case raw[0] == '{':
		return raw, nil
	case raw[0] != '"':
		return nil, fmt.Errorf("arguments that are %.20s: give an object, or one in a string", raw)
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	inner := bytes.TrimSpace([]byte(s))
	switch {
	case len(inner) == 0:
		return json.RawMessage("{}"), nil
	case inner[0] == '{' && json.Valid(inner):
		return inner, nil
	}
	return raw, nil
}

// MarshalJSON writes what UnmarshalJSON reads; content is null where there is none
// beside tool calls.
func (m Message) MarshalJSON() ([]byte, error) {
	out := struct {
		Role       string     `json:"role"`
		Content    *string    `json:"content"`
		Reasoning  string     `json:"reasoning_content,omitempty"`
		Name       string     `json:"name,omitempty"`
		ToolCalls  []ToolCall `json:"tool_calls,omitempty"`
		ToolCallID string     `json:"tool_call_id,omitempty"`
	}{m.Role, &m.Content, m.Reasoning, m.Name, m.ToolCalls, m.ToolCallID}
	if m.Content == "" && len(m.ToolCalls) > 0 {
		out.Content = nil
	}
	return json.Marshal(out)
}

// MarshalJSON writes OpenAI's form, with the arguments in a string.
func (c ToolCall) MarshalJSON() ([]byte, error) {
	type function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	}
	args := string(c.Arguments)
	if len(args) > 0 && args[0] == '"' {
		if err := json.Unmarshal(c.Arguments, &args); err != nil {
			return nil, fmt.Errorf("arguments of %s: %w", c.Name, err)
		}
	}
	return json.Marshal(struct {
		ID       string   `json:"id"`
		Type     string   `json:"type"`
		Function function `json:"function"`
	}{c.ID, "function", function{c.Name, args}})
}

// object returns the fields of a JSON object that are not null.
func object(data []byte) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil || fields == nil {
		return nil, errors.New("is not a JSON object")
	}
	for name, raw := range fields {
		if string(raw) == "null" {
			delete(fields, name)
		}
	}
	return fields, nil
}

func text(raw json.RawMessage, to *string) error {
	if json.Unmarshal(raw, to) != nil {
		return errors.New("is not a string")
	}
	return nil
}
