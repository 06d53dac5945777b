package server

import (
	"errors"
	"strconv"
	"strings"

	"bankai/chat"
	"bankai/engine"
)

// conversation is what a chat's answer goes on with.
type conversation struct {
	messages []chat.Message
	places   []string // in the request, of each message; nil: messages[0] and so on
	chat.Options
	marks []int // of the prompt, once there is one: see chat.Template.Encode
}

// conversation takes the messages of a chat, its tools and the variables of the template.
func (f *fields) conversation() *conversation {
	c := &conversation{Options: chat.Options{Generate: true}}
	raw := f.raw("messages")
	if raw == nil {
		f.fail(invalid("messages", "there are no messages: give at least one"))
	} else if all, err := chat.DecodeMessages(raw); err != nil {
		f.fail(invalid("messages", "%v", err))
	} else {
		c.messages = all
	}
	f.take("tools", &c.Tools, "a list of functions")
	f.calling(c)
	f.take("chat_template_kwargs", &c.Kwargs, "an object")
	f.only("functions", "it is the old name of tools", "[]")
	f.only("function_call", "it is the old name of tool_choice", `"none"`, `"auto"`)
	return c
}

// calling takes whether and how the tools of a conversation are called.
func (f *fields) calling(c *conversation) (choice string, parallel bool) {
	if choice = f.word("tool_choice", "auto", "none"); choice == "none" {
		c.Tools = nil
	}
	if parallel = f.boolOr("parallel_tool_calls", true); !parallel && len(c.Tools) > 0 {
		f.fail(unsupported("parallel_tool_calls", "parallel_tool_calls cannot be false: the model calls as often as it likes"))
	}
	return choice, parallel
}

// prompt is a conversation in tokens. No content makes a special token.
func (l *loaded) prompt(c *conversation) (ids []int32, err error) {
	if ids, c.marks, err = l.template.Encode(l.model.Tokenizer(), c.messages, c.Options); err != nil {
		return nil, c.cannotRender(err)
	}
	return ids, nil
}

// render is a conversation as the model's template writes it.
func (l *loaded) render(c *conversation) ([]chat.Part, error) {
	parts, err := l.template.Render(c.messages, c.Options)
	if err != nil {
		return nil, c.cannotRender(err)
	}
	return parts, nil
}

// cannotRender says which field of the request is at fault.
func (c *conversation) cannotRender(err error) *failure {
	field := "messages"
	if c.places != nil {
		field = "input"
	}
	var message *chat.MessageError
	switch {
	case errors.As(err, &message) && c.places != nil:
		place := c.places[message.Index]
		field, _, _ = strings.Cut(place, "[")
		return invalid(field, "%s: %v", place, message.Err)
	case message != nil, len(c.messages) == 0, len(c.Kwargs) == 0 && len(c.Tools) == 0:
		return invalid(field, "%v", err)
	case len(c.Kwargs) > 0:
		return invalid("chat_template_kwargs", "%v", err)
	}
	return invalid("tools", "%v", err)
}

// speaker tells the reasoning, the text and the calls of one choice of a chat apart, as
// they come.
type speaker struct {
	parser chat.Parser
	called bool
}

// speakers are those of all choices. id is the answer's.
func (l *loaded) speakers(r *run, id string) []*speaker {
	all := make([]*speaker, len(r.streams))
	fresh := l.template.Parser(r.talk.Options) // which renders, so it is made once
	for i := range all {
		all[i] = &speaker{parser: *fresh}
		all[i].parser.Salt = id + "-" + strconv.Itoa(i)
	}
	return all
}

// says is what comes of a token.
func (s *speaker) says(e engine.Event) []chat.Delta { return s.noting(s.parser.Push(e.Text)) }

// rest is what comes when there are no more tokens.
func (s *speaker) rest() []chat.Delta { return s.noting(s.parser.Flush()) }

func (s *speaker) noting(all []chat.Delta) []chat.Delta {
	for _, d := range all {
		s.called = s.called || d.Call != nil
	}
	return all
}

// reason is why the choice ended, in OpenAI's words.
func (s *speaker) reason(r engine.Result) string {
	if s.called && r.Finish == "stop" {
		return "tool_calls"
	}
	return r.Finish
}

// toolCall is a call of a function in an answer.
type toolCall struct {
	Index    *int         `json:"index,omitempty"` // in streams
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Function functionCall `json:"function"`
}

type functionCall struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"` // JSON
}

func newToolCall(c *chat.CallDelta) toolCall {
	return toolCall{ID: c.ID, Type: "function", Function: functionCall{c.Name, c.Arguments}}
}
