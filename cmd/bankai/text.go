package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"bankai/internal/text"

	"golang.org/x/term"
)

// fact is a name and a value.
type fact struct{ name, value string }

// writeFacts lists facts in two columns, leaving out those without a value.
func writeFacts(w io.Writer, facts ...fact) {
	var t text.Table
	for _, f := range facts {
		if f.value != "" {
			t.Add(f.name, f.value)
		}
	}
	io.WriteString(w, t.String())
}

// Texts for people are at most maxWidth columns wide; on a terminal, as wide as that
// is, from minWidth on.
const (
	maxWidth = 100
	minWidth = 60
)

// widthOf is how wide texts on a stream may be.
func widthOf(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return maxWidth
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return maxWidth
	}
	return min(max(n, minWidth), maxWidth)
}

// wrapper writes the lines of a text wrapped, and coloured if that is wanted.
type wrapper struct {
	to      io.Writer
	width   int
	colored bool
	line    []byte // begun, but not ended
	err     error  // the first
}

func (w *wrapper) Write(p []byte) (int, error) {
	w.line = append(w.line, p...)
	for {
		end := strings.IndexByte(string(w.line), '\n')
		if end < 0 {
			return len(p), w.err
		}
		w.write(string(w.line[:end]) + "\n")
		w.line = w.line[end+1:]
	}
}

func (w *wrapper) write(line string) {
	if w.err != nil {
		return
	}
	line = wrapLine(line, w.width)
	if w.colored {
		w.err = writeColored(w.to, line)
	} else {
		_, w.err = io.WriteString(w.to, line)
	}
}

// end writes a last line that has no end.
func (w *wrapper) end() error {
	if len(w.line) > 0 {
		w.write(string(w.line))
		w.line = nil
	}
	return w.err
}

// hanging is what the lines that continue a line are indented by: its own indent, or
// a name in front of two spaces, as in a list of facts.
var hanging = regexp.MustCompile(`^ *(\S+( \S+){0,2} {2,})?`)

// wrapLine breaks a line that is too wide at spaces. A command is broken with \, so
// that it can still be copied. Words that are too wide stay whole.
func wrapLine(line string, width int) string {
	if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) <= width {
		return line
	}
	indent := hanging.FindString(line)
	if utf8.RuneCountInString(indent) > width/3 {
		indent = indent[:len(indent)-len(strings.TrimLeft(indent, " "))]
	}
	rest := line[len(indent):]
	glue := "\n"
	isCommand := strings.HasPrefix(rest, "bankai ")
	if isCommand {
		glue = " \\\n"
	}
	column := utf8.RuneCountInString(indent)
	if isCommand {
		column += 2 // and a further indent
	}
	var b strings.Builder
	b.WriteString(indent)
	for {
		at := breakAt(rest, width-column-len(glue)+1, isCommand)
		if at < 0 {
			b.WriteString(rest)
			return b.String()
		}
		b.WriteString(strings.TrimRight(rest[:at], " ") + glue + strings.Repeat(" ", column))
		rest = strings.TrimLeft(rest[at:], " ")
	}
}

// breakAt is the index of the last space that leaves at most room characters before
// it, or else of the first one; -1 if the text fits or has none. In a command, spaces
// in single quotes do not count.
func breakAt(text string, room int, isCommand bool) int {
	if utf8.RuneCountInString(strings.TrimSuffix(text, "\n")) <= room {
		return -1
	}
	best, n, in := -1, 0, false
	for i, r := range text {
		switch {
		case r == '\'' && isCommand:
			in = !in
		case r == ' ' && !in && i > 0:
			if n > room && best >= 0 {
				return best
			}
			best = i
			if n > room {
				return best
			}
		}
		n++
	}
	if best >= 0 && strings.TrimSpace(text[best:]) == "" {
		return -1
	}
	return best
}

// colorMode says when texts for people are coloured.
type colorMode string

// colorModes are those that --color takes.
var colorModes = []string{"auto", "always", "never"}

func (c *colorMode) String() string { return string(*c) }
func (c *colorMode) Type() string   { return "WHEN" }

func (c *colorMode) Set(s string) error {
	if !slices.Contains(colorModes, s) {
		return fmt.Errorf("%q is not a time for colour: choose auto, always or never", s)
	}
	*c = colorMode(s)
	return nil
}

// on reports whether a stream is coloured. By default a terminal is, unless NO_COLOR
// is set to anything or the terminal is a dumb one.
func (c colorMode) on(terminal bool) bool {
	switch c {
	case "always":
		return true
	case "never":
		return false
	}
	return terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// The colours, as SGR parameters of a terminal.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	bold   = "1"
)

func paint(color, text string) string { return "\x1b[" + color + "m" + text + "\x1b[0m" }

// marks are the words at the beginning of a line that tell good from bad, and what
// each is painted.
var marks = []struct {
	at    *regexp.Regexp
	color string
}{
	{regexp.MustCompile(`(?m)^(Broke:|fatal\b|broke\b)`), red},
	{regexp.MustCompile(`(?m)^(Fixed:|fixed\b)`), green},
	{regexp.MustCompile(`(?m)^(warning\b)`), yellow},
}

// writeColored writes a text with its marks painted.
func writeColored(w io.Writer, text string) error {
	for _, m := range marks {
		text = m.at.ReplaceAllStringFunc(text, func(s string) string { return paint(m.color, s) })
	}
	_, err := io.WriteString(w, text)
	return err
}
