package main

import (
	"bufio"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"bankai/internal/bpe"
)

// newTestStream prints what the demo's tokenizer makes of ids.
func newTestStream(t interface{ Fatal(...any) }, stop []string) (s *stream, tok *bpe.Tokenizer, out *strings.Builder) {
	tok, _, err := new(app).openTokenizer(demoName)
	if err != nil {
		t.Fatal(err)
	}
	out = new(strings.Builder)
	a := &app{stdout: bufio.NewWriter(out)}
	return a.newStream(tok, &generateFlags{stop: stop}), tok, out
}

// However a text is cut into tokens, what is printed is what comes before the
// first stop text that is complete, whatever longer one it may be the end of.
func TestStreamStops(t *testing.T) {
	alphabet := rapid.StringOfN(rapid.SampledFrom([]rune("ab\né")), 0, 30, -1)
	rapid.Check(t, func(t *rapid.T) {
		text := alphabet.Draw(t, "text")
		stops := rapid.SliceOfN(rapid.StringOfN(rapid.SampledFrom([]rune("ab\né")), 1, 4, -1), 0, 3).Draw(t, "stops")
		s, tok, out := newTestStream(t, stops)
		dec := tok.Decoder()
		want, stopped := "", false
		for _, id := range tok.Encode(text) {
			s.token(0, id)
			if stopped { // a model would not be asked any more; nothing may follow all the same
				continue
			}
			want += dec.Push(id)
			complete := want
			for _, stop := range stops {
				if before, _, found := strings.Cut(complete, stop); found && len(before) < len(want) {
					want, stopped = before, true
				}
			}
		}
		s.end()
		s.app.stdout.Flush()
		if out.String() != want+"\n" {
			t.Fatalf("printed %q, want %q", out.String(), want)
		}
	})
}

// Without a stop text every character is printed as soon as it is complete.
func TestStreamIsPrompt(t *testing.T) {
	s, tok, out := newTestStream(t, nil)
	const text = "3x^2 é"
	dec := tok.Decoder()
	known := ""
	for _, id := range tok.Encode(text) {
		s.token(0, id)
		s.token(1, id) // of another request: not shown
		if known += dec.Push(id); out.String() != known {
			t.Fatalf("printed %q, known is %q", out.String(), known)
		}
	}
	s.end()
	s.app.stdout.Flush()
	if out.String() != text+"\n" {
		t.Errorf("printed %q", out.String())
	}
}

// On a terminal, a model cannot send control sequences.
func TestShown(t *testing.T) {
	const text = "a\x1b[2Jb\tc\nd\u009be"
	if got := (&app{}).shown(text); got != text {
		t.Errorf("a file gets %q", got)
	}
	if got, want := (&app{screen: true}).shown(text), "a\uFFFD[2Jb\tc\nd\uFFFDe"; got != want {
		t.Errorf("a terminal gets %q, want %q", got, want)
	}
}
