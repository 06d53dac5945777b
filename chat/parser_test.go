package chat

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var testTools = []json.RawMessage{json.RawMessage(`{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {
	"s": {"type": "string"}, "i": {"type": "integer"}, "x": {"type": "number"}, "b": {"type": "boolean"},
	"o": {"type": "object"}, "l": {"type": "array"}, "n": {"type": ["integer", "null"]},
	"e": {"enum": [1, "one"]}, "a": {"anyOf": [{"type": "integer"}, {"type": "string"}]}}}}}`)}

// answer is deltas joined.
type answer struct {
	reasoning, content string
	calls              []string
}

func (a *answer) add(deltas []Delta) {
	for _, d := range deltas {
		a.reasoning += d.Reasoning
		a.content += d.Content
		if d.Call != nil {
			a.calls = append(a.calls, d.Call.Name+" "+d.Call.Arguments)
		}
	}
}

func (a *answer) String() string {
	return a.reasoning + "|" + a.content + "|" + strings.Join(a.calls, ";")
}

func newTestParser(open, tools bool) *Parser {
	p := &Parser{}
	if open {
		p.state = atThought
	}
	if tools {
		p.functions = functions(testTools)
	}
	return p
}

const jsonCall = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"i\": 1}}\n</tool_call>"

var parserCases = []struct {
	name, text, want string // want is reasoning|content|calls
	open, noTools    bool
}{
	{name: "empty", want: "||"},
	{name: "content", text: "Hello.", want: "|Hello.|"},
	{name: "white space alone", text: " \n", want: "| \n|"},
	{name: "white space is kept", text: "  a \n b \n", want: "|  a \n b \n|"},
	{name: "thought", text: "<think>\nhm\n</think>\n\nYes.", want: "hm|Yes.|"},
	{name: "thought after a line break", text: "\n<think>hm</think>Yes.", want: "hm|Yes.|"},
	{name: "empty thought", text: "<think>\n\n</think>\n\nYes.", want: "|Yes.|"},
	{name: "thought that does not end", text: "<think>\nhm\n", want: "hm\n||"},
	{name: "thought with half an end", text: "<think>a</thin", want: "a</thin||"},
	{name: "spaces in a thought", text: "<think>\n  a\n\n b \n\n</think>\n\n\n c", want: "  a\n\n b | c|"},
	{name: "tag later on", text: "Use <think> and </think>.", want: "|Use <think> and </think>.|"},
	{name: "half a tag", text: "<thin", want: "|<thin|"},
	{name: "almost a tag", text: "<thinking>x", want: "|<thinking>x|"},
	{name: "open thought", text: "hm\n</think>\n\nYes.", open: true, want: "hm|Yes.|"},
	{name: "open thought, tag repeated", text: "<think>\nhm\n</think>\n\nYes.", open: true, want: "hm|Yes.|"},
	{name: "open thought without end", text: "\nhm", open: true, want: "hm||"},
	{name: "open thought, closed at once", text: "\n</think>\n\nYes.", open: true, want: "|Yes.|"},
	{name: "call", text: jsonCall, want: `||f {"i": 1}`},
	{name: "call after a thought", text: "<think>\nhm\n</think>\n\n" + jsonCall, want: `hm||f {"i": 1}`},
	{name: "call after content", text: "I will.\n" + jsonCall + "\n", want: `|I will.|f {"i": 1}`},
	{name: "two calls", text: jsonCall + "\n" + jsonCall, want: `||f {"i": 1};f {"i": 1}`},
	{name: "content after a call", text: jsonCall + "\nDone.", want: "|\nDone.|f {\"i\": 1}"},
	{name: "call in a thought", text: "<think>" + jsonCall + "</think>x", want: jsonCall + "|x|"},
	{name: "call without tools", text: jsonCall, noTools: true, want: "|" + jsonCall + "|"},
	{name: "call without an end", text: strings.TrimSuffix(jsonCall, "</tool_call>"), want: `||f {"i": 1}`},
	{name: "arguments in a string", text: `<tool_call>{"name": "f", "arguments": "{\"i\": 1}"}</tool_call>`, want: `||f {"i": 1}`},
	{name: "no arguments", text: `<tool_call>{"name": "f"}</tool_call>`, want: `||f {}`},
	{name: "end tag in a string", text: `<tool_call>{"name": "f", "arguments": {"s": "a\"</tool_call>"}}</tool_call>`, want: `||f {"s": "a\"</tool_call>"}`},
	{name: "cut off call", text: "ok\n<tool_call>\n{\"name\": \"f\", \"argu", want: "|ok\n<tool_call>\n{\"name\": \"f\", \"argu|"},
	{name: "broken call", text: "<tool_call>\n{bad\n</tool_call>\n" + jsonCall, want: "|<tool_call>\n{bad\n</tool_call>|f {\"i\": 1}"},
	{name: "call without a name", text: `<tool_call>{"arguments": {}}</tool_call>`, want: `|<tool_call>{"arguments": {}}</tool_call>|`},
	{name: "a list as arguments", text: `<tool_call>{"name": "f", "arguments": [1]}</tool_call>`, want: `|<tool_call>{"name": "f", "arguments": [1]}</tool_call>|`},
	{name: "open string, then a call", text: "<tool_call>{\"name\": \"</tool_call>" + jsonCall, want: "|<tool_call>{\"name\": \"</tool_call>|f {\"i\": 1}"},
	{name: "talk of a call", text: "Write <tool_call> first.", want: "|Write <tool_call> first.|"},
	{name: "half a call tag", text: "a <tool_c", want: "|a <tool_c|"},
	{
		name: "XML", text: "I will.\n\n<tool_call>\n<function=f>\n<parameter=s>\na\nb\n</parameter>\n<parameter=i>\n-7\n</parameter>\n</function>\n</tool_call>",
		want: `|I will.|f {"s":"a\nb","i":-7}`,
	},
	{name: "XML without parameters", text: "<tool_call><function=g></function></tool_call>", want: `||g {}`},
	{
		name: "XML with tags in a value",
		text: "<tool_call><function=f><parameter=s>\na</parameter> b </tool_call> </function>\n</parameter></function></tool_call>",
		want: `||f {"s":"a</parameter> b </tool_call> </function>"}`,
	},
	{
		name: "XML that is not closed, then a call", text: "<tool_call>\n<function=f>\n</tool_call>\n" + jsonCall,
		want: "|<tool_call>\n<function=f>\n</tool_call>|f {\"i\": 1}",
	},
	{
		name: "XML with a value that is not closed", text: "<tool_call><function=f><parameter=s>x</function></tool_call>",
		want: "|<tool_call><function=f><parameter=s>x</function></tool_call>|",
	},
	{
		name: "XML without an end", text: "<tool_call>\n<function=f>\n<parameter=x>\n0.5\n</parameter>\n</function>\n",
		want: `||f {"x":0.5}`,
	},
	{name: "XML without a name", text: "<tool_call><function=></function></tool_call>", want: "|<tool_call><function=></function></tool_call>|"},
}

func TestParser(t *testing.T) {
	for _, c := range parserCases {
		t.Run(c.name, func(t *testing.T) {
			var got answer
			p := newTestParser(c.open, !c.noTools)
			got.add(p.Push(c.text))
			got.add(p.Flush())
			if got.String() != c.want {
				t.Errorf("%q:\ngot  %q\nwant %q", c.text, got.String(), c.want)
			}
			got = answer{}
			p = newTestParser(c.open, !c.noTools)
			for i := range len(c.text) {
				got.add(p.Push(c.text[i : i+1]))
			}
			got.add(p.Flush())
			if got.String() != c.want {
				t.Errorf("%q, byte by byte:\ngot  %q\nwant %q", c.text, got.String(), c.want)
			}
		})
	}
}

func TestValuesHaveTheirSchemasType(t *testing.T) {
	p := functions(testTools)["f"]
	for _, c := range []struct{ key, text, want string }{
		{"s", "1", `"1"`},
		{"s", " True ", `" True "`},
		{"i", "1", "1"},
		{"i", "2.0", "2.0"},
		{"i", "2.5", `"2.5"`},
		{"i", "one", `"one"`},
		{"x", "1", "1"},
		{"x", "1e3", "1e3"},
		{"b", "true", "true"},
		{"b", "False", "false"},
		{"b", "yes", `"yes"`},
		{"o", `{"a": [1]}`, `{"a": [1]}`},
		{"o", `{"a": `, `"{\"a\": "`},
		{"l", `[1, "x"]`, `[1, "x"]`},
		{"n", "null", "null"},
		{"n", "None", "null"},
		{"n", "3", "3"},
		{"e", "1", "1"},
		{"e", "one", `"one"`},
		{"a", "7", "7"},
		{"a", "seven", `"seven"`},
		{"unknown", "7", `"7"`},
		{"i", "", `""`},
	} {
		if got := string(p.value(c.key, c.text)); got != c.want {
			t.Errorf("%s = %q: got %s, want %s", c.key, c.text, got, c.want)
		}
	}
}

// Ids are the same for the same answer, and differ between calls and salts.
func TestCallIDs(t *testing.T) {
	ids := func(salt string) (ids []string) {
		p := newTestParser(false, true)
		p.Salt = salt
		for _, d := range p.Push(jsonCall + jsonCall) {
			ids = append(ids, d.Call.ID)
		}
		return ids
	}
	a, again, b := ids("a"), ids("a"), ids("b")
	if len(a) != 2 || a[0] == a[1] || a[0] == b[0] || a[0] != again[0] || !strings.HasPrefix(a[0], "call_") {
		t.Errorf("ids %v, again %v, with other salt %v", a, again, b)
	}
}

// scraps are what generated texts are put together from.
var scraps = []string{
	"<think>", "</think>", "<tool_call>", "</tool_call>", "<function=f>", "</function>", "<parameter=s>", "</parameter>",
	"\n", " ", "a", "é", "<", "</", "{", "}", `"`, `\`, `{"name": "f", "arguments": {`, `"s": "x"`, "}}", "<tool_", "<th", jsonCall,
}

func drawText(t *rapid.T) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(scraps), 0, 14).Draw(t, "text"), "")
}

// However a text is cut, the deltas joined are the same, and no piece ends in the
// beginning of a tag that goes on.
func TestParserDoesNotDependOnCuts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawText(t)
		open, tools := rapid.Bool().Draw(t, "open"), rapid.Bool().Draw(t, "tools")
		var want, got answer
		p := newTestParser(open, tools)
		want.add(append(p.Push(text), p.Flush()...))
		p = newTestParser(open, tools)
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "n")
			got.add(p.Push(rest[:n]))
			rest = rest[n:]
		}
		got.add(p.Flush())
		if got.String() != want.String() {
			t.Fatalf("%q:\nin pieces %q\nat once   %q", text, got.String(), want.String())
		}
	})
}

// Nothing of a text is lost but tags, calls and the white space around them.
func TestParserLosesNothing(t *testing.T) {
	letters := func(s string) string {
		return strings.NewReplacer(" ", "", "\n", "", "<think>", "", "</think>", "").Replace(s)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := drawText(t)
		var got answer
		p := newTestParser(rapid.Bool().Draw(t, "open"), true)
		got.add(append(p.Push(text), p.Flush()...))
		if len(got.calls) > 0 {
			return
		}
		if letters(got.reasoning+got.content) != letters(text) {
			t.Fatalf("%q gives reasoning %q and content %q", text, got.reasoning, got.content)
		}
	})
}

func FuzzParser(f *testing.F) {
	for _, c := range parserCases {
		f.Add(c.text, uint(3), c.open)
	}
	f.Fuzz(func(t *testing.T, text string, cut uint, open bool) {
		var want, got answer
		p := newTestParser(open, true)
		want.add(append(p.Push(text), p.Flush()...))
		at := int(cut % uint(len(text)+1))
		p = newTestParser(open, true)
		for _, piece := range []string{text[:at], text[at:]} {
			for _, d := range p.Push(piece) {
				got.add([]Delta{d})
				if d.Call != nil && !json.Valid([]byte(d.Call.Arguments)) {
					t.Errorf("arguments %q are not JSON", d.Call.Arguments)
				}
			}
		}
		got.add(p.Flush())
		if got.String() != want.String() {
			t.Errorf("%q cut at %d: %q, not %q", text, at, got.String(), want.String())
		}
	})
}
