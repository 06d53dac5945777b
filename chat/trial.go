package chat

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// trial is a conversation that a template is tried on when a model is loaded.
type trial struct {
	messages []Message
	options  Options
}

// trials begin with the one that every template must render. Together they pass by
// everything in which the published templates of Qwen's models differ.
var trials = func() []trial {
	yes, no := true, false
	call := func(name, args string) ToolCall {
		return ToolCall{ID: "call_" + name, Name: name, Arguments: json.RawMessage(args)}
	}
	tools := []json.RawMessage{
		json.RawMessage(`{"type": "function", "function": {"name": "add", "description": "Adds a < b & é.", "parameters": {"type": "object", "properties": {"b": {"type": "integer"}, "a": {"type": "integer"}}}}}`),
		json.RawMessage(`{"type": "function", "function": {"name": "now"}}`),
	}
	return []trial{
		{[]Message{{Role: "user", Content: "Hello."}}, Options{Generate: true}},
		{[]Message{
			{Role: "system", Content: " Be brief. "},
			{Role: "user", Content: "\n2 + 2? "},
			{Role: "assistant", Content: "<think>\nEasy.\n</think>\n\n4"},
			{Role: "user", Content: "And 3 + 3?"},
		}, Options{Generate: true, Thinking: &no}},
		{[]Message{
			{Role: "user", Content: "Old."},
			{Role: "assistant", Content: "Then.", Reasoning: " hm\n"},
			{Role: "user", Content: "New."},
			{Role: "assistant", Content: "\nNow.", Reasoning: "\n ah\n"},
		}, Options{Thinking: &yes}},
		{[]Message{
			{Role: "system", Content: "Use tools."},
			{Role: "user", Content: "1 + 2, and the time?"},
			{Role: "assistant", Reasoning: "Two calls.", ToolCalls: []ToolCall{
				call("add", `{"b": 2, "a": 1, "exact": true, "of": [1, "é", {"x": null}]}`), call("now", `{}`),
			}},
			{Role: "tool", Content: "3", ToolCallID: "call_add"},
			{Role: "tool", Content: " noon ", ToolCallID: "call_now"},
		}, Options{Tools: tools, Generate: true, Thinking: &yes}},
		{[]Message{
			{Role: "user", Content: "Add."},
			{Role: "assistant", Content: "I will.", ToolCalls: []ToolCall{call("add", `{"a": "<x>"}`)}},
			{Role: "tool", Content: "failed"},
			{Role: "assistant", Content: "It failed."},
		}, Options{Tools: tools[:1]}},
		{[]Message{
			{Role: "user", Content: "One."},
			{Role: "assistant", Content: "1", Reasoning: "first"},
			{Role: "user", Content: "Two."},
		}, Options{Generate: true, Kwargs: map[string]json.RawMessage{"preserve_thinking": json.RawMessage("true")}}},
	}
}()

// trialTime is how long all trials may take together, and requestTime how long one
// prompt may take.
const (
	trialTime   = time.Second
	requestTime = 10 * time.Second
)

// try renders the trials by the file's template. It returns the rules of this package
// that give the same prompts, if there are such rules.
func (t *Template) try(text string) (*qwen, error) {
	want := make([][]Part, len(trials))
	begin := time.Now()
	for i, c := range trials {
		parts, err := t.jinja.trial(c, trialTime-time.Since(begin))
		if late, ok := err.(*lateError); ok {
			return nil, late
		}
		if i == 0 && err != nil {
			return nil, fmt.Errorf("a message of the user's alone is not rendered: %w", err)
		}
		want[i] = parts
	}
	if !strings.Contains(text, "<|im_start|>") || !strings.Contains(text, "enable_thinking") {
		return nil, nil
	}
	for _, q := range qwens {
		if q.equals(t.specials, want) {
			return &q, nil
		}
	}
	return nil, nil
}

func (j *jinjaTemplate) trial(c trial, limit time.Duration) ([]Part, error) {
	s, err := c.options.read()
	if err != nil {
		return nil, err
	}
	return j.render(c.messages, s, limit)
}

// equals says whether the version renders all trials as they were rendered.
func (q qwen) equals(sp specials, want [][]Part) bool {
	for i, c := range trials {
		s, err := c.options.read()
		w := &writer{specials: sp}
		if err != nil || q.render(w, c.messages, s) != nil || !slices.Equal(w.parts, want[i]) {
			return false
		}
	}
	return true
}
