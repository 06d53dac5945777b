package terminal

import (
	"bufio"
	"strings"
	"testing"
)

func TestWriteFacts(t *testing.T) {
	var b strings.Builder
	WriteFacts(&b, Fact{"a", "1"}, Fact{"nothing", ""}, Fact{"größe", "2\nb  3\x1b[31m"})
	if want := "a      1\ngröße  2; b  3 [31m\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct{ what, line, want string }{
		{"short", "six words are not too wide", "six words are not too wide"},
		{"a paragraph", "these words are more than thirty columns wide", "these words are more than\nthirty columns wide"},
		{"just as wide", "123456789 123456789 12345678901", "123456789 123456789 12345678901"},
		{"indented", "   these words are indented by three", "   these words are indented by\n   three"},
		{"a fact", "about  these words stand beside a name", "about  these words stand beside\n       a name"},
		{"a long word", "x " + strings.Repeat("y", 40) + " z", "x\n" + strings.Repeat("y", 40) + "\nz"},
		{"one long word", strings.Repeat("y", 40), strings.Repeat("y", 40)},
		{"a command", "run  bankai search --probes 'my own probes.json' -o fix.bankai", "run  bankai search --probes \\\n       'my own probes.json' \\\n       -o fix.bankai"},
		{"wide letters are counted once", strings.Repeat("ä", 20) + " " + strings.Repeat("ö", 9), strings.Repeat("ä", 20) + " " + strings.Repeat("ö", 9)},
	} {
		if got := Wrap(c.line, 31); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.what, got, c.want)
		}
	}
}

// A text may come in pieces, and its last line need not end.
func TestWrapperInPieces(t *testing.T) {
	var b strings.Builder
	w := &Wrapper{to: &b, width: 10}
	for _, piece := range []string{"aaaa b", "bbb cccc\nd", "d"} {
		if _, err := w.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
	if got, want := b.String(), "aaaa bbbb\ncccc\ndd"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What is said on stderr is one line each, whatever it is about.
func TestSaid(t *testing.T) {
	const about = "\x1b[31mred\r\nbankai: forged\u202e\u2028"
	var b strings.Builder
	c := &Console{Stderr: &b}
	c.Warn("%s", about)
	c.Note("%s", about)
	c.Fail(about)
	want := "bankai: warning:  [31mred; bankai: forged \n [31mred; bankai: forged \nbankai:  [31mred; bankai: forged \n"
	if b.String() != want {
		t.Errorf("got\n%q, want\n%q", b.String(), want)
	}
}

// A text for people keeps its lines, and cannot steer a terminal.
func TestWrapperControlCharacters(t *testing.T) {
	var b strings.Builder
	w := &Wrapper{to: &b, width: 40, colored: true}
	w.Write([]byte("Fixed: a\x1b[31m\u2066\tb\r\n"))
	if got, want := b.String(), "\x1b[32mFixed:\x1b[0m a\uFFFD[31m\uFFFD\tb\uFFFD\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// On a terminal, a model cannot send control sequences.
func TestShown(t *testing.T) {
	const text = "a\x1b[2Jb\tc\nd\u009be\u202e"
	if got := (&Console{}).Shown(text); got != text {
		t.Errorf("a file gets %q", got)
	}
	if got, want := (&Console{Screen: true}).Shown(text), "a\uFFFD[2Jb\tc\nd\uFFFDe\uFFFD"; got != want {
		t.Errorf("a terminal gets %q, want %q", got, want)
	}
}

// What can be shown is printed at once.
func TestStream(t *testing.T) {
	var out strings.Builder
	c := &Console{Stdout: bufio.NewWriter(&out)}
	printed := ""
	for _, text := range []string{"3x", "", "^2 é"} {
		c.Stream(text)
		if printed += text; out.String() != printed {
			t.Fatalf("printed %q, told %q", out.String(), printed)
		}
	}
}
