package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// console is where a run tells what it does and what came of it.
type console struct {
	stdout *bufio.Writer // what was asked for: text for people, or one JSON document
	stderr io.Writer     // progress, warnings and errors
	bars   bool          // progress bars: stderr is a terminal
	screen bool          // stdout is a terminal
	width  int           // of texts on stdout, in columns

	json  bool      // --json
	quiet bool      // --quiet: no notes, no progress
	color colorMode // --color
}

// text is stdout for texts that people read: wrapped, and coloured on a terminal. It
// has to be ended.
func (c *console) text() *wrapper {
	return &wrapper{to: c.stdout, width: c.width, colored: c.color.on(c.screen)}
}

// print writes a command's result: doc as JSON, or what text writes.
func (c *console) print(doc any, text func(w io.Writer)) error {
	if !c.json {
		w := c.text()
		text(w)
		return w.end()
	}
	enc := json.NewEncoder(c.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(doc)
}

// printChecked is print of a text whose writing may fail.
func (c *console) printChecked(doc any, text func(w io.Writer) error) error {
	var failed error
	err := c.print(doc, func(w io.Writer) { failed = text(w) })
	return cmp.Or(err, failed)
}

// warn tells the user about something that does not stop the work.
func (c *console) warn(format string, args ...any) {
	fmt.Fprintf(c.stderr, "%s "+format+"\n", append([]any{c.said("bankai: warning:", yellow)}, args...)...)
}

// said is how a line on stderr begins, in a colour if there is one.
func (c *console) said(text, color string) string {
	if c.color.on(c.bars) {
		return paint(color, text)
	}
	return text
}

// note tells the user how the work goes. It never goes to stdout.
func (c *console) note(format string, args ...any) {
	if c.quiet {
		return
	}
	fmt.Fprintf(c.stderr, format+"\n", args...)
}

// shown is a text as it may be written to stdout: to a terminal, without the
// control characters that could change how it behaves.
func (c *console) shown(text string) string {
	if !c.screen {
		return text
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, text)
}
