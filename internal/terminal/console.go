// Package terminal is where a program tells people what it does: results, progress
// and warnings, wrapped and coloured as the stream allows.
package terminal

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"bankai/internal/text"

	"golang.org/x/term"
)

// Console is where a run tells what it does and what came of it.
type Console struct {
	Stdout *bufio.Writer // what was asked for: text for people, or one JSON document
	Stderr io.Writer     // progress, warnings and errors
	Bars   bool          // progress bars: stderr is a terminal
	Screen bool          // stdout is a terminal
	Width  int           // of texts on stdout, in columns

	JSON  bool // --json
	Quiet bool // --quiet: no notes, no progress
	// LinesEvery is the time between two lines of progress where there are no bars; 0: ten
	// seconds.
	LinesEvery time.Duration
	Color      ColorMode // --color
	// Beside is said behind the remarks of every meter: how many machines work. It is called
	// by a goroutine of its own, and must not wait for one that writes to the console. Nil:
	// nothing.
	Beside func() string

	writing sync.Mutex // held by who writes a line to Stderr; of the field below
	shown   *bar       // the bar that is on the terminal, nil if there is none
}

// New is the console of two streams, without colours or bars where they are no terminals.
func New(stdout, stderr io.Writer) *Console {
	return &Console{
		Stdout: bufio.NewWriter(stdout), Stderr: stderr,
		Bars: isTerminal(stderr), Screen: isTerminal(stdout), Width: widthOf(stdout), Color: "auto",
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Text is stdout for texts that people read: wrapped, and coloured on a terminal. It
// has to be ended.
func (c *Console) Text() *Wrapper {
	return &Wrapper{to: c.Stdout, width: c.Width, colored: c.Color.on(c.Screen)}
}

// Print writes a command's result: doc as JSON, or what text writes.
func (c *Console) Print(doc any, text func(w io.Writer)) error {
	if !c.JSON {
		w := c.Text()
		text(w)
		return w.End()
	}
	enc := json.NewEncoder(c.Stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(doc)
}

// PrintChecked is Print of a text whose writing may fail.
func (c *Console) PrintChecked(doc any, text func(w io.Writer) error) error {
	var failed error
	err := c.Print(doc, func(w io.Writer) { failed = text(w) })
	return cmp.Or(err, failed)
}

// Warn tells the user, in one line, about something that does not stop the work.
func (c *Console) Warn(format string, args ...any) {
	c.line(c.said("bankai: warning:", yellow) + " " + text.Line(fmt.Sprintf(format, args...)))
}

// Fail tells the user, in one line, why the work ended.
func (c *Console) Fail(why string) {
	c.line(c.said("bankai:", red) + " " + text.Line(why))
}

// line writes a line to stderr, above the bar if one is shown there.
func (c *Console) line(s string) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.shown == nil || !c.shown.above(s) {
		fmt.Fprintln(c.Stderr, s)
	}
}

// show makes a bar the one that is shown. Nil: there is none.
func (c *Console) show(b *bar) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.shown = b
}

// said is how a line on stderr begins, in a colour if there is one.
func (c *Console) said(begin, color string) string {
	if c.Color.on(c.Bars) {
		return paint(color, begin)
	}
	return begin
}

// Note tells the user, in one line, how the work goes. It never goes to stdout. Notes and
// warnings may come from several goroutines.
func (c *Console) Note(format string, args ...any) {
	if c.Quiet {
		return
	}
	c.line(text.Line(fmt.Sprintf(format, args...)))
}

// Shown is a text as it may be written to stdout: to a terminal, without the
// control characters that could change how it behaves.
func (c *Console) Shown(s string) string {
	if !c.Screen {
		return s
	}
	return harmless(s)
}

// harmless is a text whose control characters, but for newlines and tabs, are replaced.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if text.IsControl(r) && r != '\n' && r != '\t' {
			return '\uFFFD'
		}
		return r
	}, s)
}

// Stream prints a piece of a text as it comes.
func (c *Console) Stream(piece string) { c.stream(c.Shown(piece)) }

// StreamFaint is Stream of a text that stands back behind others.
func (c *Console) StreamFaint(piece string) { c.stream(c.Faint(c.Shown(piece))) }

func (c *Console) stream(piece string) {
	if piece != "" {
		c.Stdout.WriteString(piece)
		c.Stdout.Flush() // an error stays, and is reported at the end
	}
}
