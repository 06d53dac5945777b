package main

import (
	"bufio"
	"runtime"
	"slices"
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

// A generation ends at the token that completes a stop text, as if all its text was
// looked at every time; but each token is only looked at once.
func TestStopper(t *testing.T) {
	alphabet := rapid.SampledFrom([]rune("ab\né"))
	tok, _, err := new(app).openTokenizer(demoName)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		f := &generateFlags{stop: rapid.SliceOfN(rapid.StringOfN(alphabet, 1, 4, -1), 1, 3).Draw(t, "stops")}
		ids := tok.Encode(rapid.StringOfN(alphabet, 0, 30, -1).Draw(t, "text"))
		stop := f.stopper(tok)
		for n := range ids {
			want := f.cut(tok.Decode(ids[:n+1])) >= 0
			if got := stop(ids[:n+1]); got != want {
				t.Fatalf("after %d tokens, %q: %v", n+1, tok.Decode(ids[:n+1]), got)
			}
			if want {
				return
			}
		}
	})

	ids := slices.Repeat(tok.Encode("the cat and the dog "), 2000)
	stop := (&generateFlags{stop: []string{"\n"}}).stopper(tok)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for n := range ids {
		stop(ids[:n+1])
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / uint64(len(ids)); each > 1000 {
		t.Errorf("%d bytes for each of %d tokens", each, len(ids))
	}
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
