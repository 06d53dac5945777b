package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"bankai/chat"
	"bankai/internal/dialog"
	"bankai/internal/text"
)

// chatCommandOf is one that is typed in a conversation.
type chatCommandOf struct {
	name, argument string
	about          string
	run            func(t *talk, ctx context.Context, argument string) error
}

// chatCommands are those that there are.
func chatCommands() []chatCommandOf {
	return []chatCommandOf{
		{"patch", "NAME|P", "answer under another patch; A+B for two, none for none", (*talk).choosePatch},
		{"patches", "", "list the patches", (*talk).listPatches},
		{"compare", "", "answer without the patches, too, or no longer", (*talk).toggleCompare},
		{"system", "TEXT", "tell the model what it is to be; without TEXT nothing", (*talk).setSystem},
		{"again", "", "answer the last question once more, with the next seed", (*talk).again},
		{"undo", "", "forget the last question and its answer", (*talk).undo},
		{"clear", "", "forget all that was said", (*talk).forget},
		{"save", "FILE", "write what was said, as a line of JSON in OpenAI's form", (*talk).save},
		{"seed", "", "tell the seed of the first answer", (*talk).tellSeed},
		{"help", "", "list the commands", (*talk).help},
		{"quit", "", "leave, as /exit and /bye do", quit},
	}
}

func quit(*talk, context.Context, string) error { return errQuit }

// chatHelp lists the commands.
func chatHelp() string {
	var list text.Table
	for _, c := range chatCommands() {
		list.Add("  /"+strings.TrimSpace(c.name+" "+c.argument), c.about)
	}
	return list.String()
}

// command does what was typed.
func (t *talk) command(ctx context.Context, in dialog.Input) error {
	if in.Command == "exit" || in.Command == "bye" {
		in.Command = "quit"
	}
	for _, c := range chatCommands() {
		switch {
		case c.name != in.Command:
		case c.argument == "" && in.Argument != "":
			return fmt.Errorf("/%s takes nothing behind it, but there is %q", c.name, in.Argument)
		default:
			return c.run(t, ctx, in.Argument)
		}
	}
	return fmt.Errorf("there is no command /%s: /help lists them; a message that begins with / is written with //", in.Command)
}

// complete is what a line may become: a command, or one with a patch or a file.
func (t *talk) complete(line string) (all []string) {
	name, argument, has := strings.Cut(line, " ")
	if !has {
		for _, c := range chatCommands() {
			if next := "/" + c.name; strings.HasPrefix(next, line) && line != "" {
				all = append(all, next)
			}
		}
		return all
	}
	switch name {
	case "/patch":
		before, last := "", argument // of a+b
		if i := strings.LastIndexByte(argument, '+'); i >= 0 {
			before, last = argument[:i+1], argument[i+1:]
		}
		for _, p := range t.dialog.Known() {
			if strings.HasPrefix(p.Name, last) {
				all = append(all, name+" "+before+p.Name)
			}
		}
		paths, _ := fileValue{endings: patchFiles}.complete(nil, nil, last)
		for _, path := range paths {
			all = append(all, name+" "+before+path)
		}
	case "/save":
		paths, _ := fileValue{endings: resultFiles}.complete(nil, nil, argument)
		for _, path := range paths {
			all = append(all, name+" "+path)
		}
	}
	return all
}

// tell prints what a command says, which is no answer: between pipes not on standard
// output.
func (t *talk) tell(what string) error {
	if t.editor == nil {
		_, err := io.WriteString(t.Stderr, what)
		return err
	}
	t.Stdout.WriteString(t.Shown(what))
	return t.Stdout.Flush()
}

func (t *talk) choosePatch(ctx context.Context, choice string) error {
	if choice == "" {
		return t.listPatches(ctx, "")
	}
	if err := t.dialog.Choose(choice); err != nil {
		return err
	}
	if on := t.dialog.On(); on != "" {
		t.Note("under %s from now on", on)
	} else {
		t.Note("without patches from now on")
	}
	return nil
}

func (t *talk) listPatches(context.Context, string) error {
	known := t.dialog.Known()
	if len(known) == 0 {
		return t.tell("there are no patches: /patch P reads one, a file or a name of the library\n")
	}
	var list text.Table
	for _, p := range known {
		on := " "
		if t.dialog.IsOn(p) {
			on = "*"
		}
		list.Add(on+" "+p.Name, text.Count(p.Size, "flip"), p.Path)
	}
	return t.tell(list.String())
}

func (t *talk) toggleCompare(context.Context, string) error {
	t.dialog.Compare = !t.dialog.Compare
	switch {
	case !t.dialog.Compare:
		t.Note("answers without the patches end")
	case t.dialog.On() == "":
		t.Note("answers come without the patches, too, as soon as one is on: /patch NAME")
	default:
		t.Note("answers come without the patches, too; words that differ are marked there")
	}
	return nil
}

func (t *talk) setSystem(_ context.Context, system string) error {
	if t.dialog.System = system; system == "" {
		t.Note("the model is told nothing from now on")
	} else {
		t.Note("the model is told so from now on")
	}
	return nil
}

func (t *talk) again(ctx context.Context, _ string) error { return t.answer(ctx, t.dialog.Again) }

func (t *talk) undo(context.Context, string) error {
	question, err := t.dialog.Undo()
	if err == nil {
		t.Note("forgotten: %s", text.Clip(text.Line(question), 60))
	}
	return err
}

func (t *talk) forget(context.Context, string) error {
	t.dialog.Clear()
	t.Note("all that was said is forgotten")
	return nil
}

// save writes the conversation. A file that this conversation wrote before is replaced.
func (t *talk) save(ctx context.Context, path string) error {
	if path == "" || path == "-" {
		return fmt.Errorf("/save needs the name of a file, such as talk.jsonl")
	}
	messages := t.dialog.Messages()
	if len(messages) == 0 {
		return dialog.ErrNothingSaid
	}
	o := t.saves[path]
	if o == nil {
		o = t.Derived(path, func(string) (string, bool) { return "", false })
		if err := o.Check(); err != nil {
			return err
		}
		t.saves[path] = o
	}
	err := t.Put(ctx, o, func(w io.Writer) error {
		to := json.NewEncoder(w)
		to.SetEscapeHTML(false)
		return to.Encode(struct {
			Messages []chat.Message `json:"messages"`
		}{messages})
	})
	if err == nil {
		t.Note("%s: %s", path, text.Count(len(messages), "message"))
	}
	return err
}

func (t *talk) tellSeed(context.Context, string) error {
	return t.tell(fmt.Sprintf("%d: --seed %d has the same answers to the same questions\n", t.first, t.first))
}

func (t *talk) help(context.Context, string) error { return t.tell(chatHelp()) }
