package dataset

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"bankai/chat"
)

// preference reads what is to be said rather than something else.
func (c *converter) preference(r record, base Example) ([]Example, error) {
	base.Kind = Preference
	chosen, rejected := "chosen", "rejected"
	var ts []turn
	var err error
	if c.file.Format == Outputs {
		chosen, rejected = "preferred_output", "non_preferred_output"
		ts, err = c.input(r, &base)
	} else {
		base.Prompt, ts, err = c.preferencePrompt(r)
	}
	if err != nil {
		return nil, err
	}
	isMessages := func(key string) bool {
		raw := unwrapped(r.fields[key])
		return len(raw) > 0 && (raw[0] == '[' || raw[0] == '{')
	}
	if ts == nil && !isMessages(chosen) && !isMessages(rejected) {
		return c.plainPreference(r, base)
	}
	if ts == nil && base.Prompt != "" {
		ts, base.Prompt = []turn{{chat.Message{Role: "user", Content: base.Prompt}, 1}}, ""
	}
	good, err := asTurns(r, chosen, "assistant", c.ignored)
	if err != nil {
		return nil, err
	}
	bad, err := asTurns(r, rejected, "assistant", c.ignored)
	if err != nil {
		return nil, err
	}
	return prefer(base, ts, good, bad)
}

// input reads the prompt of OpenAI's preferences.
func (c *converter) input(r record, base *Example) ([]turn, error) {
	raw := r.fields["input"]
	if isNull(raw) || raw[0] != '{' {
		return asTurns(r, "input", "user", c.ignored)
	}
	in := members(raw)
	if in.fault != "" {
		return nil, fmt.Errorf("input: %s", in.fault)
	}
	for _, key := range in.keys {
		if key != "messages" && key != "tools" && key != "parallel_tool_calls" {
			c.ignored("input's " + key)
		}
	}
	var err error
	if base.Tools, err = tools(in.fields["tools"]); err != nil {
		return nil, fmt.Errorf("input: %w", err)
	}
	return turns(in.fields["messages"], "input.messages", c.ignored)
}

// preferencePrompt reads the prompt of a preference: plain text, or messages where it is a
// list, where the data say instruction or question, or where there is a system text.
func (c *converter) preferencePrompt(r record) (plain string, ts []turn, err error) {
	key := pick(r.keys, "messages|conversations|prompt|instruction|question|input")
	if key == "" {
		return "", nil, nil
	}
	raw := unwrapped(r.fields[key])
	if isList(raw) {
		if ts, err = turns(raw, key, c.ignored); err == nil {
			ts, err = withSystem(r, ts)
		}
		return "", ts, err
	}
	if err = firstText(r, &plain, key); err != nil {
		return "", nil, err
	}
	if strings.TrimSpace(plain) == "" {
		return "", nil, fmt.Errorf("%s is empty: give one, or leave the record out", key)
	}
	var more string
	if key == "instruction" {
		if err = firstText(r, &more, "input"); err != nil {
			return "", nil, err
		}
		if strings.TrimSpace(more) != "" {
			plain += "\n" + more
		}
	}
	system, err := withSystem(r, nil)
	if err != nil || key == "prompt" && system == nil {
		return plain, nil, err
	}
	return "", append(system, turn{chat.Message{Role: "user", Content: plain}, 1}), nil
}

// plainPreference reads two texts. Without a prompt, what they begin with in common is the
// prompt, up to a space.
func (c *converter) plainPreference(r record, base Example) ([]Example, error) {
	good, bad, err := promptAndAnswer(r, "chosen", "rejected")
	if err != nil {
		return nil, err
	}
	if good == bad {
		return nil, errSame
	}
	if base.Prompt == "" {
		n := 0
		for n < len(good) && n < len(bad) && good[n] == bad[n] {
			n++
		}
		n = max(0, strings.LastIndexAny(good[:n], " \t\r\n"))
		base.Prompt, good, bad = good[:n], good[n:], bad[n:]
		if strings.TrimSpace(good) == "" || strings.TrimSpace(bad) == "" {
			return nil, errors.New("one of chosen and rejected only goes on from the other: give the prompt apart")
		}
	} else {
		c.checkBorder(base.Prompt, good, base.Line)
	}
	wrong := said(bad)
	base.Want, base.Rejected = said(good), &wrong
	return []Example{base}, nil
}

var errSame = errors.New("what is chosen and what is rejected are the same: leave the record out")

// prefer makes an example of a prompt and two ways on. What both begin with belongs to the
// prompt; of each, one message of the assistant must be left.
func prefer(base Example, ts, good, bad []turn) ([]Example, error) {
	for len(good) > 1 && len(bad) > 1 && reflect.DeepEqual(good[0], bad[0]) {
		ts, good, bad = append(ts, good[0]), good[1:], bad[1:]
	}
	if len(good) != 1 || len(bad) != 1 {
		return nil, errors.New("chosen and rejected differ in more than their last message: give the prompt apart, and one answer each")
	}
	if good[0].Role != "assistant" || bad[0].Role != "assistant" {
		return nil, errors.New("chosen and rejected do not end with a message of the assistant")
	}
	if len(ts) == 0 {
		return nil, errors.New("chosen and rejected have no prompt, nor messages in common that could be it")
	}
	for _, m := range []chat.Message{good[0].Message, bad[0].Message} {
		if err := checkAnswer(m); err != nil {
			return nil, err
		}
	}
	if a, b := answerKey(good[0].Message), answerKey(bad[0].Message); a == b {
		return nil, errSame
	}
	for _, t := range ts {
		base.Messages = append(base.Messages, t.Message)
	}
	base.Want, base.Rejected = good[0].Message, &bad[0].Message
	return []Example{base}, nil
}

// answerKey is equal for answers that say and call the same.
func answerKey(m chat.Message) string {
	if m.ToolCalls == nil && m.Reasoning == "" {
		return m.Content
	}
	key := m.Content + "\x00" + m.Reasoning
	for _, c := range m.ToolCalls {
		key += "\x00" + c.Name + "\x00" + string(c.Arguments)
	}
	return key
}
