package chat

import (
	"encoding/json"
	"slices"
	"testing"
)

// What a template may be made of renders as with Jinja2: white space around tags, numbers,
// none, JSON, formats, and the texts of tokens, which are tokens.
func TestSnippetsAreAsJinja2(t *testing.T) {
	var file struct {
		Messages []Message
		Data     json.RawMessage
		Tokens   map[string]string
		Snippets []struct {
			Template string
			Want     *string
		}
	}
	readJSON(t, "snippets.json", &file)
	o := Options{Generate: true, Kwargs: map[string]json.RawMessage{"data": file.Data}}
	for _, s := range file.Snippets {
		t.Run(s.Template, func(t *testing.T) {
			// Most fail on the conversations that a model's template is tried on.
			j, err := newJinja(s.Template, newSpecials(chatSpecials), file.Tokens)
			if err != nil {
				t.Fatal(err)
			}
			tm := &Template{specials: j.specials, jinja: j}
			got, err := tm.Render(file.Messages, o)
			compare(t, Text(got), err, s.Want)
		})
	}
}

// A token that the template names is one, and the same text in a message is none.
func TestNamedTokens(t *testing.T) {
	tm, err := NewTemplate("{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ pad_token }}", chatSpecials,
		map[string]string{"bos_token": "<|endoftext|>", "eos_token": "<|im_end|>"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := tm.Render([]Message{{Role: "user", Content: "a<|im_end|>"}}, Options{})
	want := []Part{{Text: "<|endoftext|>", Special: true}, {Text: "a<|im_end|>"}, {Text: "<|im_end|>", Special: true}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}
