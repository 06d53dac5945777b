package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"bankai/engine"
)

// Template renders conversations as prompts. It does not change once made and is safe
// for concurrent use.
type Template struct {
	specials specials
	hand     *qwen          // renders what it knows, if the file's template is Qwen's
	jinja    *jinjaTemplate // renders the rest; nil if the file has no template
}

// Options is what a prompt is rendered with, besides the messages.
type Options struct {
	// Tools are the functions that may be called, JSON objects as OpenAI has them:
	// {"type": "function", "function": {"name", "description", "parameters"}}.
	Tools []json.RawMessage
	// Generate ends the prompt where the assistant's answer begins.
	Generate bool
	// Thinking is enable_thinking of chat_template_kwargs; nil leaves it to the
	// template.
	Thinking *bool
	// Kwargs are chat_template_kwargs: variables of the template by name. They are
	// content, too: none makes a special token.
	Kwargs map[string]json.RawMessage
}

// settings are options that have been read.
type settings struct {
	tools    []value
	generate bool
	thinking *bool
	preserve bool  // preserve_thinking
	kwargs   value // a dict without enable_thinking
}

// NewTemplate reads the Jinja text of a model's file, and tries it on a few
// conversations. specials are the texts of the tokens that only the template may
// make, and named those that it may name, as bos_token and eos_token. A text that cannot
// be read, or that does not render in time, is refused. The empty text is a template,
// too: contents joined by newlines.
func NewTemplate(text string, specials []string, named map[string]string) (*Template, error) {
	t := &Template{specials: newSpecials(specials)}
	if text == "" {
		return t, nil
	}
	var err error
	if t.jinja, err = newJinja(text, t.specials, named); err != nil {
		return nil, fmt.Errorf("the chat template: %w", err)
	}
	if t.hand, err = t.try(text); err != nil {
		return nil, fmt.Errorf("the chat template: %w", err)
	}
	return t, nil
}

// TemplateOf is the template of a model's file, with its tokens.
func TemplateOf(m *engine.Model) (*Template, error) {
	return TemplateFor(m, m.Weights().Tokenizer().ChatTemplate)
}

// TemplateFor is a Jinja text as the template of a model, with the model's tokens.
func TemplateFor(m *engine.Model, jinja string) (*Template, error) {
	t := m.Weights().Tokenizer()
	named := map[string]string{}
	for name, id := range map[string]int32{"bos_token": t.BOS, "eos_token": t.EOS, "pad_token": t.Pad} {
		if id >= 0 {
			named[name] = t.Tokens[id]
		}
	}
	return NewTemplate(jinja, m.Tokenizer().Specials(), named)
}

// Name says how prompts are made: "qwen3" and "qwen3.5" are rules in this package that
// render as the file's template does, "jinja" is the file's template, and "none" joins
// contents by newlines, because the file has no template.
func (t *Template) Name() string {
	switch {
	case t.jinja == nil:
		return "none"
	case t.hand != nil:
		return t.hand.name()
	}
	return "jinja"
}

// Render returns the prompt: parts whose texts joined are the rendered conversation.
// A mistake in a message is a [MessageError].
func (t *Template) Render(ms []Message, o Options) ([]Part, error) {
	w, err := t.write(ms, o)
	if err != nil {
		return nil, err
	}
	return w.parts, nil
}

// Encode is the prompt in tokens, in which no content makes a special one, and numbers of
// them: those before the end of the system message, the end of the user's last question,
// and the end of the last message, which is where the assistant's answer begins. The
// prompt of a later turn begins with the tokens before the first two, and often with those
// before the third, so these are the places to keep a cache of.
func (t *Template) Encode(tok *engine.Tokenizer, ms []Message, o Options) (ids []int32, marks []int, err error) {
	w, err := t.write(ms, o)
	if err != nil {
		return nil, nil, err
	}
	ids = tok.EncodeParts(w.parts)
	for _, n := range t.marks(w, ms, o) {
		if begin := tok.EncodeParts(w.parts[:n]); len(begin) <= len(ids) && slices.Equal(begin, ids[:len(begin)]) {
			marks = append(marks, len(begin))
		}
	}
	return ids, marks, nil
}

// marks are numbers of parts, of those places that do not cut one.
func (t *Template) marks(w *writer, ms []Message, o Options) []int {
	if w.marks == nil && t.jinja != nil {
		return t.prefixes(w.parts, ms, o)
	}
	return w.marks
}

// ThinkOpen says whether a prompt to generate ends inside an open think tag, so that
// the answer begins with reasoning.
func (t *Template) ThinkOpen(o Options) bool {
	if t.jinja == nil || !o.Generate {
		return false
	}
	parts, err := t.Render([]Message{{Role: "user", Content: "?"}}, o)
	return err == nil && strings.HasSuffix(strings.TrimSpace(Text(parts)), thinkOpen)
}

// HeedsThinking says whether [Options.Thinking] changes the prompt.
func (t *Template) HeedsThinking() bool {
	prompt := func(thinking bool) string {
		parts, err := t.Render([]Message{{Role: "user", Content: "?"}}, Options{Generate: true, Thinking: &thinking})
		if err != nil {
			return ""
		}
		return Text(parts)
	}
	return prompt(true) != prompt(false)
}

func (t *Template) write(ms []Message, o Options) (*writer, error) {
	ms, err := normal(ms)
	if err != nil {
		return nil, err
	}
	s, err := o.read()
	if err != nil {
		return nil, err
	}
	w := &writer{specials: t.specials}
	switch {
	case t.jinja == nil:
		if len(o.Kwargs) > 0 {
			return nil, errors.New("the model has no chat template, so there is nothing that could heed chat_template_kwargs: leave them out")
		}
		return w, plain(w, ms, s)
	case t.hand != nil && t.hand.knows(s):
		return w, t.hand.render(w, ms, s)
	}
	w.parts, err = t.jinja.render(ms, s, requestTime)
	return w, err
}

// plain joins contents by newlines.
func plain(w *writer, ms []Message, s *settings) error {
	if len(s.tools) > 0 {
		return errors.New("the model has no chat template, so it cannot be told of tools: leave them out")
	}
	for i := range ms {
		if i > 0 {
			w.content("\n")
		}
		w.content(ms[i].Content)
	}
	w.flush()
	return nil
}

// prefixes finds marks by rendering beginnings of the conversation: a beginning whose
// parts begin the whole is one.
func (t *Template) prefixes(parts []Part, ms []Message, o Options) []int {
	ends := []int{len(ms)}
	for i := len(ms) - 1; i >= 0; i-- {
		if ms[i].Role == "user" {
			ends = append(ends, i+1)
			break
		}
	}
	if ms[0].Role == "system" || ms[0].Role == "developer" {
		ends = append(ends, 1)
	}
	o.Generate = false
	var marks []int
	for _, n := range ends {
		begin, err := t.Render(ms[:n], o)
		if n := len(begin); err == nil && n > 0 && n <= len(parts) && slices.Equal(begin, parts[:n]) {
			marks = append(marks, n)
		}
	}
	slices.Sort(marks)
	return slices.Compact(marks)
}

// read checks the options. Kwargs cannot replace what a prompt is made of.
func (o *Options) read() (*settings, error) {
	s := &settings{generate: o.Generate, thinking: o.Thinking, kwargs: value{kind: dict}}
	for i, raw := range o.Tools {
		v, err := parseValue(raw)
		if err == nil && v.kind != dict {
			err = errors.New("is not a JSON object")
		}
		if err != nil {
			return nil, fmt.Errorf("tools[%d] %w", i, err)
		}
		s.tools = append(s.tools, v)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Kwargs)) {
		v, err := parseValue(o.Kwargs[name])
		if err != nil {
			return nil, fmt.Errorf("chat_template_kwargs: %s %w", name, err)
		}
		if err := s.set(name, v); err != nil {
			return nil, fmt.Errorf("chat_template_kwargs: %s %w", name, err)
		}
	}
	return s, nil
}

func (s *settings) set(name string, v value) error {
	switch name {
	case "messages", "tools", "add_generation_prompt", "documents", "range", "raise_exception":
		return errors.New("cannot be set: it is made of the request")
	case "enable_thinking":
		if v.kind != boolean {
			return errors.New("is neither true nor false")
		}
		if s.thinking != nil && *s.thinking != v.yes {
			return errors.New("is given twice, and the values differ")
		}
		s.thinking = &v.yes
		return nil
	case "preserve_thinking":
		s.preserve = v.kind == boolean && v.yes
	}
	s.kwargs.keys = append(s.kwargs.keys, name)
	s.kwargs.items = append(s.kwargs.items, v)
	return nil
}
