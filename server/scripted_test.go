package server

import (
	"fmt"
	"strings"
	"testing"

	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/testmodel"
)

// scripted is a server of a model that knows by heart what it says.
func scripted(t *testing.T) *running {
	t.Helper()
	r := listen(t, Options{})
	r.model = enginetest.Load(t, testmodel.Adder().Bytes(), engine.Options{Threads: 1})
	if err := r.Serve(r.model, "adder", nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Drain(t.Context()) })
	return r
}

// turn is what tests read of a choice, whole or as a delta.
type turn struct {
	Reasoning string `json:"reasoning_content"`
	Content   string
	Calls     []toolCall `json:"tool_calls"`
}

type choices struct {
	Choices []struct {
		Message, Delta turn
		Finish         string `json:"finish_reason"`
	}
}

// Half a character is none, streamed or not (llama_cpp_dart#90, ik_llama.cpp#780,
// mlc-llm#1142): what comes in two tokens comes when both are there, and U+FFFD stands only
// for what can never be a character.
func TestHalfCharacters(t *testing.T) {
	r := listen(t, Options{})
	r.model = enginetest.Load(t, testmodel.Scripted(
		"{{ messages[0].content }}",
		testmodel.Script{Cue: "<|tree|>", Says: []string{"\xf0\x9f", "\x8c\xb3", "oak"}},
		testmodel.Script{Cue: "<|stump|>", Says: []string{"a\xf0\x9f"}},
		testmodel.Script{Cue: "<|long|>", Says: []string{"\xc0\x80", "end"}},
		testmodel.Script{Cue: "<|half|>", Says: []string{"\xed\xa0", "\x80b"}},
	).Bytes(), engine.Options{Threads: 1})
	r.serveUnder("trees", nil)
	for _, c := range []struct {
		cue    string
		tokens int
		want   string
	}{
		{"<|tree|>", 1, "\ufffd"},
		{"<|tree|>", 2, "🌳"},
		{"<|tree|>", 3, "🌳oak"},
		{"<|tree|>", 9, "🌳oak"},
		{"<|stump|>", 9, "a\ufffd"},
		{"<|long|>", 9, "\ufffd\ufffdend"},
		{"<|half|>", 1, "\ufffd\ufffd"},
		{"<|half|>", 9, "\ufffd\ufffd\ufffdb"},
	} {
		body := fmt.Sprintf(`{"prompt":"x%s","max_tokens":%d,"temperature":0`, c.cue, c.tokens)
		whole, streamed := r.ask(texts, body+"}").text(), ""
		for _, chunk := range r.chunks(texts, body+`,"stream":true}`) {
			if streamed += chunk.text(); !strings.HasPrefix(c.want, streamed) {
				t.Errorf("%s, %d tokens: %q is sent, of %q", c.cue, c.tokens, streamed, c.want)
			}
		}
		if whole != c.want || streamed != c.want {
			t.Errorf("%s, %d tokens: %q, streamed %q, want %q", c.cue, c.tokens, whole, streamed, c.want)
		}
	}
}

// A model that has tools calls one, and goes on with what it returns, whole and streamed,
// at any temperature.
func TestConversationWithATool(t *testing.T) {
	r := scripted(t)
	const (
		tools  = `"tools":[{"type":"function","function":{"name":"add","parameters":{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}}}}}]`
		asks   = `{"role":"user","content":"2 + 3?"}`
		called = `{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"add","arguments":"{\"a\":2,\"b\":3}"}}]},{"role":"tool","tool_call_id":"1","content":"5"}`
	)
	for _, c := range []struct {
		body, reasoning, content, arguments, finish string
	}{
		{`"messages":[` + asks + `]`, "", "Good day!", "", "stop"},
		{`"messages":[` + asks + `],"max_tokens":1`, "", "Good", "", "length"},
		{`"messages":[` + asks + `],` + tools, "Two and three.", "I add.", `{"a": 2, "b": 3}`, "tool_calls"},
		{`"messages":[` + asks + `],"tool_choice":"none",` + tools, "", "Good day!", "", "stop"},
		{`"messages":[` + asks + `,` + called + `],` + tools, "", "It is 5.", "", "stop"},
	} {
		for _, stream := range []bool{false, true} {
			got := r.do("POST", chats, fmt.Sprintf(`{%s,"temperature":1,"stream":%t}`, c.body, stream))
			var said turn
			finish := ""
			for line := range strings.SplitSeq(got.body, "\n") {
				data := strings.TrimPrefix(line, "data: ")
				if !strings.HasPrefix(data, "{") {
					continue
				}
				choice := parse[choices](t, data).Choices[0]
				for _, m := range []turn{choice.Message, choice.Delta} {
					said.Reasoning, said.Content, said.Calls = said.Reasoning+m.Reasoning, said.Content+m.Content, append(said.Calls, m.Calls...)
				}
				finish += choice.Finish
			}
			arguments := ""
			for _, call := range said.Calls {
				if call.Function.Name != "add" || call.ID == "" || call.Type != "function" || (call.Index != nil) != stream {
					t.Errorf("%s: a call is %+v", c.body, call)
				}
				arguments += call.Function.Arguments
			}
			if said.Reasoning != c.reasoning || said.Content != c.content || arguments != c.arguments || finish != c.finish {
				t.Errorf("%s, stream %t: %+v, ended by %s: %s", c.body, stream, said, finish, got.body)
			}
		}
	}
}
