package terminal

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// Editor reads lines from a terminal. They can be edited while they are typed, and called
// back by the arrow keys. Between two lines the terminal is as it was found, so that
// Ctrl-C is a signal there.
type Editor struct {
	// Complete returns what a line may become by the tab key, nil for nothing.
	Complete func(line string) []string

	screen  *screen
	history term.History
	line    *term.Terminal // nil: a new one has to be made
	begun   bool           // there was something in the line when Ctrl-C was hit
}

// What Ctrl-C makes of a line: an empty one it leaves, and one with something in it is
// dropped.
var (
	ErrCtrlC   = errors.New("Ctrl-C")
	ErrDropped = errors.New("the line was dropped by Ctrl-C")
)

// MaxLine is how many characters a line may have: those that follow are not taken.
const MaxLine = 4096

// CanEdit says whether there is an editor for two files: both are terminals.
func CanEdit(in io.Reader, out io.Writer) bool {
	f, ok := in.(*os.File)
	return ok && isTerminal(f) && isTerminal(out) && os.Getenv("TERM") != "dumb"
}

// NewEditor is an editor on two files for which CanEdit is true.
func NewEditor(in io.Reader, out io.Writer) *Editor {
	return &Editor{screen: &screen{in: in.(*os.File), out: out.(*os.File)}}
}

// ReadLine reads a line behind a prompt. pasted says that the line was pasted, with its
// end, so that more of the same is likely to follow. The error is io.EOF for Ctrl-D in an
// empty line, ErrCtrlC, ErrDropped, or that of ctx, after which no more lines can be read.
func (e *Editor) ReadLine(ctx context.Context, prompt string) (line string, pasted bool, err error) {
	fd := int(e.screen.in.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return "", false, err
	}
	defer term.Restore(fd, before)
	t := e.open(prompt)
	t.SetBracketedPasteMode(true)
	defer t.SetBracketedPasteMode(false)
	type result struct {
		line string
		err  error
	}
	read := make(chan result, 1)
	go func() {
		line, err := t.ReadLine()
		read <- result{line, err}
	}()
	select {
	case r := <-read:
		switch {
		case r.err == nil:
			return r.line, false, nil
		case errors.Is(r.err, term.ErrPasteIndicator):
			return r.line, true, nil
		}
		e.history, e.line = t.History, nil // it would go on with the key that ended it
		io.WriteString(e.screen.out, "\r\n")
		switch {
		case !e.screen.ctrlC:
			return "", false, r.err
		case e.begun:
			err = ErrDropped
		default:
			err = ErrCtrlC
		}
		e.screen.ctrlC, e.begun = false, false
		return "", false, err
	case <-ctx.Done():
		io.WriteString(e.screen.out, "\r\n")
		return "", false, ctx.Err()
	}
}

// open is the terminal for the next line.
func (e *Editor) open(prompt string) *term.Terminal {
	if e.line == nil {
		e.line = term.NewTerminal(e.screen, prompt)
		e.line.AutoCompleteCallback = e.complete
		if e.history != nil {
			e.line.History = e.history
		}
	}
	if width, height, err := term.GetSize(int(e.screen.out.Fd())); err == nil && width > 0 {
		e.line.SetSize(width, height)
	}
	e.line.SetPrompt(prompt)
	return e.line
}

// complete puts what all completions begin with in the place of a line, if the tab key
// is hit at its end.
func (e *Editor) complete(line string, pos int, key rune) (string, int, bool) {
	if key == '\t' && e.screen != nil && e.screen.ctrlC {
		e.begun = line != "" // the tab key is the screen's, in front of Ctrl-C
		return line, pos, true
	}
	if key != '\t' || e.Complete == nil || pos != len(line) {
		return "", 0, false
	}
	all := e.Complete(line)
	if len(all) == 0 {
		return line, pos, true
	}
	next := all[0]
	for _, other := range all[1:] {
		for !strings.HasPrefix(other, next) {
			_, last := utf8.DecodeLastRuneInString(next)
			next = next[:len(next)-last]
		}
	}
	if len(next) < len(line) {
		return line, pos, true
	}
	return next, len(next), true
}

// screen is a terminal's two ends, and notices Ctrl-C. The library tells nobody what is
// in the line then, but it does at the tab key: so one comes first.
type screen struct {
	in, out *os.File
	ctrlC   bool
	keys    []byte // that were read and not yet handed on
}

func (s *screen) Read(p []byte) (int, error) {
	if len(s.keys) == 0 {
		n, err := s.in.Read(p)
		if bytes.IndexByte(p[:n], ctrlC) < 0 {
			return n, err
		}
		s.ctrlC = true
		s.keys = bytes.ReplaceAll(p[:n], []byte{ctrlC}, []byte{'\t', ctrlC})
	}
	n := copy(p, s.keys)
	s.keys = s.keys[n:]
	return n, nil
}

// ctrlC is what the key sends.
const ctrlC = 3

func (s *screen) Write(p []byte) (int, error) { return s.out.Write(p) }
