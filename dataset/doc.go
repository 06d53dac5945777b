// Package dataset reads the files in which people keep what a model should say: chats,
// instructions with answers, preferences, labelled texts, plain text. What a file holds is
// found from its content, every line that cannot be used is named with its number, and
// [Dataset.Split] divides examples into sets that share no prompt, conversation or near
// duplicate. The package knows nothing of models.
package dataset

import (
	"encoding/json"
	"strings"

	"bankai/chat"
	"bankai/internal/text"
)

// Kind is what an example teaches.
type Kind string

// The kinds of examples.
const (
	Answer     Kind = "answer"     // what is to be said
	Preference Kind = "preference" // what is to be said rather than something else
	Label      Kind = "label"      // which of a few labels a text has
	Text       Kind = "text"       // text as it should be likely
)

// Example is one thing to learn: an answer to a prompt.
type Example struct {
	Source string // the file, as it was given
	Line   int    // of the file, from 1, where the record begins
	Name   string // distinct in its Dataset: the data's id, or file:line; .2 is a second answer of a record
	Group  string // examples of one group are never in different sets: a conversation

	Kind Kind
	// What is answered: plain text to go on from, where Messages is nil, or a
	// conversation. Of a text the prompt is empty.
	Prompt   string
	Messages []chat.Message
	Tools    []json.RawMessage // the functions that may be called, in OpenAI's form

	Want       chat.Message  // the answer, of the assistant; of a label the label; of a text the text
	Rejected   *chat.Message // what is not to be said: of a preference, and of an answer where the data have one
	Alternates []string      // other right spellings of the answer
	Label      string        // of a label; one of Dataset.Labels

	Weight   float64 // above 0; 1 where the data say nothing
	Category string  // for shares and counts by kind of question; may be empty
	// Match is how a free answer is judged: exact, contains, number, choice, json, tool
	// or regex:EXPRESSION. It is empty where the data say nothing.
	Match string
}

// Fault is a line that is not used.
type Fault struct {
	File   string
	Line   int
	Reason string // what is wrong and what to do
}

// String is one line, such as `a.jsonl:3: the answer is empty: …`.
func (f Fault) String() string { return place(f.File, f.Line) + ": " + f.Reason }

// File is what was found in one file.
type File struct {
	Path     string
	Shape    Shape
	Format   Format
	Records  int      // rows, objects or pieces of text
	Bad      int      // records with a fault
	Examples int      // before what stands there twice is left out
	Left     int      // answers with weight 0, or marked as not wanted: read, and not for learning
	Ignored  []string // keys that mean nothing here, in order of appearance
}

// Dataset is what was read from files. It has at least one example.
type Dataset struct {
	Files    []File
	Format   Format // of all files, or Several
	Examples []Example
	Labels   []string // in order of first appearance
	Skipped  []Fault
	Repeats  int      // examples left out because all of it stands there twice
	Notes    []string // what a person should know before anything is learnt from it
}

// Count is how many examples are of the kind.
func (d *Dataset) Count(k Kind) int {
	n := 0
	for i := range d.Examples {
		if d.Examples[i].Kind == k {
			n++
		}
	}
	return n
}

// Facts say for people what was found and what it was taken for, a sentence each.
func (d *Dataset) Facts() []string {
	var facts []string
	for _, f := range d.Files {
		line := f.Path + ": " + text.Plural(f.Records, f.Shape.one(), f.Shape.many()) + ", taken as " + f.Format.about() +
			": " + text.Count(f.Examples, "example")
		if f.Bad > 0 {
			line += ", " + text.Count(f.Bad, "record") + " skipped"
		}
		if f.Left > 0 {
			line += ", " + text.Plural(f.Left, "answer that is", "answers that are") + " marked as not to be learnt"
		}
		facts = append(facts, line)
		if len(f.Ignored) > 0 {
			facts = append(facts, f.Path+": ignored keys: "+strings.Join(f.Ignored, ", "))
		}
	}
	if d.Repeats > 0 {
		facts = append(facts, text.Plural(d.Repeats, "example stands", "examples stand")+" there twice: one of each is kept")
	}
	return append(facts, d.Notes...)
}

// Chat returns an example whose plain prompt is what a user says. An example that is a
// conversation, or a text, stays as it is.
func (e Example) Chat() Example {
	if e.Messages == nil && e.Kind != Text {
		e.Messages, e.Prompt = []chat.Message{{Role: "user", Content: strings.TrimSpace(e.Prompt)}}, ""
		e.Want.Content = strings.TrimSpace(e.Want.Content)
		if e.Rejected != nil {
			r := *e.Rejected
			r.Content = strings.TrimSpace(r.Content)
			e.Rejected = &r
		}
	}
	return e
}

// Plain returns an example as a model without a chat template reads it, a line for each
// exchange: what is said before an answer, then a space and the answer. The answer begins
// with that space. Prompts and answers that are plain already stay as they are, but for
// the space before a label.
func (e Example) Plain() Example {
	apart := e.Kind == Label
	if e.Messages != nil {
		e.Prompt, e.Messages, apart = plainPrompt(e.Messages), nil, true
	}
	if apart {
		e.Want.Content = spaced(e.Prompt, e.Want.Content)
		if e.Rejected != nil {
			r := *e.Rejected
			r.Content = spaced(e.Prompt, r.Content)
			e.Rejected = &r
		}
	}
	return e
}

// plainPrompt writes a conversation that an answer follows.
func plainPrompt(ms []chat.Message) string {
	var b strings.Builder
	for i, m := range ms {
		switch {
		case i == 0:
		case m.Role == "assistant":
			b.WriteByte(' ')
		default:
			b.WriteByte('\n')
		}
		b.WriteString(strings.TrimSpace(m.Content))
	}
	return b.String()
}

// spaced is an answer that begins with a space unless white space stands there already.
func spaced(prompt, answer string) string {
	answer = strings.TrimSpace(answer)
	if prompt == "" || strings.HasSuffix(prompt, "\n") || strings.HasSuffix(prompt, " ") {
		return answer
	}
	return " " + answer
}
