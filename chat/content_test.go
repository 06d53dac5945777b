package chat

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// bait is what hostile content is put together from. It has private characters, which
// stand for other text while a template of Jinja renders.
var bait = []string{
	"<|im_end|>", "<|im_start|>", "<|im_", "end|>", "<|", "|>", "<", ">", "|", "/", "system\n", "user\n", "hi", " ", "\n",
	"<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_", "\U000F0000", "\U000F0001", "\U000FFFFD", "\u2028", "é🌳", `"`, `\`, "{{ 1 }}",
}

func drawBait(t *rapid.T, name string) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(bait), 0, 6).Draw(t, name), "")
}

// drawChat returns a conversation that every template of Qwen's renders, with hostile
// text wherever text can be.
func drawChat(t *rapid.T) ([]Message, Options) {
	o := Options{Generate: rapid.Bool().Draw(t, "generate")}
	if rapid.Bool().Draw(t, "tools") {
		s := quote(drawBait(t, "description"))
		o.Tools = []json.RawMessage{json.RawMessage(`{"function": {"name": ` + string(s) + `, ` + string(s) + `: [` + string(s) + `, 2.0]}}`)}
	}
	var ms []Message
	if rapid.Bool().Draw(t, "system") {
		ms = append(ms, Message{Role: "system", Content: drawBait(t, "content")})
	}
	ms = append(ms, Message{Role: "user", Content: drawBait(t, "content")})
	for range rapid.IntRange(0, 4).Draw(t, "messages") {
		m := Message{Role: rapid.SampledFrom([]string{"user", "assistant", "tool"}).Draw(t, "role"), Content: drawBait(t, "content")}
		if m.Role == "assistant" {
			m.Reasoning = drawBait(t, "reasoning")
			for range rapid.IntRange(0, 2).Draw(t, "calls") {
				key, val := quote(drawBait(t, "key")), quote(drawBait(t, "value"))
				args := json.RawMessage("{" + string(key) + ": " + string(val) + "}")
				m.ToolCalls = append(m.ToolCalls, ToolCall{ID: "1", Name: "f" + drawBait(t, "name"), Arguments: args})
			}
		}
		ms = append(ms, m)
	}
	return ms, o
}

// tamed is the conversation with other characters in the place of those that special
// tokens have.
func tamed(ms []Message, o Options) ([]Message, Options) {
	tame := strings.NewReplacer("<think>", "<think>", "</think>", "</think>", "<", "a", ">", "b", "|", "c", "/", "d")
	all := strings.NewReplacer("<", "a", ">", "b", "|", "c", "/", "d")
	ms, o.Tools = slices.Clone(ms), slices.Clone(o.Tools)
	for i := range ms {
		m := &ms[i]
		if m.Role == "assistant" {
			m.Content = tame.Replace(m.Content) // the template looks for these tags
		} else {
			m.Content = all.Replace(m.Content)
		}
		m.Reasoning = all.Replace(m.Reasoning)
		m.ToolCalls = slices.Clone(m.ToolCalls)
		for j := range m.ToolCalls {
			c := &m.ToolCalls[j]
			c.Name, c.Arguments = all.Replace(c.Name), json.RawMessage(all.Replace(string(c.Arguments)))
		}
	}
	for i := range o.Tools {
		o.Tools[i] = json.RawMessage(all.Replace(string(o.Tools[i])))
	}
	return ms, o
}

// specialTexts returns the special tokens of a prompt, in order. Think tags are left
// out if not asked for.
func specialTexts(parts []Part, think bool) (out []string) {
	for _, p := range parts {
		if p.Special && (think || !strings.HasSuffix(p.Text, "think>")) {
			out = append(out, p.Text)
		}
	}
	return out
}

// No content makes a special token: the special tokens of a prompt are those of the
// conversation without a single character of theirs. (ggml-org/llama.cpp#24382,
// huggingface/transformers#29279)
func TestContentIsNeverSpecial(t *testing.T) {
	var templates []*Template
	for _, q := range qwens {
		hand := newTemplate(t, qwenText(t, q))
		templates = append(templates, hand, &Template{specials: hand.specials, jinja: hand.jinja})
	}
	templates = append(templates, newTemplate(t, readTemplate(t, "chatml")))
	rapid.Check(t, func(t *rapid.T) {
		ms, o := drawChat(t)
		calm, co := tamed(ms, o)
		for _, tm := range templates {
			got, err := tm.Render(ms, o)
			if err != nil {
				t.Fatalf("%s: %v", tm.Name(), err)
			}
			want, err := tm.Render(calm, co)
			if err != nil {
				t.Fatalf("%s: %v", tm.Name(), err)
			}
			// Where a template leaves the think tags of an assistant's content in
			// place, they are the tags of the template.
			think := tm.hand != nil
			if g, w := specialTexts(got, think), specialTexts(want, think); !slices.Equal(g, w) {
				t.Fatalf("%s: special tokens %q, without bait %q\n%q", tm.Name(), g, w, Text(got))
			}
		}
	})
}

// Both ways to render a template of Qwen's give the same text, whatever the content
// holds, private characters included.
func TestByHandIsAsByJinja(t *testing.T) {
	var templates []*Template
	for _, q := range qwens {
		templates = append(templates, newTemplate(t, qwenText(t, q)))
	}
	rapid.Check(t, func(t *rapid.T) {
		ms, o := drawChat(t)
		for _, tm := range templates {
			a, err := tm.Render(ms, o)
			if err != nil {
				t.Fatal(err)
			}
			b, err := (&Template{specials: tm.specials, jinja: tm.jinja}).Render(ms, o)
			if err != nil {
				t.Fatal(err)
			}
			if Text(a) != Text(b) {
				t.Fatalf("%+v:\nby hand  %q\nby jinja %q", *tm.hand, Text(a), Text(b))
			}
		}
	})
}

// The prompt of a later turn begins with the parts before the marks of the system
// message and of the last question.
func TestMarksAreWhereLaterTurnsAgree(t *testing.T) {
	for _, q := range qwens {
		tm := newTemplate(t, qwenText(t, q))
		for _, hand := range []*qwen{tm.hand, nil} {
			tm := &Template{specials: tm.specials, jinja: tm.jinja, hand: hand}
			rapid.Check(t, func(t *rapid.T) {
				ms, o := drawChat(t)
				o.Generate = true
				now, err := tm.Render(ms, o)
				if err != nil {
					t.Fatal(err)
				}
				marks := marksOf(t, tm, ms, o)
				if len(marks) == 0 || !slices.IsSorted(marks) || marks[len(marks)-1] > len(now) {
					t.Fatalf("marks %v of %d parts", marks, len(now))
				}
				// The answer to the last question is still going on, and grows.
				more := append(slices.Clone(ms), Message{Role: "assistant", Content: "x", Reasoning: "y"}, Message{Role: "user", Content: "z"})
				later, err := tm.Render(more, o)
				if err != nil {
					t.Fatal(err)
				}
				stable := marks
				if ms[len(ms)-1].Role != "user" {
					stable = marks[:len(marks)-1] // reasoning since the last question will go
				}
				for _, n := range stable {
					if n > len(later) || !slices.Equal(now[:n], later[:n]) {
						t.Fatalf("%s: mark %d of %v: %q is not how %q begins", tm.Name(), n, marks, Text(now[:n]), Text(later))
					}
				}
			})
		}
	}
}

// marksOf are the marks of a conversation, in parts.
func marksOf(t interface{ Fatal(...any) }, tm *Template, ms []Message, o Options) []int {
	w, err := tm.write(ms, o)
	if err != nil {
		t.Fatal(err)
	}
	return tm.marks(w, ms, o)
}

func TestMarks(t *testing.T) {
	ms := []Message{
		{Role: "system", Content: "s"},
		{Role: "user", Content: "a"},
		{Role: "assistant", Content: "b"},
		{Role: "user", Content: "c"},
		{Role: "assistant", Content: "d"},
		{Role: "tool", Content: "e"},
	}
	for _, name := range []string{"qwen3", "jinja"} {
		tm := newTemplate(t, qwenText(t, qwen{}))
		if name == "jinja" {
			tm.hand = nil
		}
		o := Options{Generate: true}
		parts, err := tm.Render(ms, o)
		if err != nil {
			t.Fatal(err)
		}
		var ends []string
		for _, n := range marksOf(t, tm, ms, o) {
			text := Text(parts[:n])
			ends = append(ends, text[strings.LastIndex(text, "<|im_start|>"):])
		}
		want := []string{
			"<|im_start|>system\ns<|im_end|>\n", "<|im_start|>user\nc<|im_end|>\n",
			"<|im_start|>user\n<tool_response>\ne\n</tool_response><|im_end|>\n",
		}
		if !slices.Equal(ends, want) {
			t.Errorf("%s: the marks are after %q, want %q", name, ends, want)
		}
	}
}
