package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"

	"bankai/engine"
	"bankai/internal/flagtype"
	"bankai/internal/source"
	"bankai/internal/terminal"
	"bankai/internal/text"

	"github.com/spf13/cobra"
)

// promptFlags say what the model is given: text or token ids.
type promptFlags struct {
	text     string
	file     string
	ids      flagtype.IntList
	noEscape bool
	cmd      *cobra.Command
}

// promptHelp tells how a prompt is given, in the help of commands that take one.
const promptHelp = `The prompt is an argument, or follows --prompt. There \n is the end of a line, \t
a tab and \\ a backslash, unless --no-escape is given. A prompt that is "-" is
read from standard input, and --file reads it from a file: as it is, without the
end of its last line. --ids gives token ids instead.`

// add declares the flags.
func (f *promptFlags) add(cmd *cobra.Command) {
	f.cmd = cmd
	flags := cmd.Flags()
	flags.StringVarP(&f.text, "prompt", "p", "", "`TEXT` to give the model; - for standard input")
	flags.StringVar(&f.file, "file", "", "`FILE` that holds the prompt; - for standard input")
	flags.Var(&f.ids, "ids", "token `IDS` to give it instead, as 68,15,86")
	flags.BoolVar(&f.noEscape, "no-escape", false, `take \n, \t and \\ in the prompt as they are`)
}

// read finds the prompt's text, if it is a text. It refuses a missing, empty or double
// prompt.
func (f *promptFlags) read(a *app, args []string) error {
	var ways []string
	for _, name := range []string{"prompt", "file", "ids"} {
		if f.cmd.Flags().Changed(name) {
			ways = append(ways, "--"+name)
		}
	}
	if len(args) > 0 {
		ways = append(ways, "an argument")
		f.text = args[0]
	}
	switch {
	case len(ways) > 1:
		return usagef("give the prompt once: there are %s", text.Listed(ways))
	case len(ways) == 0:
		return usagef("give the model something: a text in quotes, --prompt, --file or --ids")
	case ways[0] == "--ids":
		return nil
	case f.text == "-":
		f.file = "-"
	}
	if err := f.readText(a); err != nil {
		return err
	}
	if f.text == "" {
		return usagef("the prompt is empty: give it some text")
	}
	checkUTF8(a.Console, "the prompt", f.text)
	return nil
}

func (f *promptFlags) readText(a *app) (err error) {
	switch {
	case f.file != "":
		f.text, err = a.readText(f.file)
	case !f.noEscape:
		if command := texCommand.FindStringSubmatch(f.text); command != nil {
			a.Warn(`the prompt has %s, of which %s is taken for white space: --no-escape takes it as it is`, command[1], command[1][:2])
		}
		f.text = escapes.Replace(f.text)
	}
	return err
}

// texCommand finds a command of TeX that begins as an escape does. A backslash in front
// of it makes it one of its own.
var texCommand = regexp.MustCompile(`(?:^|[^\\])(\\(?:nabla|ne|neg|neq|not|notin|nu|tan|tanh|tau|text|tfrac|theta|times|to|top|triangle))(?:[^a-z]|$)`)

// input opens a file, or standard input if the path is "-".
func (a *app) input(path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(a.stdin), nil
	}
	return os.Open(path)
}

// readText reads a text from a file, or from standard input if that is "-", without
// the end of its last line.
func (a *app) readText(path string) (string, error) {
	in, err := a.input(path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, source.MaxSize+1))
	if err != nil {
		return "", err
	}
	if len(data) > source.MaxSize {
		return "", fmt.Errorf("%s: is larger than %d MiB: shorten it", path, source.MaxSize>>20)
	}
	data = bytes.TrimSuffix(bytes.TrimSuffix(data, []byte("\n")), []byte("\r"))
	return string(data), nil
}

// checkUTF8 warns of a text with bytes that are no characters.
func checkUTF8(c *terminal.Console, what, text string) {
	if utf8.ValidString(text) {
		return
	}
	at := 0
	for at < len(text) {
		r, n := utf8.DecodeRuneInString(text[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	c.Warn("%s is not valid UTF-8 at byte %d (0x%02x): what is no character becomes U+FFFD", what, at, text[at])
}

// escapes are how a shell's plain quotes can hold ends of lines.
var escapes = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\\`, `\`)

// tokens returns the prompt's ids, checked against the vocabulary and the context.
func (f *promptFlags) tokens(m *engine.Model) ([]int32, error) {
	ids := f.ids.Values
	if f.text != "" {
		ids = m.Tokenizer().Encode(f.text)
	} else if err := checkIDs("--ids", ids, m); err != nil {
		return nil, err
	}
	if limit := m.Config().Context; limit > 0 && len(ids) > limit {
		return nil, fmt.Errorf("the prompt has %d tokens, more than the model's context of %d: shorten it", len(ids), limit)
	}
	return ids, nil
}

// checkIDs refuses ids outside the vocabulary.
func checkIDs(flag string, ids []int32, m *engine.Model) error {
	vocab := m.Config().Vocab
	for _, id := range ids {
		if int(id) >= vocab {
			return fmt.Errorf("%s: there is no token %d: the model has tokens 0 to %d", flag, id, vocab-1)
		}
	}
	return nil
}
