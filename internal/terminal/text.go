package terminal

import (
	"io"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"

	"bankai/internal/text"

	"golang.org/x/term"
)

// Fact is a name and a value.
type Fact [2]string

// WriteFacts lists facts in two columns, leaving out those without a value. Each is one
// line, whatever its value: it may come from a file.
func WriteFacts(w io.Writer, facts ...Fact) {
	var t text.Table
	for _, f := range facts {
		if f[1] = text.Line(f[1]); f[1] != "" {
			t.Add(f[0], f[1])
		}
	}
	io.WriteString(w, t.String())
}

// Texts for people are at most MaxWidth columns wide; on a terminal, as wide as that
// is, from minWidth on.
const (
	MaxWidth = 100
	minWidth = 60
)

// widthOf is how wide texts on a stream may be.
func widthOf(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return MaxWidth
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return MaxWidth
	}
	return min(max(n, minWidth), MaxWidth)
}

// Wrapper writes the lines of a text wrapped, and coloured if that is wanted. What could
// steer a terminal is left out of them.
type Wrapper struct {
	to      io.Writer
	width   int
	colored bool
	line    []byte // begun, but not ended
	err     error  // the first
}

func (w *Wrapper) Write(p []byte) (int, error) {
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

func (w *Wrapper) write(line string) {
	if w.err != nil {
		return
	}
	line = Wrap(harmless(line), w.width)
	if w.colored {
		w.err = writeColored(w.to, line)
	} else {
		_, w.err = io.WriteString(w.to, line)
	}
}

// End writes a last line that has no end.
func (w *Wrapper) End() error {
	if len(w.line) > 0 {
		w.write(string(w.line))
		w.line = nil
	}
	return w.err
}

// hanging is what the lines that continue a line are indented by: its own indent, or
// a name in front of two spaces, as in a list of facts.
var hanging = regexp.MustCompile(`^ *(\S+( \S+){0,2} {2,})?`)

// Wrap breaks a line that is too wide at spaces. A command is broken with \, so
// that it can still be copied. Words that are too wide stay whole.
func Wrap(line string, width int) string {
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
