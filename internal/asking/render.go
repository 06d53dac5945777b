// Package asking turns examples of people's data into what a model is asked: token ids as
// the server makes them, and the rule by which an answer is right.
package asking

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"bankai/chat"
	"bankai/dataset"
	"bankai/engine"
	"bankai/judge"
	"bankai/probe"
)

// Renderer writes examples as token ids for a model: by its chat template, as the server
// does, or, where its file has none, as lines of text. What comes from the data is never
// a control token.
type Renderer struct {
	tok      *engine.Tokenizer
	template *chat.Template
	quiet    *bool // Options.Thinking: false where the template has the choice
	whose    string
}

// NewRenderer is that of a model.
func NewRenderer(m *engine.Model) (*Renderer, error) {
	t, err := chat.TemplateOf(m)
	if err != nil {
		return nil, err
	}
	return newRenderer(m, t, "the model's chat template"), nil
}

// NewRendererBy is that of a model whose prompts are written by another template than its
// own: a Jinja text that was read from a file of the name.
func NewRendererBy(m *engine.Model, jinja, file string) (*Renderer, error) {
	if strings.TrimSpace(jinja) == "" {
		return nil, fmt.Errorf("%s is empty: give a file with a chat template, in Jinja", file)
	}
	t, err := chat.TemplateFor(m, jinja)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return newRenderer(m, t, "the chat template "+file), nil
}

func newRenderer(m *engine.Model, t *chat.Template, whose string) *Renderer {
	r := &Renderer{tok: m.Tokenizer(), template: t, whose: whose}
	if t.HeedsThinking() {
		r.quiet = new(bool)
	}
	return r
}

// IsChat says whether the model has a chat template.
func (r *Renderer) IsChat() bool { return r.template.Name() != "none" }

// About says for people how prompts are written.
func (r *Renderer) About() string {
	switch {
	case !r.IsChat():
		return "the model has no chat template: a prompt and its answer are a line of text, and system text and earlier turns stand before it as lines"
	case r.quiet != nil:
		return "prompts are written by " + r.whose + ", without thinking"
	}
	return "prompts are written by " + r.whose
}

// fit is an example as this model reads it.
func (r *Renderer) fit(e dataset.Example) dataset.Example {
	if r.IsChat() {
		return e.Chat()
	}
	return e.Plain()
}

// isLine says whether an answer ends with its line: it is plain text, and what is wanted
// is on one line.
func (r *Renderer) isLine(e dataset.Example) bool {
	return !r.IsChat() && !strings.Contains(strings.TrimSpace(e.Want.Content), "\n")
}

// Prompt is the prompt of an example up to where the answer begins.
func (r *Renderer) Prompt(e dataset.Example) ([]int32, error) {
	e = r.fit(e)
	if e.Messages == nil {
		ids := r.tok.EncodeOrdinary(e.Prompt)
		if len(ids) == 0 {
			return nil, errors.New("the prompt is empty")
		}
		return ids, nil
	}
	ids, _, err := r.template.Encode(r.tok, e.Messages, r.options(e, true))
	return ids, err
}

func (r *Renderer) options(e dataset.Example, generate bool) chat.Options {
	return chat.Options{Tools: e.Tools, Generate: generate, Thinking: r.quiet}
}

// Scored is an example's prompt with answers to it, each up to and with what ends it: the
// end token of the template, or the end of the line. Where a token reaches across the
// border of prompt and answer, the prompt is shorter and all answers begin with the rest.
func (r *Renderer) Scored(e dataset.Example, answers ...chat.Message) (prompt []int32, ids [][]int32, err error) {
	prompt, err = r.Prompt(e)
	if err != nil {
		return nil, nil, err
	}
	shared := len(prompt)
	var whole [][]int32
	for _, a := range answers {
		all, err := r.answered(e, prompt, a)
		if err != nil {
			return nil, nil, err
		}
		whole = append(whole, all)
		shared = min(shared, common(prompt, all))
	}
	if shared == 0 {
		return nil, nil, errors.New("no token of the prompt is left in front of its answers: make the prompt longer")
	}
	for i, all := range whole {
		if len(all) == shared {
			return nil, nil, fmt.Errorf("the answer %q adds no token to the prompt", answers[i].Content)
		}
		ids = append(ids, all[shared:])
	}
	return prompt[:shared], ids, nil
}

// answered is a prompt with an answer behind it.
func (r *Renderer) answered(e dataset.Example, prompt []int32, answer chat.Message) ([]int32, error) {
	fitted := r.fit(e)
	if fitted.Messages == nil {
		e.Want = answer
		return r.tok.EncodeOrdinary(fitted.Prompt + strings.TrimRight(e.Plain().Want.Content, "\r\n") + probe.Stop), nil
	}
	answer.Role = "assistant"
	if e.Messages == nil {
		answer.Content = strings.TrimSpace(answer.Content)
	}
	all, _, err := r.template.Encode(r.tok, append(slices.Clone(fitted.Messages), answer), r.options(fitted, false))
	if err != nil {
		return nil, err
	}
	if common(prompt, all) == len(prompt) && len(all) > len(prompt) {
		// The template writes more behind the end of a message, which nobody generates.
		for i := len(all) - 1; i >= len(prompt); i-- {
			if r.tok.IsEnd(all[i]) {
				return all[:i+1], nil
			}
		}
		return r.ended(all), nil
	}
	// The template writes a past answer otherwise than one that is generated.
	if len(answer.ToolCalls) > 0 {
		return nil, errors.New("the chat template writes calls of tools otherwise than it asks for them, so they cannot be scored")
	}
	return r.ended(slices.Concat(prompt, r.tok.EncodeOrdinary(answer.Content))), nil
}

// ended adds the model's end token if it has one.
func (r *Renderer) ended(ids []int32) []int32 {
	if r.tok.EOS() >= 0 {
		return append(ids, r.tok.EOS())
	}
	return ids
}

func common(a, b []int32) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// reader returns what tells an answer's text, calls and reasoning apart. Reasoning is no
// part of the answer.
func (r *Renderer) reader(e dataset.Example) func(string) judge.Answer {
	if !r.IsChat() {
		return nil
	}
	o := r.options(r.fit(e), true)
	return func(generated string) (a judge.Answer) {
		p := r.template.Parser(o)
		var text strings.Builder
		for _, d := range slices.Concat(p.Push(generated), p.Flush()) {
			text.WriteString(d.Content)
			if d.Call != nil {
				a.Calls = append(a.Calls, judge.Call{Name: d.Call.Name, Arguments: []byte(d.Call.Arguments)})
			}
		}
		a.Text = text.String()
		return a
	}
}

// shown is a prompt for people: a plain one, or the last thing that was said.
func shown(e dataset.Example) string {
	if e.Kind == dataset.Text {
		return "(text)"
	}
	if n := len(e.Messages); n > 0 {
		return e.Messages[n-1].Content
	}
	return e.Prompt
}
