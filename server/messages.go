package server

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// message is one turn of a conversation.
type message struct{ role, content string }

// roles are those that a message may have.
var roles = []string{"system", "developer", "user", "assistant", "tool"}

// conversation takes the messages of a chat, and the tools.
func (f *fields) conversation() []message {
	var raw []map[string]json.RawMessage
	if !f.take("messages", &raw, "a list of messages") || len(raw) == 0 {
		f.fail(invalid("messages", "messages has no message: give it at least one"))
	}
	var all []message
	for i, r := range raw {
		m, err := readMessage(r)
		if err != nil {
			f.fail(invalid("messages", "messages[%d]: %v", i, err))
			break
		}
		all = append(all, m)
	}
	f.only("tools", "leave it out", "[]")
	f.only("tool_choice", "leave it out", `"none"`, `"auto"`)
	f.only("functions", "it is the old name of tools", "[]")
	f.only("function_call", "it is the old name of tool_choice", `"none"`, `"auto"`)
	f.ignore("parallel_tool_calls")
	f.only("chat_template_kwargs", "the model has no template", "{}")
	return all
}

func readMessage(fields map[string]json.RawMessage) (m message, err error) {
	for name, value := range fields {
		switch name {
		case "role":
			err = json.Unmarshal(value, &m.role)
		case "content":
			m.content, err = readContent(value)
		case "name", "refusal", "annotations", "reasoning_content":
		default:
			if string(value) != "null" && string(value) != "[]" {
				err = fmt.Errorf("the field %q is not supported", name)
			}
		}
		if err != nil {
			return m, err
		}
	}
	if !slices.Contains(roles, m.role) {
		return m, fmt.Errorf("the role %q is none of %s", m.role, strings.Join(roles, ", "))
	}
	return m, nil
}

// readContent reads a text, or joins the texts of parts.
func readContent(value json.RawMessage) (string, error) {
	var whole *string
	if json.Unmarshal(value, &whole) == nil {
		if whole == nil {
			return "", nil
		}
		return *whole, nil
	}
	var parts []struct{ Type, Text string }
	if json.Unmarshal(value, &parts) != nil {
		return "", fmt.Errorf("content must be a text, or a list of parts")
	}
	var b strings.Builder
	for _, p := range parts {
		if p.Type != "text" {
			return "", fmt.Errorf("a part of type %q: the model takes text only", p.Type)
		}
		b.WriteString(p.Text)
	}
	return b.String(), nil
}

// prompt is what the model is given for a conversation: without a template, the contents,
// a line each.
func (l *loaded) prompt(all []message) []int32 {
	var contents []string
	for _, m := range all {
		contents = append(contents, m.content)
	}
	return l.model.Tokenizer().EncodeOrdinary(strings.Join(contents, "\n"))
}
