package server

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"bankai/chat"
	"bankai/internal/text"
)

// input takes what a response goes on with: instructions, and then a text or a list of
// items, of which messages are made.
func (f *fields) input() *conversation {
	c := &conversation{Options: chat.Options{Generate: true}}
	if s, _ := f.text("instructions"); s != "" {
		c.add("instructions", chat.Message{Role: "system", Content: s})
	}
	value, before := f.members["input"], len(c.messages)
	if len(value) > 0 && value[0] == '"' {
		s, _ := f.text("input")
		c.add("input", chat.Message{Role: "user", Content: s})
	} else {
		items := itemReader{c, map[string]bool{}}
		f.each("input", "a text, or a list of items", items.read)
	}
	if len(c.messages) == before {
		f.fail(invalid("input", "there is no input: give a text, or a list of items"))
	}
	return c
}

// add adds a message that stands at a place in the request.
func (c *conversation) add(place string, m chat.Message) *chat.Message {
	c.messages, c.places = append(c.messages, m), append(c.places, place)
	return &c.messages[len(c.messages)-1]
}

// itemReader makes messages of items. What the assistant thought, said and called in one
// turn are items of their own, but one message of a chat.
type itemReader struct {
	*conversation
	calls map[string]bool // the ids of those that came
}

// read takes one item. Ids and states, which clients send back as they got them, tell
// the model nothing.
func (r itemReader) read(i int, in *fields) {
	place := "input[" + strconv.Itoa(i) + "]"
	kind, _ := in.text("type")
	if kind == "" && in.members["role"] != nil {
		kind = "message"
	}
	in.ignore("id", "status")
	switch kind {
	case "message":
		r.message(place, in)
	case "reasoning":
		r.reasoning(place, in)
	case "function_call":
		r.call(place, in)
	case "function_call_output":
		r.result(place, in)
	case "item_reference":
		in.fail(unsupported("type", "an item_reference is to what an earlier answer had, but nothing is stored here: send the item itself, as clients do with \"store\": false"))
	case "":
		in.fail(invalid("type", "there is no type: give message, reasoning, function_call or function_call_output"))
	default:
		in.fail(unsupported("type", "an item of type %q is not supported: give message, reasoning, function_call or function_call_output", kind))
	}
}

func (r itemReader) message(place string, in *fields) {
	role, _ := in.text("role")
	in.ignore("phase") // of an answer in several messages
	switch role {
	case "user", "system", "developer":
		r.add(place, chat.Message{Role: role, Content: in.content("content", "input_text")})
	case "assistant":
		m := r.turn(place)
		if m.Content != "" || len(m.ToolCalls) > 0 {
			m = r.add(place, chat.Message{Role: role})
		}
		m.Content = in.content("content", "output_text", "input_text")
	default:
		in.fail(invalid("role", "role is %q: give user, assistant, system or developer", role))
	}
}

func (r itemReader) reasoning(place string, in *fields) {
	in.only("encrypted_content", "only who encrypted it can read it", `""`)
	summary, thought := in.content("summary", "summary_text"), ""
	if in.members["content"] != nil {
		thought = in.content("content", "reasoning_text")
	}
	if thought == "" {
		thought = summary
	}
	m := r.turn(place)
	if m.Reasoning != "" || m.Content != "" || len(m.ToolCalls) > 0 {
		m = r.add(place, chat.Message{Role: "assistant"})
	}
	m.Reasoning = thought
}

func (r itemReader) call(place string, in *fields) {
	var c toolCall
	c.ID, _ = in.text("call_id")
	c.Function.Name, _ = in.text("name")
	c.Function.Arguments, _ = in.text("arguments")
	if c.ID == "" {
		in.fail(invalid("call_id", "there is no call_id"))
	}
	r.calls[c.ID] = true
	var call chat.ToolCall
	data, err := json.Marshal(c)
	if err == nil {
		err = call.UnmarshalJSON(data)
	}
	if err != nil {
		in.fail(invalid("name", "%v", err))
	}
	m := r.turn(place)
	m.ToolCalls = append(m.ToolCalls, call)
}

func (r itemReader) result(place string, in *fields) {
	id, _ := in.text("call_id")
	if !r.calls[id] {
		in.fail(invalid("call_id", "call_id is %q: no function_call before it has that one", id))
	}
	r.add(place, chat.Message{Role: "tool", Content: in.content("output", "input_text"), ToolCallID: id})
}

// turn is the assistant's message that the turn has so far.
func (r itemReader) turn(place string) *chat.Message {
	if last := len(r.messages) - 1; last >= 0 && r.messages[last].Role == "assistant" {
		return &r.messages[last]
	}
	return r.add(place, chat.Message{Role: "assistant"})
}

// content takes a text, or parts of some kinds, which are joined by newlines as those of
// chats are.
func (f *fields) content(name string, kinds ...string) string {
	if value := f.members[name]; len(value) > 0 && value[0] == '"' {
		s, _ := f.text(name)
		return s
	}
	if f.members[name] == nil {
		f.fail(invalid(name, "there is no %s: give a text, or a list of parts", name))
	}
	var texts []string
	f.each(name, "a text, or a list of parts", func(_ int, part *fields) {
		kind, _ := part.text("type")
		if !slices.Contains(kinds, kind) {
			part.fail(unsupported("type", "a part of type %q is not supported: give %s", kind, text.Listed(kinds)))
		}
		s, there := part.text("text")
		if !there {
			part.fail(invalid("text", "there is no text"))
		}
		part.ignore("annotations", "logprobs") // what was said of an answer's text
		texts = append(texts, s)
	})
	return strings.Join(texts, "\n")
}

// responseTool is a function in the form of responses, in which members that chats have
// inside "function" lie beside its type.
type responseTool struct {
	Type        string          `json:"type"`
	Name        string          `json:"name"`
	Description *string         `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
	Strict      bool            `json:"strict"`
}

// responseTools takes the functions that may be called, and returns them in the form of
// chats, too, which templates know.
func (f *fields) responseTools() (tools []responseTool, ofChats []json.RawMessage) {
	tools = []responseTool{}
	f.each("tools", "a list of functions", func(_ int, in *fields) {
		t := responseTool{Type: "function"}
		if kind, _ := in.text("type"); kind != t.Type {
			in.fail(unsupported("type", "a tool of type %q is not supported: give function", kind))
		}
		if t.Name, _ = in.text("name"); t.Name == "" {
			in.fail(invalid("name", "there is no name"))
		}
		if s, there := in.text("description"); there {
			t.Description = &s
		}
		var object map[string]json.RawMessage
		if raw := in.members["parameters"]; in.take("parameters", &object, "an object") {
			t.Parameters = raw
		}
		in.only("strict", "the model's calls are not held to the parameters, so say false", "false")
		tools, ofChats = append(tools, t), append(ofChats, t.ofChats())
	})
	return tools, ofChats
}

func (t responseTool) ofChats() json.RawMessage {
	type function struct {
		Name        string          `json:"name"`
		Description *string         `json:"description,omitempty"`
		Parameters  json.RawMessage `json:"parameters,omitempty"`
	}
	data, _ := json.Marshal(struct { // of which nothing fails
		Type     string   `json:"type"`
		Function function `json:"function"`
	}{t.Type, function{t.Name, t.Description, t.Parameters}})
	return data
}

// reasoningMode is what a request says of reasoning, and the answer repeats.
type reasoningMode struct {
	Effort  *string `json:"effort"`
	Summary *string `json:"summary"`
}

// reasoning takes whether the model shall think.
func (l *loaded) reasoning(f *fields, c *conversation) (mode reasoningMode) {
	f.within("reasoning", func(in *fields) {
		mode.Effort = l.effort(in, "effort", c)
		in.only("summary", "reasoning comes as it is")
		in.only("generate_summary", "reasoning comes as it is")
	})
	return mode
}

// effort takes how long the model shall think, which nobody can tell it, but not at all.
func (l *loaded) effort(f *fields, name string, c *conversation) *string {
	effort, there := f.text(name)
	if !there {
		return nil
	}
	c.Thinking = new(bool)
	switch {
	case effort != "none":
		f.fail(unsupported(name, "%s %q is not supported: the model thinks as long as it likes, so leave it out, or give \"none\"", name, effort))
	case l.template.Name() != "none" && !l.abilities.obeys: // without a template no text is taken for thoughts
		f.fail(unsupported(name, "%s \"none\" is not supported: the model's chat template has no enable_thinking", name))
	}
	return &effort
}
