package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func readTemplate(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".jinja"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func newTemplate(t testing.TB, text string) *Template {
	t.Helper()
	tm, err := NewTemplate(text, chatSpecials, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tm
}

// qwenText is a template that renders as a version's published one does.
func qwenText(t testing.TB, q qwen) string {
	return fmt.Sprintf("{%%- set xml = %v -%%}{%%- set typed = %v -%%}{%%- set preserve = %v -%%}{%%- set skip = %v -%%}%s",
		q.xml, q.typed, q.preserve, q.skipEmpty, readTemplate(t, "qwen"))
}

// A template of Qwen's is recognised by what it renders, however it is written, and
// both ways render the same.
func TestQwenIsRecognised(t *testing.T) {
	for name, q := range qwenGoldens {
		tm := newTemplate(t, qwenText(t, q))
		if tm.hand == nil || *tm.hand != q || tm.Name() != q.name() {
			t.Errorf("%s is taken for %s: %+v", name, tm.Name(), tm.hand)
			continue
		}
		crlf := newTemplate(t, strings.ReplaceAll(qwenText(t, q), "\n", "\r\n"))
		if crlf.Name() != q.name() {
			t.Errorf("%s with lines that end in CR LF is taken for %s", name, crlf.Name())
		}
		other := newTemplate(t, strings.Replace(qwenText(t, q), "<|im_start|>assistant{{ '\\n' }}", "<|im_start|>assistant{{ '\\n\\n' }}", 1))
		if other.Name() != "jinja" {
			t.Errorf("%s with another line break is taken for %s", name, other.Name())
		}
	}
}

// deviations are the cases that some template renders otherwise through the Jinja
// library than through Jinja2, and why.
var deviations = map[string]string{
	"separators of ASCII": "trim leaves U+001C to U+001F",
	"a result in tags":    "the template does not see tags that a user wrote",
}

// The file's template renders as with Jinja2: the tool's JSON, Python's numbers,
// order of keys, white space.
func TestJinjaIsAsJinja2(t *testing.T) {
	texts := map[string]string{"chatml": readTemplate(t, "chatml"), "strict": readTemplate(t, "strict")}
	for name, q := range qwenGoldens {
		texts[name] = qwenText(t, q)
	}
	seen := map[string]bool{}
	for name, text := range texts {
		tm := newTemplate(t, text)
		tm.hand = nil
		want := goldens(t, name)
		for _, c := range testCases(t) {
			t.Run(name+"/"+c.Name, func(t *testing.T) {
				got, err := tm.Render(c.Messages, c.options(t))
				if w := want[c.Name]; deviations[c.Name] != "" && err == nil && w != nil && Text(got) != *w {
					seen[c.Name] = true
					return
				}
				compare(t, Text(got), err, want[c.Name])
			})
		}
	}
	for name, why := range deviations {
		if !seen[name] {
			t.Errorf("%s: no template deviates any more, so that %s is not true", name, why)
		}
	}
}

func TestNoTemplateJoinsContents(t *testing.T) {
	tm := newTemplate(t, "")
	got, err := tm.Render([]Message{{Role: "system", Content: "a<|im_end|>"}, {Role: "user", Content: "b"}}, Options{Generate: true})
	if err != nil || !slices.Equal(got, []Part{{Text: "a<|im_end|>\nb"}}) || tm.Name() != "none" {
		t.Errorf("%s: got %+v, %v", tm.Name(), got, err)
	}
	if _, err := tm.Render([]Message{{Role: "user"}}, Options{Tools: testTools}); err == nil || !strings.Contains(err.Error(), "tools") {
		t.Errorf("with tools: got %v, want an error", err)
	}
	p := tm.Parser(Options{})
	if got := p.Push("<think>x"); len(got) != 1 || got[0].Content != "<think>x" {
		t.Errorf("the parser gives %v, want all as content", got)
	}
}

func TestTemplatesAreRefused(t *testing.T) {
	for name, text := range map[string]string{
		"syntax":              "{% for m in messages %}",
		"unknown filter":      "{{ messages | nonsense }}",
		"always raises":       "{{ raise_exception('no') }}",
		"an endless range":    "{% for i in range(1000000000) %}x{% endfor %}",
		"a private character": "\U000F0000{{ messages[0].content }}",
		"two variables":       "{{ messages[0].content }}{% set a, b = 1, 2 %}",
		"a filtered set":      "{{ messages[0].content }}{% set a | trim %}x{% endset %}",
		"a list by default":   "{{ messages[0].content }}{% macro f(a=[1, 2]) %}x{% endmacro %}",
		"a map by a filter":   "{{ messages | map('length') | join }}{{ messages[0].content }}",
		"a sum from a start":  "{{ [[1]] | sum(start=[]) }}{{ messages[0].content }}",
		"a recursive loop":    "{% for m in messages recursive %}{{ m.content }}{% endfor %}",
		"another sign":        "{{ messages[0].content @ 1 }}",
		"an open comment":     "{# {{ messages[0].content }}",
		"an open tag":         "{{ messages[0].content",
		"an open raw text":    "{{ messages[0].content }}{% raw %}",
		"an escaped one":      "{{ '\\U000F0000' }}{{ messages[0].content }}",
		"too long":            "{% for i in range(99000) %}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{% endfor %}",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := NewTemplate(text, chatSpecials, nil); err == nil {
				t.Error("it is taken")
			} else {
				t.Log(err)
			}
		})
	}
}

// A rendering that goes on is given up.
func TestLateTemplate(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	_, err := within(time.Millisecond, func() (string, error) {
		<-stop
		return "", nil
	})
	var late *lateError
	if !errors.As(err, &late) {
		t.Errorf("got %v, want a lateError", err)
	}
	if _, err := within(time.Minute, func() (string, error) { panic("oh") }); err == nil || !strings.Contains(err.Error(), "oh") {
		t.Errorf("got %v, want the panic as an error", err)
	}
}

func TestKwargs(t *testing.T) {
	tm := newTemplate(t, "{{ messages[0].content }} {{ style }}{{ enable_thinking }}")
	render := func(kwargs string, thinking *bool) (string, error) {
		o := Options{Thinking: thinking}
		if err := json.Unmarshal([]byte(kwargs), &o.Kwargs); err != nil {
			t.Fatal(err)
		}
		got, err := tm.Render([]Message{{Role: "user", Content: "a"}}, o)
		for _, p := range got {
			if p.Special {
				t.Errorf("%s: %q is special", kwargs, p.Text)
			}
		}
		return Text(got), err
	}
	yes := true
	for kwargs, want := range map[string]string{
		`{}`:                           "a True",
		`{"enable_thinking": true}`:    "a True",
		`{"style": "terse"}`:           "a terseTrue",
		`{"style": "<|im_end|>"}`:      "a <|im_end|>True",
		`{"style": 2.0}`:               "a 2.0True",
		`{"enable_thinking": false}`:   "",
		`{"enable_thinking": "false"}`: "",
		`{"messages": []}`:             "",
		`{"tools": []}`:                "",
	} {
		if got, err := render(kwargs, &yes); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v; want %q", kwargs, got, err, want)
		}
	}
	// What the rules by hand do not know goes to the file's template.
	q := newTemplate(t, qwenText(t, qwen{})+"{{ suffix }}")
	o := Options{Kwargs: map[string]json.RawMessage{"suffix": json.RawMessage(`"!"`)}}
	got, err := q.Render([]Message{{Role: "user", Content: "a"}}, o)
	if want := "<|im_start|>user\na<|im_end|>\n!"; q.Name() != "qwen3" || err != nil || Text(got) != want {
		t.Errorf("%s: got %q, %v; want %q", q.Name(), Text(got), err, want)
	}
}

func TestThinkOpen(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		q        qwen
		thinking *bool
		want     bool
	}{
		{qwen{}, nil, false},
		{qwen{}, &yes, false},
		{qwen{}, &no, false},
		{qwen{xml: true}, nil, true},
		{qwen{xml: true}, &yes, true},
		{qwen{xml: true}, &no, false},
	} {
		tm := newTemplate(t, qwenText(t, c.q))
		for _, hand := range []*qwen{tm.hand, nil} {
			tm.hand = hand
			o := Options{Generate: true, Thinking: c.thinking}
			if got := tm.ThinkOpen(o); got != c.want {
				t.Errorf("%s: got %v, want %v", tm.Name(), got, c.want)
			}
			var a answer
			p := tm.Parser(o)
			a.add(append(p.Push("x</think>y"), p.Flush()...))
			if (a.reasoning == "x") != c.want {
				t.Errorf("%s: the parser gives %q as reasoning", tm.Name(), a.reasoning)
			}
		}
	}
}

// An enable_thinking of false ends the prompt with an empty thought, and no other
// value adds to it. (ggml-org/llama.cpp#13160, #13189)
func TestEnableThinkingIsHonoured(t *testing.T) {
	tm := newTemplate(t, qwenText(t, qwen{}))
	for kwargs, want := range map[string]string{
		`{"enable_thinking": false}`: "<|im_start|>assistant\n<think>\n\n</think>\n\n",
		`{"enable_thinking": true}`:  "<|im_start|>assistant\n",
		`{}`:                         "<|im_start|>assistant\n",
	} {
		o := Options{Generate: true}
		if err := json.Unmarshal([]byte(kwargs), &o.Kwargs); err != nil {
			t.Fatal(err)
		}
		got, err := tm.Render([]Message{{Role: "user", Content: "a"}}, o)
		if _, end, _ := strings.Cut(Text(got), "a<|im_end|>\n"); err != nil || end != want {
			t.Errorf("%s: the prompt ends with %q, %v; want %q", kwargs, end, err, want)
		}
	}
}
