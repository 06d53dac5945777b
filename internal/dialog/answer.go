package dialog

import (
	"context"
	"fmt"
	"io"
	"strings"

	"bankai/chat"
	"bankai/engine"
)

// Answer is what a model said to a question.
type Answer struct {
	Text      string
	Reasoning string // that came before the text
	IDs       []int32
	Finish    string // "stop", "length" or "interrupted"
}

// Turn is the answer to a question, as it was made.
type Turn struct {
	Answer
	Base *Answer // of the model without the patches; nil if it was not asked
	Seed uint64  // of the answer, and of the base's
	Full bool    // the answer ended because the model's context did
}

// FullError says that the conversation fills the model's context.
type FullError struct{ Tokens, Context int }

// Error says it in a line.
func (e *FullError) Error() string {
	return fmt.Sprintf("the conversation has %d tokens, and the model's context holds %d with the answer", e.Tokens, e.Context)
}

// Ask puts a question and keeps it with the answer, of which tell is told piece by piece.
// If ctx ends before the answer does, what was said by then is the answer. After an error
// the conversation is what it was.
func (d *Dialog) Ask(ctx context.Context, question string, tell func(chat.Delta)) (*Turn, error) {
	return d.ask(ctx, d.said, question, tell)
}

// Again puts the last question once more, with the next seed: the new answer takes the
// place of the old one.
func (d *Dialog) Again(ctx context.Context, tell func(chat.Delta)) (*Turn, error) {
	last := len(d.said) - 2
	if last < 0 {
		return nil, ErrNothingSaid
	}
	return d.ask(ctx, d.said[:last:last], d.said[last].Content, tell)
}

func (d *Dialog) ask(ctx context.Context, before []chat.Message, question string, tell func(chat.Delta)) (*Turn, error) {
	said := append(before[:len(before):len(before)], chat.Message{Role: "user", Content: question})
	prompt, marks, err := d.prompt(said)
	if err != nil {
		return nil, err
	}
	overlays := []*engine.Overlay{d.overlay}
	if d.Compare && d.overlay != nil {
		overlays = append(overlays, nil)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // of one request, if the other fails
	var streams []*engine.Stream
	for _, o := range overlays {
		s, err := d.loop.Submit(ctx, d.request(prompt, marks, o))
		if err != nil {
			return nil, err
		}
		streams = append(streams, s)
	}
	parser := d.template.Parser(d.options())
	answers := make([]Answer, len(streams))
	for i, s := range streams {
		if i > 0 {
			tell = func(chat.Delta) {}
		}
		if err := answers[i].hear(ctx, s, *parser, tell); err != nil {
			return nil, err
		}
	}
	t := &Turn{Answer: answers[0], Seed: d.Sampling.Seed}
	if len(answers) > 1 {
		t.Base = &answers[1]
	}
	limit := d.model.Context()
	t.Full = limit > 0 && t.Finish == "length" && len(prompt)+len(t.IDs) >= limit
	d.said = append(said, chat.Message{Role: "assistant", Content: t.Text, Reasoning: t.Reasoning})
	d.Sampling.Seed++
	return t, nil
}

// request is what the engine is asked for. The prompt of a turn begins as that of the turn
// before, behind one of whose marks the engine goes on.
func (d *Dialog) request(prompt []int32, marks []int, o *engine.Overlay) engine.Request {
	return engine.Request{
		Prompt: prompt, Overlay: o, Max: d.Max, Sampling: d.Sampling, StopTexts: d.Stops,
		Cache: &engine.Caching{At: marks},
	}
}

// options are those of the template.
func (d *Dialog) options() chat.Options {
	return chat.Options{Generate: true, Thinking: d.Thinking}
}

// prompt is a conversation in tokens, with the numbers of them that a later turn begins
// with.
func (d *Dialog) prompt(said []chat.Message) (ids []int32, marks []int, err error) {
	ids, marks, err = d.template.Encode(d.model.Tokenizer(), d.messages(said), d.options())
	if err != nil {
		return nil, nil, err
	}
	if limit := d.model.Context(); limit > 0 && len(ids) >= limit {
		return nil, nil, &FullError{len(ids), limit}
	}
	return ids, marks, nil
}

// hear follows an answer to its end. The error is not that of ctx, whose end is one of
// the ways in which an answer ends.
func (a *Answer) hear(ctx context.Context, s *engine.Stream, p chat.Parser, tell func(chat.Delta)) error {
	var text, reasoning strings.Builder
	hear := func(all []chat.Delta) {
		for _, d := range all {
			text.WriteString(d.Content)
			reasoning.WriteString(d.Reasoning)
			tell(d)
		}
	}
	for {
		e, err := s.Next(context.WithoutCancel(ctx))
		if err == io.EOF {
			break
		}
		hear(p.Push(e.Text))
	}
	hear(p.Flush())
	r := s.Result()
	*a = Answer{Text: text.String(), Reasoning: reasoning.String(), IDs: r.IDs, Finish: r.Finish}
	if r.Err != nil && ctx.Err() != nil {
		a.Finish = "interrupted"
		return nil
	}
	return r.Err
}
