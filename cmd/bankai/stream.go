package main

import (
	"strings"

	"bankai/engine"
)

// printEvent prints the text of a generation as it comes.
func (a *app) printEvent(e engine.Event) {
	if e.Text != "" {
		a.stdout.WriteString(a.shown(e.Text))
		a.stdout.Flush() // an error stays, and is reported at the end
	}
}

// shown is a text as it may be written to stdout: to a terminal, without the
// control characters that could change how it behaves.
func (a *app) shown(text string) string {
	if !a.screen {
		return text
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, text)
}
