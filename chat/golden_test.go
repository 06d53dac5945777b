package chat

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// chatSpecials are special tokens of Qwen's vocabulary.
var chatSpecials = []string{
	"<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
	"<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>",
}

// testCase is a conversation of testdata/cases.json.
type testCase struct {
	Name     string
	Generate bool
	Messages []Message
	Tools    []string
	Kwargs   map[string]json.RawMessage
}

func (c *testCase) options(t *testing.T) Options {
	t.Helper()
	o := Options{Generate: c.Generate, Kwargs: c.Kwargs}
	var tools map[string]json.RawMessage
	readJSON(t, "tools.json", &tools)
	for _, name := range c.Tools {
		o.Tools = append(o.Tools, tools[name])
	}
	return o
}

func readJSON(t *testing.T, name string, to any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, to); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func testCases(t *testing.T) []testCase {
	t.Helper()
	var cases []testCase
	readJSON(t, "cases.json", &cases)
	return cases
}

// goldens returns the prompts of Jinja2 by case; nil where the template raises.
func goldens(t *testing.T, name string) map[string]*string {
	t.Helper()
	var file struct{ Prompts map[string]*string }
	readJSON(t, "golden/"+name+".json", &file)
	return file.Prompts
}

var qwenGoldens = map[string]qwen{
	"qwen3":         {},
	"qwen3.5":       {xml: true},
	"qwen3.5-terse": {xml: true, skipEmpty: true},
	"qwen3.6":       {xml: true, preserve: true, typed: true},
}

// The rules by hand render every case as Jinja2 renders the published templates.
func TestQwenIsAsPublished(t *testing.T) {
	for name, q := range qwenGoldens {
		want := goldens(t, name)
		for _, c := range testCases(t) {
			t.Run(name+"/"+c.Name, func(t *testing.T) {
				prompt, ok := want[c.Name]
				if !ok {
					t.Fatal("not in the goldens: run testdata/gen/golden.py")
				}
				ms, err := normal(c.Messages)
				if err != nil {
					t.Fatal(err)
				}
				o := c.options(t)
				s, err := o.read()
				if err != nil {
					t.Fatal(err)
				}
				w := &writer{specials: newSpecials(chatSpecials)}
				err = q.render(w, ms, s)
				compare(t, Text(w.parts), err, prompt)
			})
		}
	}
}

func compare(t *testing.T, got string, err error, want *string) {
	t.Helper()
	switch {
	case want == nil && err == nil:
		t.Errorf("got %q, want an error", got)
	case want == nil:
	case err != nil:
		t.Error(err)
	case got != *want:
		t.Errorf("got  %q\nwant %q", got, *want)
	}
}
