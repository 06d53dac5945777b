package chat

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ardanlabs/jinja"
)

// jinjaTemplate renders by the Jinja text of a model's file, within limits.
type jinjaTemplate struct {
	compiled *jinja.Template
	specials specials
	named    map[string]string // variables that hold the texts of tokens
	signs    string
	words    []string
	// thinks says that the template looks for think tags in what an assistant said.
	thinks bool
}

// maxExtra is how much longer than twice the messages and tools a prompt may be, in
// bytes.
const maxExtra = 1 << 20

// maxRange bounds the lists that a template makes of numbers, each of which takes
// memory.
const maxRange = 100_000

// lateError says that a template did not return.
type lateError struct{ limit time.Duration }

func (e *lateError) Error() string {
	return fmt.Sprintf("a conversation is not rendered within %v: the template may never end", e.limit)
}

func newJinja(text string, s specials, named map[string]string) (*jinjaTemplate, error) {
	j := &jinjaTemplate{specials: s, named: named, thinks: strings.Contains(text, thinkEnd)}
	j.signs, j.words = s.veiled()
	text, err := rewrite(text)
	if err != nil {
		return nil, err
	}
	if strings.ContainsFunc(text, isVeiled) {
		return nil, errors.New("it has private characters (U+F0000 to U+FFFFD), which are not supported")
	}
	_, err = within(trialTime, func() (_ string, err error) {
		j.compiled, err = jinja.Compile(text)
		return "", err
	})
	return j, err
}

// render returns the parts of a prompt. After the limit it gives up; a rendering
// cannot be stopped, so what began goes on until it ends by itself.
func (j *jinjaTemplate) render(ms []Message, s *settings, limit time.Duration) ([]Part, error) {
	v := &veil{signs: j.signs, words: j.words, chosen: map[held]rune{}}
	data, size, err := j.data(v, ms, s)
	if err != nil {
		return nil, err
	}
	if err := v.err(); err != nil {
		return nil, err
	}
	text, err := within(limit, func() (string, error) { return j.compiled.RenderValues(data) })
	if err != nil {
		return nil, err
	}
	if most := maxExtra + 2*size; len(text) > most {
		return nil, fmt.Errorf("the prompt would have %d bytes, and may have %d for these messages", len(text), most)
	}
	return v.parts(j.specials, text), nil
}

// within runs f, and returns its result, its panic as an error, or a lateError.
func within(limit time.Duration, f func() (string, error)) (string, error) {
	type result struct {
		text string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if v := recover(); v != nil {
				r.err = fmt.Errorf("it failed: %v", v)
			}
			done <- r
		}()
		r.text, r.err = f()
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.text, r.err
	case <-timer.C:
		return "", &lateError{limit}
	}
}

// data returns the variables of the template, and how many bytes of text they hold.
// They are those that Hugging Face's transformers gives.
func (j *jinjaTemplate) data(v *veil, ms []Message, s *settings) (map[string]jinja.Value, int, error) {
	c := &converter{veil: v}
	data := map[string]jinja.Value{
		"add_generation_prompt": jinja.NewBool(s.generate),
		"tools":                 jinja.None(),
		"documents":             jinja.None(),
		"range":                 jinja.NewCallable("range", boundedRange),
	}
	for name, token := range j.named {
		data[name] = jinja.NewString(token) // no content: it makes the token
	}
	if s.thinking != nil {
		data["enable_thinking"] = jinja.NewBool(*s.thinking)
	}
	if len(s.tools) > 0 {
		data["tools"] = c.value(&value{kind: list, items: s.tools})
	}
	for i, name := range s.kwargs.keys {
		data[name] = c.value(&s.kwargs.items[i])
	}
	for name, f := range pythonFilters {
		data[name] = jinja.NewCallable(name, f)
	}
	var messages []jinja.Value
	for i := range ms {
		m, err := j.message(c, &ms[i])
		if err != nil {
			return nil, 0, &MessageError{i, err}
		}
		messages = append(messages, m)
	}
	data["messages"] = jinja.NewList(messages)
	return data, c.size, nil
}

// message returns a message as a dict. Fields without a value are not there, but for
// the content, which is never none: templates call methods of it.
func (j *jinjaTemplate) message(c *converter, m *Message) (jinja.Value, error) {
	out := jinja.NewDict()
	d := out.AsDict()
	d.Set("role", jinja.NewString(m.Role))
	// Where the template takes the reasoning out of a content, its tags are no text.
	if j.thinks && m.Role == "assistant" && strings.Contains(m.Content, thinkEnd) {
		d.Set("content", c.text(m.Content, thinkOpen, thinkEnd))
	} else {
		d.Set("content", c.text(m.Content))
	}
	for _, f := range []struct{ name, text string }{
		{"reasoning_content", m.Reasoning}, {"name", m.Name}, {"tool_call_id", m.ToolCallID},
	} {
		if f.text != "" {
			d.Set(f.name, c.text(f.text))
		}
	}
	var calls []jinja.Value
	for _, call := range m.ToolCalls {
		args, err := parseValue(call.Arguments)
		if err != nil {
			return out, fmt.Errorf("arguments of the call of %s: %w", call.Name, err)
		}
		function := jinja.NewDict()
		function.AsDict().Set("name", c.text(call.Name))
		function.AsDict().Set("arguments", c.value(&args))
		item := jinja.NewDict()
		item.AsDict().Set("id", c.text(call.ID))
		item.AsDict().Set("type", jinja.NewString("function"))
		item.AsDict().Set("function", function)
		calls = append(calls, item)
	}
	if calls != nil {
		d.Set("tool_calls", jinja.NewList(calls))
	}
	return out, nil
}

// converter makes values of Jinja, with all text behind a veil.
type converter struct {
	veil *veil
	size int // bytes of text so far
}

func (c *converter) text(s string, show ...string) jinja.Value {
	c.size += len(s)
	return jinja.NewString(c.veil.cover(s, c.veil.signs, show...))
}

// key covers a key of an object.
func (c *converter) key(s string) string {
	c.size += len(s)
	return c.veil.cover(s, c.veil.signs)
}

func (c *converter) value(v *value) jinja.Value {
	c.size += 4 // separators, quotes, brackets
	switch v.kind {
	case boolean:
		return jinja.NewBool(v.yes)
	case integer, float:
		c.size += len(v.text)
		return c.number(v)
	case str:
		return c.text(v.text)
	case list:
		items := make([]jinja.Value, len(v.items))
		for i := range v.items {
			items[i] = c.value(&v.items[i])
		}
		return jinja.NewList(items)
	case dict:
		out := jinja.NewDict()
		for i, key := range v.keys {
			out.AsDict().Set(c.key(key), c.value(&v.items[i]))
		}
		return out
	}
	return jinja.None()
}

// number returns a number, or a text that stands for a whole one of too many digits.
func (c *converter) number(v *value) jinja.Value {
	if v.kind == float {
		f, _ := strconv.ParseFloat(v.text, 64) // what is out of range is infinite
		return jinja.NewFloat(f)
	}
	if n, err := strconv.ParseInt(v.text, 10, 64); err == nil {
		return jinja.NewInt(n)
	}
	return jinja.NewString(c.veil.number(v.text))
}

// boundedRange is Python's range with a bound on its length.
func boundedRange(args []jinja.Value, _ map[string]jinja.Value) (jinja.Value, error) {
	n := [3]int64{0, 0, 1} // from, to, step
	if len(args) == 0 || len(args) > 3 {
		return jinja.Undefined(), fmt.Errorf("range: takes 1 to 3 numbers, not %d", len(args))
	}
	for i, a := range args {
		if !a.IsInt() {
			return jinja.Undefined(), fmt.Errorf("range: %s is no whole number", a.String())
		}
		if len(args) == 1 {
			i = 1
		}
		n[i] = a.AsInt()
	}
	if n[2] == 0 {
		return jinja.Undefined(), errors.New("range: a step of 0")
	}
	var items []jinja.Value
	for i := n[0]; n[2] > 0 && i < n[1] || n[2] < 0 && i > n[1]; i += n[2] {
		if len(items) == maxRange {
			return jinja.Undefined(), fmt.Errorf("range: more than %d numbers", maxRange)
		}
		items = append(items, jinja.NewInt(i))
	}
	return jinja.NewList(items), nil
}
