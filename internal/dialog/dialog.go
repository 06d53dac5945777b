// Package dialog is a conversation with a model: what was said, the patches that the next
// answer is made under, and the answers, with the model's own beside them if that is
// wanted. It also tells messages from commands in what is typed.
package dialog

import (
	"errors"
	"slices"

	"bankai/chat"
	"bankai/engine"
	"bankai/store"
)

// Options are what a dialog does not change by itself.
type Options struct {
	System   string          // message; "" for none
	Thinking *bool           // whether the model reasons first; nil leaves it to its template
	Sampling engine.Sampling // of the first answer; each further one has the next seed
	Max      int             // tokens of an answer
	Stops    []string        // texts that end an answer
	Patches  store.Reader    // reads the files of patches
}

// Dialog is a conversation. It must be closed. Its methods may not be called from several
// goroutines at once.
type Dialog struct {
	Options
	// Compare has every answer under patches made without them, too.
	Compare bool

	model    *engine.Model
	template *chat.Template
	loop     *engine.Loop
	said     []chat.Message // a question and its answer, again and again
	known    []*Patch
	on       []*Patch
	overlay  *engine.Overlay // of those that are on
}

// kept is how many beginnings of the conversation the engine keeps, for the turn that goes
// on behind one of them: the marks of a prompt and the end of its answer, of two models.
const kept = 8

// New begins a conversation with a model, by the template in its file.
func New(m *engine.Model, o Options) (*Dialog, error) {
	t, err := chat.TemplateOf(m)
	if err != nil {
		return nil, err
	}
	return &Dialog{Options: o, model: m, template: t, loop: m.Loop(engine.LoopOptions{Keep: kept})}, nil
}

// Close ends the dialog.
func (d *Dialog) Close() { d.loop.Close() }

// HasTemplate says whether the model's file has a chat template. Without one the model
// reads the messages as lines of a text.
func (d *Dialog) HasTemplate() bool { return d.template.Name() != "none" }

// CanChooseThinking says whether the template heeds Thinking.
func (d *Dialog) CanChooseThinking() bool { return d.template.HeedsThinking() }

// Messages are what was said, the system message first.
func (d *Dialog) Messages() []chat.Message { return d.messages(d.said) }

func (d *Dialog) messages(said []chat.Message) []chat.Message {
	if d.System == "" {
		return slices.Clone(said)
	}
	return append([]chat.Message{{Role: "system", Content: d.System}}, said...)
}

// Clear forgets what was said. The system message and the patches stay.
func (d *Dialog) Clear() { d.said = nil }

// ErrNothingSaid says that there is no question yet.
var ErrNothingSaid = errors.New("nothing was said yet")

// Undo forgets the last question, which it returns, and the answer.
func (d *Dialog) Undo() (question string, err error) {
	last := len(d.said) - 2
	if last < 0 {
		return "", ErrNothingSaid
	}
	question = d.said[last].Content
	d.said = d.said[:last:last]
	return question, nil
}
