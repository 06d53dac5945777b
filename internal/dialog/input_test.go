package dialog

import (
	"io"
	"strings"
	"testing"
)

// Lines are messages and commands; those that were pasted end with a ¶ here.
func TestRead(t *testing.T) {
	for _, c := range []struct {
		lines string
		want  []Input
	}{
		{"hi\nyou", []Input{{Message: "hi"}, {Message: "you"}}},
		{"\n", []Input{{}}},
		{"/patch  math ", []Input{{Command: "patch", Argument: "math"}}},
		{"  /help", []Input{{Command: "help"}}},
		{"//etc", []Input{{Message: "/etc"}}},
		{"/", []Input{{Command: "", Argument: ""}}},
		{"one\\\ntwo\\\nthree\nfour", []Input{{Message: "one\ntwo\nthree"}, {Message: "four"}}},
		{"one\\", []Input{{Message: "one"}}},
		{"\"\"\"\none\n\n/two\n\"\"\"\nthree", []Input{{Message: "one\n\n/two"}, {Message: "three"}}},
		{"\"\"\"one\ntwo\"\"\"", []Input{{Message: "one\ntwo"}}},
		{"\"\"\"one\"\"\"", []Input{{Message: "one"}}},
		{"\"\"\"\n\n  one", []Input{{Message: "\n  one"}}},
		{"one¶\n/two¶\nthree\nfour", []Input{{Message: "one\n/two\nthree"}, {Message: "four"}}},
		{"/usr/bin¶\ntwo", []Input{{Message: "/usr/bin\ntwo"}}},
	} {
		lines := strings.Split(c.lines, "\n")
		if strings.HasSuffix(c.lines, "\n") {
			lines = lines[:len(lines)-1]
		}
		line := func(bool) (string, bool, error) {
			if len(lines) == 0 {
				return "", false, io.EOF
			}
			text, pasted := strings.CutSuffix(lines[0], "¶")
			lines = lines[1:]
			return text, pasted, nil
		}
		var got []Input
		for {
			in, err := Read(line)
			if err != nil {
				break
			}
			got = append(got, in)
		}
		if len(got) != len(c.want) {
			t.Errorf("%q: got %+v, want %+v", c.lines, got, c.want)
			continue
		}
		for i, in := range got {
			if in != c.want[i] {
				t.Errorf("%q: input %d is %+v, want %+v", c.lines, i, in, c.want[i])
			}
		}
	}
}

// Only the lines that a message goes on in are asked for as such.
func TestReadAsksForMore(t *testing.T) {
	lines, asked := []string{`one\`, "two"}, []bool{}
	if _, err := Read(func(more bool) (string, bool, error) {
		asked = append(asked, more)
		return lines[len(asked)-1], false, nil
	}); err != nil || len(asked) != 2 || asked[0] || !asked[1] {
		t.Errorf("asked %v, %v", asked, err)
	}
}
