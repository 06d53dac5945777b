package main

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bankai/chat"
	"bankai/engine"
	"bankai/internal/dialog"
	"bankai/internal/enginetest"
	"bankai/internal/terminal"
	"bankai/store"
)

// spoken is what a voice writes, with ‹› around what stands back and «» around what is
// marked.
func spoken(c *terminal.Console, speak func(v *voice)) string {
	var out strings.Builder
	c.Stdout = bufio.NewWriter(&out)
	v := &voice{Console: c}
	speak(v)
	v.end()
	c.Stdout.Flush()
	return strings.NewReplacer("\x1b[2m", "‹", "\x1b[33m", "«", "\x1b[0m", "|").Replace(out.String())
}

// Reasoning stands back on a terminal and is left out elsewhere.
func TestVoice(t *testing.T) {
	answer := func(v *voice) {
		for _, d := range []chat.Delta{{Reasoning: "two and "}, {Reasoning: "two"}, {Content: "It is"}, {Content: " 4."}} {
			v.say(d)
		}
	}
	for _, c := range []struct {
		what string
		on   *terminal.Console
		want string
	}{
		{"a terminal", &terminal.Console{Screen: true, Color: "always"}, "‹two and |‹two|\n\nIt is 4.\n"},
		{"one without colours", &terminal.Console{Screen: true, Color: "never"}, "two and two\n\nIt is 4.\n"},
		{"a pipe", &terminal.Console{Color: "auto"}, "It is 4.\n"},
	} {
		if got := spoken(c.on, answer); got != c.want {
			t.Errorf("%s: got %q, want %q", c.what, got, c.want)
		}
	}
	on := terminal.Console{Screen: true, Color: "never"}
	if got := spoken(&on, func(v *voice) { v.say(chat.Delta{Content: "a\x1b[2J\n"}) }); got != "a\uFFFD[2J\n" {
		t.Errorf("a model that steers the terminal: %q", got)
	}
}

// What another answer does not have is marked.
func TestVoiceMarksDifferences(t *testing.T) {
	on := terminal.Console{Screen: true, Color: "always"}
	got := spoken(&on, func(v *voice) {
		v.whose = "base"
		v.differing(&dialog.Answer{Text: "It is 5.", Reasoning: "so"}, "It is 4.")
	})
	if want := "‹base:|\n‹so|\n\nIt is «5|.\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Commands and the names of patches can be completed.
func TestCompletionInChat(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{Threads: 1})
	d, err := dialog.New(m, dialog.Options{Patches: store.Reader{Model: m.Weights()}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	path := t.TempDir() + "/math.json"
	if err := writeRows(path, "0", "up_proj", "1"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.AddFile(path); err != nil {
		t.Fatal(err)
	}
	talk := &talk{dialog: d}
	dir := filepath.Dir(path)
	if err := os.WriteFile(dir+"/other.txt", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string][]string{
		"/s":                         {"/system", "/save", "/seed"},
		"/patch":                     {"/patch", "/patches"},
		"/patch m":                   {"/patch math"},
		"/patch x":                   nil,
		"/patch math+m":              {"/patch math+math"},
		"/patch " + dir + "/":        {"/patch " + path},
		"/patch math+" + dir + "/ma": {"/patch math+" + path},
		"/save " + dir + "/m":        {"/save " + path},
		"/system math":               nil,
		"":                           nil,
		"a":                          nil,
	} {
		if got := talk.complete(line); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}
