package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"bankai/chat"
	"bankai/internal/dialog"
	"bankai/internal/durable"
	"bankai/internal/terminal"
	"bankai/internal/text"
)

// talk is a conversation under way: at a terminal, where lines are edited and errors do
// no harm, or between pipes.
type talk struct {
	*app
	dialog     *dialog.Dialog
	first      uint64           // seed
	editor     *terminal.Editor // nil between pipes
	lines      *bufio.Reader    // of input that is no terminal
	interrupts <-chan os.Signal // nil where Ctrl-C ends the program
	ended      time.Time        // the last answer
	long       bool             // a line of what is typed was cut off
	saves      map[string]*durable.Output
}

// errQuit is what /quit returns.
var errQuit = errors.New("the conversation is over")

// run goes on until the input ends, or somebody wants to leave.
func (t *talk) run(ctx context.Context) error {
	warned := false // how to leave
	for {
		t.long = false
		in, err := dialog.Read(func(more bool) (string, bool, error) { return t.line(ctx, more) })
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, terminal.ErrDropped):
			warned = false
			continue
		case errors.Is(err, terminal.ErrCtrlC) && !warned:
			t.Note("Ctrl-C again, Ctrl-D or /quit leaves")
			warned = true
			continue
		case errors.Is(err, terminal.ErrCtrlC):
			return nil
		case err != nil:
			return err
		}
		warned = false
		switch {
		case t.long:
			err = fmt.Errorf("a line of %d characters or more is not taken whole, so nothing was sent: give long texts in several lines, or through a pipe", terminal.MaxLine)
		case in.Command != "":
			err = t.command(ctx, in)
		case strings.TrimSpace(in.Message) != "":
			checkUTF8(t.Console, "the message", in.Message)
			err = t.answer(ctx, func(ctx context.Context, tell func(chat.Delta)) (*dialog.Turn, error) {
				return t.dialog.Ask(ctx, in.Message, tell)
			})
		}
		switch {
		case errors.Is(err, errQuit):
			return nil
		case err != nil && (t.editor == nil || ctx.Err() != nil):
			return err
		case err != nil:
			t.Fail(explain(err))
		}
	}
}

// line reads a line.
func (t *talk) line(ctx context.Context, more bool) (line string, pasted bool, err error) {
	if t.editor == nil {
		line, err = t.lines.ReadString('\n')
		if line != "" {
			err = nil
		}
		return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), false, err
	}
	within, stop := t.interruptible(ctx, t.ended.Add(late))
	defer stop()
	line, pasted, err = t.editor.ReadLine(within, t.prompt(more))
	switch {
	case within.Err() != nil && ctx.Err() == nil:
		err = io.EOF // a signal that is no key
	case more && errors.Is(err, terminal.ErrCtrlC):
		err = terminal.ErrDropped // with the lines before
	case utf8.RuneCountInString(line) >= terminal.MaxLine:
		t.long = true
	}
	return line, pasted, err
}

// prompt tells which patches are on.
func (t *talk) prompt(more bool) string {
	on := t.dialog.On()
	switch {
	case more:
		on = strings.Repeat(".", len(on)) + "."
	case on != "" && t.dialog.Compare:
		on += "|base>"
	default:
		on += ">"
	}
	return t.Faint(on) + " "
}

// late is how long after an answer Ctrl-C counts for that answer: whoever hits it twice
// wants no more than to end the answer.
const late = 500 * time.Millisecond

// interruptible is a context that SIGINT ends, too, from a time on, where SIGINT does not
// end the program.
func (t *talk) interruptible(ctx context.Context, from time.Time) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if t.interrupts == nil {
		return ctx, cancel
	}
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.interrupts:
				if time.Now().After(from) {
					cancel()
				}
			}
		}
	}()
	return ctx, cancel
}

// answer has a question answered, and prints the answer as it comes.
func (t *talk) answer(ctx context.Context, put func(context.Context, func(chat.Delta)) (*dialog.Turn, error)) error {
	within, stop := t.interruptible(ctx, time.Time{})
	compared := t.dialog.Compare && t.dialog.On() != ""
	streams := !t.JSON && (t.editor != nil || !compared)
	v := voice{Console: t.Console}
	if compared {
		v.whose = t.dialog.On()
	}
	turn, err := put(within, func(d chat.Delta) {
		if streams {
			v.say(d)
		}
	})
	stop()
	t.ended = time.Now()
	var full *dialog.FullError
	switch {
	case errors.As(err, &full):
		return fmt.Errorf("%w: /undo takes the last question back, /clear begins anew", err)
	case err != nil:
		return err
	}
	if streams {
		v.end()
	}
	if err := t.print(turn, streams); err != nil {
		return err
	}
	t.remark(turn)
	if ctx.Err() != nil && t.editor == nil {
		return errQuit // with what was answered
	}
	return ctx.Err()
}

// remark says why an answer ended that might have gone on.
func (t *talk) remark(turn *dialog.Turn) {
	switch {
	case turn.Finish == "interrupted" && t.editor == nil && !t.JSON:
		t.Note("interrupted after %s", text.Count(len(turn.IDs), "token"))
	case turn.Full:
		t.Warn("the answer ends because the model's context is full: /undo takes the last question back, /clear begins anew")
	case turn.Finish == "length" && t.editor != nil:
		t.Note("the answer was cut off after %s: more are allowed by -n", text.Count(len(turn.IDs), "token"))
	}
}

// saidDoc is an answer as a document.
type saidDoc struct {
	generated
	Base *generated `json:"base,omitempty"`
	Seed uint64     `json:"seed"`
}

// print prints what was not printed as it came.
func (t *talk) print(turn *dialog.Turn, streamed bool) error {
	switch {
	case t.JSON:
		doc := saidDoc{generated: newGenerated(&turn.Answer), Seed: turn.Seed}
		if turn.Base != nil {
			base := newGenerated(turn.Base)
			doc.Base = &base
		}
		if err := t.Print(doc, nil); err != nil {
			return err
		}
	case turn.Base == nil:
	case !streamed:
		w := t.Text()
		writeCompared(w, turn.Base.Text, turn.Text)
		if err := w.End(); err != nil {
			return err
		}
	default:
		base := voice{Console: t.Console, whose: "base"}
		base.differing(turn.Base, turn.Text)
		base.end()
	}
	return t.Stdout.Flush()
}

// voice prints an answer as it comes: reasoning faintly, and only on a terminal.
type voice struct {
	*terminal.Console
	whose            string // answer it is, printed above it; "" if there is only one
	reasoned, spoken bool
	last             string // piece
}

func (v *voice) say(d chat.Delta) {
	switch {
	case d.Reasoning != "" && v.Screen:
		v.heading()
		v.StreamFaint(d.Reasoning)
		v.reasoned, v.last = true, d.Reasoning
	case d.Content != "":
		v.begin()
		v.Stream(d.Content)
		v.last = d.Content
	}
}

// heading says whose answer it is, in front of its first piece.
func (v *voice) heading() {
	if v.whose != "" && v.last == "" {
		v.StreamFaint(v.whose + ":")
		v.Stream("\n")
	}
}

// begin sets the answer off from the reasoning before it.
func (v *voice) begin() {
	v.heading()
	if v.reasoned && !v.spoken {
		v.Stream("\n\n")
	}
	v.spoken = true
}

// differing prints a whole answer, with what another one does not have marked.
func (v *voice) differing(a *dialog.Answer, other string) {
	v.say(chat.Delta{Reasoning: a.Reasoning})
	v.begin()
	for _, span := range dialog.Differences(a.Text, other) {
		shown := v.Shown(span.Text)
		if span.Differs {
			shown = v.Marked(shown)
		}
		v.Stdout.WriteString(shown)
	}
	v.last = a.Text
}

// end ends the line.
func (v *voice) end() {
	if !strings.HasSuffix(v.last, "\n") {
		v.Stream("\n")
	}
}
