package terminal

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
)

// ColorMode says when texts for people are coloured.
type ColorMode string

// ColorModes are those that --color takes.
var ColorModes = []string{"auto", "always", "never"}

func (c *ColorMode) String() string { return string(*c) }
func (c *ColorMode) Type() string   { return "WHEN" }

func (c *ColorMode) Set(s string) error {
	if !slices.Contains(ColorModes, s) {
		return fmt.Errorf("%q is not a time for colour: choose auto, always or never", s)
	}
	*c = ColorMode(s)
	return nil
}

// on reports whether a stream is coloured. By default a terminal is, unless NO_COLOR
// is set to anything or the terminal is a dumb one.
func (c ColorMode) on(terminal bool) bool {
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
	faint  = "2"
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

// Faint is a text for stdout that stands back behind others.
func (c *Console) Faint(text string) string { return c.painted(faint, text) }

// Marked is a text for stdout that stands out.
func (c *Console) Marked(text string) string { return c.painted(yellow, text) }

func (c *Console) painted(color, text string) string {
	if text == "" || !c.Color.on(c.Screen) {
		return text
	}
	return paint(color, text)
}
