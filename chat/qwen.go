package chat

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// qwen renders as the templates of Qwen's models do, which came in several versions.
// The zero value is Qwen3's.
type qwen struct {
	// xml is Qwen3.5 and later: calls are XML, contents are trimmed, the tools come
	// before the system message, and a prompt to think opens the tag.
	xml bool
	// skipEmpty, of those with xml, leaves the think tags out where nobody thought.
	skipEmpty bool
	// preserve, of those with xml, knows preserve_thinking, which keeps the
	// reasoning of all turns.
	preserve bool
	// typed, of those with xml, writes true where the others write Python's True.
	typed bool
}

// qwens are the published versions.
var qwens = []qwen{
	{},
	{xml: true, preserve: true, typed: true},
	{xml: true},
	{xml: true, skipEmpty: true},
}

func (q qwen) name() string {
	if q.xml {
		return "qwen3.5"
	}
	return "qwen3"
}

// knows says whether the version's rules cover all that a client asks for.
func (q qwen) knows(s *settings) bool {
	for _, k := range s.kwargs.keys {
		if k != "preserve_thinking" || !q.preserve {
			return false
		}
	}
	return true
}

const qwenTools = "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n" +
	"You are provided with function signatures within <tools></tools> XML tags:\n<tools>"

const qwenCalls = "\n</tools>\n\nFor each function call, return a json object with function name and arguments " +
	"within <tool_call></tool_call> XML tags:\n" +
	"<tool_call>\n{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call>"

const qwenXMLTools = "# Tools\n\nYou have access to the following functions:\n\n<tools>"

const qwenXMLCalls = "\n</tools>\n\nIf you choose to call a function ONLY reply in the following format with NO suffix:\n\n" +
	"<tool_call>\n<function=example_function_name>\n<parameter=example_parameter_1>\nvalue_1\n</parameter>\n" +
	"<parameter=example_parameter_2>\nThis is the value for the second parameter\nthat can span\nmultiple lines\n</parameter>\n" +
	"</function>\n</tool_call>\n\n<IMPORTANT>\nReminder:\n" +
	"- Function calls MUST follow the specified format: an inner <function=...></function> block must be nested within <tool_call></tool_call> XML tags\n" +
	"- Required parameters MUST be specified\n" +
	"- You may provide optional reasoning for your function call in natural language BEFORE the function call, but NOT after\n" +
	"- If there is no function call available, answer the question like normal with your current knowledge and do not tell the user about function calls\n" +
	"</IMPORTANT>"

// render writes the prompt. It marks the ends of the system message, of the last
// question, and of the conversation.
func (q qwen) render(w *writer, ms []Message, s *settings) error {
	query := q.lastQuery(ms)
	if q.xml && query < 0 {
		return errors.New("there is no message of the user's: this template needs one")
	}
	q.system(w, ms, s.tools)
	if ms[0].Role == "system" || len(s.tools) > 0 {
		w.mark()
	}
	last := query
	if last < 0 {
		last = len(ms) - 1
	}
	for i := range ms {
		if err := q.message(w, ms, i, last, s); err != nil {
			return &MessageError{i, err}
		}
		if i == query || i == len(ms)-1 {
			w.mark()
		}
	}
	if s.generate {
		w.template("<|im_start|>assistant\n")
		switch {
		case s.thinking != nil && !*s.thinking:
			w.template("<think>\n\n</think>\n\n")
		case q.xml:
			w.template("<think>\n")
		}
	}
	w.flush()
	return nil
}

// lastQuery is where the user asked last: reasoning before it is left out. A message
// that is a tool's answer in tags is no question. It is -1 if there is none.
func (q qwen) lastQuery(ms []Message) int {
	for i := len(ms) - 1; i >= 0; i-- {
		if c := q.trim(ms[i].Content); ms[i].Role == "user" &&
			!(strings.HasPrefix(c, "<tool_response>") && strings.HasSuffix(c, "</tool_response>")) {
			return i
		}
	}
	return -1
}

func (q qwen) trim(s string) string {
	if q.xml {
		return strings.TrimFunc(s, pythonSpace)
	}
	return s
}

// pythonSpace says what Python's strip takes away.
func pythonSpace(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f }

// system writes the leading system message and the tools.
func (q qwen) system(w *writer, ms []Message, tools []value) {
	var text string
	given := ms[0].Role == "system"
	if given {
		text = q.trim(ms[0].Content)
	}
	if len(tools) == 0 {
		if given {
			w.template("<|im_start|>system\n")
			w.content(text)
			w.template("<|im_end|>\n")
		}
		return
	}
	w.template("<|im_start|>system\n")
	if q.xml {
		q.tools(w, qwenXMLTools, tools, qwenXMLCalls)
		if text != "" {
			w.template("\n\n")
			w.content(text)
		}
	} else {
		if given {
			w.content(text)
			w.template("\n\n")
		}
		q.tools(w, qwenTools, tools, qwenCalls)
	}
	w.template("<|im_end|>\n")
}

func (q qwen) tools(w *writer, before string, tools []value, after string) {
	w.template(before)
	for i := range tools {
		w.template("\n")
		w.content(tools[i].json())
	}
	w.template(after)
}

func (q qwen) message(w *writer, ms []Message, i, query int, s *settings) error {
	m := &ms[i]
	switch m.Role {
	case "system":
		if i == 0 {
			return nil
		}
		if q.xml {
			return errors.New("a system message: this template has it only at the beginning")
		}
		fallthrough
	case "user":
		w.template("<|im_start|>" + m.Role + "\n")
		w.content(q.trim(m.Content))
	case "tool":
		q.result(w, ms, i)
		return nil
	case "assistant":
		w.template("<|im_start|>assistant\n")
		if err := q.assistant(w, m, i > query, i == len(ms)-1, s); err != nil {
			return err
		}
	}
	w.template("<|im_end|>\n")
	return nil
}

// result writes a tool's answer. Those in a row are one message of the user's.
func (q qwen) result(w *writer, ms []Message, i int) {
	if i == 0 && !q.xml || i > 0 && ms[i-1].Role != "tool" {
		w.template("<|im_start|>user")
	}
	w.template("\n<tool_response>\n")
	w.content(q.trim(ms[i].Content))
	w.template("\n</tool_response>")
	if i == len(ms)-1 || ms[i+1].Role != "tool" {
		w.template("<|im_end|>\n")
	}
}

// assistant writes what an assistant said. Only what it said since the last question
// keeps its reasoning.
func (q qwen) assistant(w *writer, m *Message, recent, last bool, s *settings) error {
	text, reasoning := q.trim(m.Content), m.Reasoning
	if reasoning == "" {
		text, reasoning = splitThink(text)
	}
	keep, shown := recent && (last || reasoning != ""), text
	if q.xml {
		reasoning = q.trim(reasoning)
		keep = (recent || q.preserve && s.preserve) && (reasoning != "" || !q.skipEmpty)
	} else if keep {
		reasoning, shown = strings.Trim(reasoning, "\n"), strings.TrimLeft(text, "\n")
	}
	if keep {
		w.template("<think>\n")
		w.content(reasoning)
		w.template("\n</think>\n\n")
	}
	w.content(shown)
	for i, c := range m.ToolCalls {
		if err := q.call(w, c, i == 0, text); err != nil {
			return err
		}
	}
	return nil
}

// splitThink takes the reasoning out of a content with think tags: what follows the
// last end tag is the text.
func splitThink(content string) (text, reasoning string) {
	at := strings.LastIndex(content, thinkEnd)
	if at < 0 {
		return content, ""
	}
	text = strings.TrimLeft(content[at+len(thinkEnd):], "\n")
	reasoning, _, _ = strings.Cut(content, thinkEnd)
	reasoning = strings.TrimRight(reasoning, "\n")
	if at = strings.LastIndex(reasoning, thinkOpen); at >= 0 {
		reasoning = reasoning[at+len(thinkOpen):]
	}
	return text, strings.TrimLeft(reasoning, "\n")
}

func (q qwen) call(w *writer, c ToolCall, first bool, text string) error {
	args, err := parseValue(c.Arguments)
	if err != nil {
		return fmt.Errorf("arguments of the call of %s: %w", c.Name, err)
	}
	if q.xml {
		return q.callXML(w, c.Name, &args, first, text)
	}
	if !first || text != "" {
		w.template("\n")
	}
	w.template("<tool_call>\n{\"name\": \"")
	w.content(c.Name)
	w.template("\", \"arguments\": ")
	if args.kind == str {
		w.content(args.text)
	} else {
		w.content(args.json())
	}
	w.template("}\n</tool_call>")
	return nil
}

func (q qwen) callXML(w *writer, name string, args *value, first bool, text string) error {
	if args.kind != dict {
		return fmt.Errorf("arguments of the call of %s: this template needs a JSON object", name)
	}
	switch {
	case !first:
		w.template("\n")
	case strings.TrimFunc(text, pythonSpace) != "":
		w.template("\n\n")
	}
	w.template("<tool_call>\n<function=")
	w.content(name)
	w.template(">\n")
	for i, key := range args.keys {
		w.template("<parameter=")
		w.content(key)
		w.template(">\n")
		if item := &args.items[i]; q.typed && item.kind != str {
			w.content(item.json())
		} else {
			w.content(item.python())
		}
		w.template("\n</parameter>\n")
	}
	w.template("</function>\n</tool_call>")
	return nil
}
