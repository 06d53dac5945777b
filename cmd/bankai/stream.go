package main

import (
	"strings"

	"bankai/internal/bpe"
)

// stream prints a text while it is being generated, up to the stop text.
type stream struct {
	app     *app
	on      bool
	f       *generateFlags
	dec     *bpe.Decoder
	pending string // decoded, but not printed: it may begin a stop text
	stopped bool   // at a stop text
}

// newStream prints what comes of the first request, unless it is JSON or a
// comparison that is wanted.
func (a *app) newStream(tok *bpe.Tokenizer, f *generateFlags) *stream {
	return &stream{app: a, on: !a.json && !f.compare, f: f, dec: tok.Decoder()}
}

func (s *stream) token(i int, id int32) {
	if s.on && i == 0 {
		s.print(s.dec.Push(id), false)
	}
}

// end prints what was held back, and ends the line.
func (s *stream) end() {
	if s.on {
		s.print(s.dec.Flush(), true)
		s.app.stdout.WriteByte('\n')
	}
}

// print sends what is new and cannot be the beginning of a stop text, unless it is
// the last.
func (s *stream) print(text string, last bool) {
	if s.stopped {
		return
	}
	s.pending += text
	end := len(s.pending)
	if cut := s.f.cut(s.pending); cut >= 0 {
		end, s.stopped = cut, true
	} else if !last {
		end -= s.f.held(s.pending)
	}
	if end > 0 {
		s.app.stdout.WriteString(s.app.shown(s.pending[:end]))
		s.app.stdout.Flush() // an error stays, and is reported at the end
		s.pending = s.pending[end:]
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
