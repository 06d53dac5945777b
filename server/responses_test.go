package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"bankai/chat"
	"bankai/engine"
)

const responses = "/v1/responses"

// responseBody is a greedy response to a text, with further members.
func responseBody(input, more string) string {
	return fmt.Sprintf(`{"input":%q,"temperature":0,"max_output_tokens":12%s}`, input, more)
}

// outputItem has the members of all kinds of items.
type outputItem struct {
	ID, Type, Status, Role, Name, Arguments string
	CallID                                  string `json:"call_id"`
	Content                                 []struct {
		Type, Text string
		LogProbs   []tokenLogProb
	}
}

func (i outputItem) text() (all string) {
	for _, part := range i.Content {
		all += part.Text
	}
	return all
}

type responded struct {
	ID, Object, Status, Model string
	Fingerprint               string `json:"system_fingerprint"`
	Output                    []outputItem
	Usage                     *responseUsage
	Error                     *responseError
	Incomplete                *incompleteDetails `json:"incomplete_details"`
}

func (r *running) responds(body string) responded {
	r.t.Helper()
	got := r.do("POST", responses, body)
	if got.status != http.StatusOK {
		r.t.Fatalf("%s: status %d: %s", body, got.status, got.body)
	}
	return parse[responded](r.t, got.body)
}

// step is an event of a stream.
type step struct {
	Type     string
	Sequence int `json:"sequence_number"`
	Response *responded
	Output   *int   `json:"output_index"`
	ItemID   string `json:"item_id"`
	Item     *outputItem
	Part     *struct{ Type, Text string }
	Content  *int `json:"content_index"`
	Delta    string
	Text     *string
	LogProbs []tokenLogProb
}

// steps are the events of a stream, each named twice and numbered.
func steps(t *testing.T, stream string) (all []step) {
	t.Helper()
	for i, e := range strings.Split(strings.TrimSuffix(stream, "\n\n"), "\n\n") {
		name, data, ok := strings.Cut(e, "\ndata: ")
		if !ok {
			t.Fatalf("event %d is %q", i, e)
		}
		s := parse[step](t, data)
		if name != "event: "+s.Type || s.Sequence != i {
			t.Errorf("event %d is %q with the number %d, called %q", i, s.Type, s.Sequence, name)
		}
		all = append(all, s)
	}
	return all
}

// A response has every member that OpenAI's schema requires, and repeats what it was
// asked.
func TestResponse(t *testing.T) {
	r := start(t, Options{})
	got := r.do("POST", responses, responseBody("At night the", `,"model":"demo:a","instructions":"Sleep <now>.","metadata":{"k":"v"},"seed":1,
		"parallel_tool_calls":true,"reasoning":{"effort":"none"},"store":true,"user":"u"`))
	if got.status != 200 || got.header.Get(seedHeader) != "1" || !strings.HasPrefix(got.header.Get(patchHeader), "a@sha256:") {
		t.Fatalf("%+v", got)
	}
	doc := parse[map[string]json.RawMessage](t, got.body)
	for name, want := range map[string]string{
		"object": `"response"`, "status": `"incomplete"`, "incomplete_details": `{"reason":"max_output_tokens"}`, "error": "null",
		"model": `"demo:a"`, "instructions": `"Sleep <now>."`, "metadata": `{"k":"v"}`, "temperature": "0", "top_p": "0.95",
		"max_output_tokens": "12", "parallel_tool_calls": "true", "tool_choice": `"auto"`, "tools": "[]", "top_logprobs": "0",
		"reasoning": `{"effort":"none","summary":null}`, "text": `{"format":{"type":"text"}}`, "truncation": `"disabled"`,
		"store": "false", "background": "false", "previous_response_id": "null", "completed_at": "null",
	} {
		if string(doc[name]) != want {
			t.Errorf("%s is %s, want %s", name, doc[name], want)
		}
	}
	for _, name := range []string{"id", "created_at", "output", "usage", "access_programs"} {
		if doc[name] == nil {
			t.Errorf("there is no %s", name)
		}
	}
	if !strings.HasPrefix(string(doc["id"]), `"resp_`) {
		t.Errorf("the id is %s", doc["id"])
	}
	items := parse[[]map[string]json.RawMessage](t, string(doc["output"]))
	part := parse[[]map[string]json.RawMessage](t, string(items[0]["content"]))[0]
	if len(items) != 1 || string(part["type"]) != `"output_text"` || string(part["annotations"]) != "[]" || string(part["logprobs"]) != "[]" {
		t.Errorf("output is %s", doc["output"])
	}
}

// A response has the bytes of a chat with the same seed, under every patch, at every
// temperature, whole and streamed.
func TestResponsesAreChats(t *testing.T) {
	r := start(t, Options{})
	for _, more := range []string{
		`,"temperature":0`, `,"temperature":1,"seed":7`, `,"model":"demo:a","temperature":1,"seed":7`, `,"patches":["a","b"],"temperature":1.5,"seed":8,"top_k":0,"min_p":0`,
		`,"temperature":0,"stop":["o"]`, `,"temperature":0,"frequency_penalty":2,"repeat_penalty":1.5,"logit_bias":{"99":3}`,
	} {
		chat := r.ask(chats, `{"messages":[{"role":"system","content":"Sleep."},{"role":"user","content":"At night the"}],"max_tokens":14`+more+`}`)
		body := `{"instructions":"Sleep.","input":"At night the","max_output_tokens":14` + more
		got := r.responds(body + "}")
		var streamed string
		for _, s := range steps(t, r.do("POST", responses, body+`,"stream":true}`).body) {
			if s.Type == "response.output_text.delta" {
				streamed += s.Delta
			}
		}
		if text := got.Output[0].text(); text != chat.text() || streamed != text || text == "" {
			t.Errorf("%s: the response is %q, streamed %q, the chat %q", more, text, streamed, chat.text())
		}
		if got.Fingerprint != chat.Fingerprint || got.Model != chat.Model || got.Usage.Input != chat.Usage.Prompt || got.Usage.Output != chat.Usage.Answer || got.Usage.Total != chat.Usage.Total {
			t.Errorf("%s: %+v with %+v, the chat %+v with %+v", more, got, got.Usage, chat, chat.Usage)
		}
		if want := map[string]string{"length": incomplete, "stop": completed}[chat.Choices[0].FinishReason]; got.Status != want {
			t.Errorf("%s: %s, the chat ended by %s", more, got.Status, chat.Choices[0].FinishReason)
		}
	}
}

// A stream tells each step in order, and ends with the whole document.
func TestResponseStream(t *testing.T) {
	r := start(t, Options{})
	whole := r.responds(responseBody("At night the", ""))
	got := r.do("POST", responses, responseBody("At night the", `,"stream":true`))
	if got.header.Get("Content-Type") != "text/event-stream" || strings.Contains(got.body, "[DONE]") {
		t.Errorf("%+v", got)
	}
	all := steps(t, got.body)
	var names []string
	id, text := all[2].Item.ID, ""
	for _, s := range all {
		if len(names) == 0 || names[len(names)-1] != s.Type {
			names = append(names, s.Type)
		}
		if s.ItemID != "" && (s.ItemID != id || *s.Output != 0 || *s.Content != 0) {
			t.Errorf("%s is about %s", s.Type, s.ItemID)
		}
		text += s.Delta
	}
	if want := []string{
		"response.created", "response.in_progress", "response.output_item.added", "response.content_part.added", "response.output_text.delta",
		"response.output_text.done", "response.content_part.done", "response.output_item.done", "response.incomplete",
	}; !reflect.DeepEqual(names, want) {
		t.Errorf("the steps are %q", names)
	}
	if first := all[0].Response; first.Status != inProgress || len(first.Output) != 0 || first.Usage != nil {
		t.Errorf("it begins with %+v", first)
	}
	last := all[len(all)-1].Response
	if text != whole.Output[0].text() || last.Output[0].ID != id || last.ID != all[0].Response.ID {
		t.Errorf("streamed %q of %s, whole %q", text, last.ID, whole.Output[0].text())
	}
	last.ID, last.Output[0].ID = whole.ID, whole.Output[0].ID
	if !reflect.DeepEqual(*last, whole) {
		t.Errorf("streamed %+v, whole %+v", *last, whole)
	}
}

// What fails in the middle of a stream ends it by a step, too, with what was there.
func TestResponseFails(t *testing.T) {
	r := start(t, Options{})
	a, err := r.http.Post(r.url+responses, "application/json", strings.NewReader(`{"input":"At night the","max_output_tokens":200,"temperature":1,"seed":4,"stream":true}`))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r.Drain(ctx)
	all := steps(t, readAll(t, a))
	if last := all[len(all)-1]; last.Type != "response.failed" || last.Response.Status != failed || last.Response.Error == nil || !strings.Contains(last.Response.Error.Message, "going down") {
		t.Errorf("the last step is %+v with %+v", last, last.Response)
	}
}

// Log-probabilities come with the text's tokens, in the steps as in the end.
func TestResponseLogProbs(t *testing.T) {
	r := start(t, Options{})
	const more = `,"include":["message.output_text.logprobs"],"top_logprobs":2`
	got := r.responds(responseBody("At night the", more))
	var text []byte
	part := got.Output[0].Content[0]
	for _, p := range part.LogProbs {
		for _, b := range p.Bytes {
			text = append(text, byte(b))
		}
	}
	if string(text) != part.Text || len(part.LogProbs) != got.Usage.Output {
		t.Errorf("the tokens say %q, the text is %q", text, part.Text)
	}
	var streamed []tokenLogProb
	for _, s := range steps(t, r.do("POST", responses, responseBody("At night the", more+`,"stream":true`)).body) {
		if s.Type == "response.output_text.delta" {
			streamed = append(streamed, s.LogProbs...)
		}
	}
	if !reflect.DeepEqual(streamed, part.LogProbs) {
		t.Errorf("streamed %+v, whole %+v", streamed, part.LogProbs)
	}
}

// additions is a tool in the form of responses, and in that of chats.
const (
	additionParameters = `{"type":"object","properties":{"a":{"type":"integer"}}}`
	addition           = `{"type":"function","name":"add","description":"adds <two>","parameters":` + additionParameters + `,"strict":false}`
	additionOfChats    = `{"type":"function","function":{"name":"add","description":"adds <two>","parameters":` + additionParameters + `}}`
)

// generate makes the items that a text would make, which comes in pieces.
func generate(t *testing.T, l *loaded, finish string, pieces ...string) (*output, []event) {
	t.Helper()
	talk := &conversation{Options: chat.Options{Tools: []json.RawMessage{json.RawMessage(additionOfChats)}, Generate: true}}
	r := &run{job: &job{talk: talk}, streams: []*engine.Stream{{}}}
	var told []event
	out := &output{loaded: l, speaker: l.speakers(r, "resp_1")[0], logProbs: true, tell: func(e event) error {
		told = append(told, e)
		return nil
	}}
	for _, piece := range pieces {
		e := engine.Event{Text: piece} // of a token that is another, if none has the piece's bytes
		if ids := l.model.Tokenizer().Encode(piece); len(ids) == 1 {
			e.ID = ids[0]
		}
		if l.model.Tokenizer().IsEnd(e.ID) {
			e.Text = ""
		}
		if err := out.token(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.end(engine.Result{Finish: finish}); err != nil {
		t.Fatal(err)
	}
	return out, told
}

// What a model thinks, says and calls are items of their own, each with its steps.
func TestResponseItems(t *testing.T) {
	l := templated(t).current.Load()
	const call = "<tool_call>{\"name\": \"add\", \"arguments\": {\"a\": 2}}</tool_call>"
	for _, c := range []struct {
		text, finish string
		items        []string // kind, state, text or arguments
		thought      int      // pieces
		steps        string
	}{
		{"hello", "stop", []string{"message completed hello"}, 0, "item part text text. part. item."},
		{"hel lo", "length", []string{"message incomplete hel lo"}, 0, "item part text text text. part. item."},
		{"", "stop", []string{"message completed "}, 0, "item part text. part. item."},
		{"<think>a b</think>c", "stop", []string{"reasoning completed a b", "message completed c"}, 2, "item part thought thought thought. part. item. item part text text. part. item."},
		{"<think>a b", "length", []string{"reasoning incomplete a b"}, 2, "item part thought thought thought. part. item."},
		{call, "stop", []string{`function_call completed {"a": 2}`}, 0, "item call call. item."},
		{"I " + call + call, "stop", []string{"message completed I", `function_call completed {"a": 2}`, `function_call completed {"a": 2}`}, 0, "item part text text. part. item. item call call. item. item call call. item."},
	} {
		out, told := generate(t, l, c.finish, strings.SplitAfter(c.text, " ")...)
		var items []string
		for _, doc := range out.docs() {
			data, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			i := parse[outputItem](t, string(data))
			items = append(items, strings.Join([]string{i.Type, i.Status, i.text() + i.Arguments}, " "))
			if i.Type == "function_call" && (i.CallID == "" || i.Name != "add") {
				t.Errorf("%q: %+v", c.text, i)
			}
		}
		if !reflect.DeepEqual(items, c.items) || out.reasoning != c.thought {
			t.Errorf("%q: the items are %q with %d tokens of thought", c.text, items, out.reasoning)
		}
		names := []string{}
		short := strings.NewReplacer("response.", "", "output_item.added", "item", "output_item.done", "item.", "content_part.added", "part", "content_part.done", "part.",
			"output_text.delta", "text", "output_text.done", "text.", "reasoning_text.delta", "thought", "reasoning_text.done", "thought.",
			"function_call_arguments.delta", "call", "function_call_arguments.done", "call.")
		for _, e := range told {
			names = append(names, short.Replace(e.Type))
		}
		if got := strings.Join(names, " "); got != c.steps {
			t.Errorf("%q: the steps are %s", c.text, got)
		}
	}
}

// Log-probabilities are of the text's own tokens: not of tags and thoughts before it, nor
// of the end. Reasoning is as long as it took until its last piece.
func TestTokensOfResponseItems(t *testing.T) {
	const long = "abcdefg" // comes as one token of one byte
	for _, c := range []struct {
		pieces  []string
		told    string // the tokens of the last item
		thought int
	}{
		{[]string{"<think>", "t", "</think>", "a", "b"}, "a b", 1 + 1},
		{[]string{"<think>", "t", "<", "u", "</think>", "a"}, "a", 1 + 3},
		{[]string{"a", "<", "b"}, "a < b", 0},
		{[]string{"a", "<", "<|im_end|>"}, "a <", 0},
		{[]string{long, long}, "! !", 0},
	} {
		out, _ := generate(t, templated(t).current.Load(), "stop", c.pieces...)
		var told []string
		for _, p := range out.items[len(out.items)-1].logProbs {
			told = append(told, p.Token)
		}
		if got := strings.Join(told, " "); got != c.told || out.reasoning != c.thought {
			t.Errorf("%q: told of %q, with %d tokens of thought", c.pieces, got, out.reasoning)
		}
	}
}

// Items make the messages that a chat has for the same.
func TestResponseInput(t *testing.T) {
	l := templated(t).current.Load()
	for input, messages := range map[string]string{
		`"hi"`:                             `[{"role":"user","content":"hi"}]`,
		`[{"role":"user","content":"hi"}]`: `[{"role":"user","content":"hi"}]`,
		`[{"type":"message","role":"developer","content":[{"type":"input_text","text":"a"},{"type":"input_text","text":"b"}]},{"role":"system","content":""}]`:                `[{"role":"developer","content":"a\nb"},{"role":"system","content":""}]`,
		`[{"role":"assistant","content":"a"},{"role":"assistant","content":"b"}]`:                                                                                             `[{"role":"assistant","content":"a"},{"role":"assistant","content":"b"}]`,
		`[{"id":"msg_1","type":"message","status":"completed","role":"assistant","phase":null,"content":[{"type":"output_text","text":"a","annotations":[],"logprobs":[]}]}]`: `[{"role":"assistant","content":"a"}]`,
		`[{"type":"reasoning","id":"rs_1","summary":[],"content":[{"type":"reasoning_text","text":"t"}],"encrypted_content":null},{"role":"assistant","content":"a"},{"type":"function_call","call_id":"1","name":"f","arguments":"{\"x\":1}"},
		  {"type":"function_call","id":"fc_2","call_id":"2","name":"g","arguments":""},{"type":"function_call_output","call_id":"2","output":"r"},{"type":"function_call_output","call_id":"1","output":[{"type":"input_text","text":"s"}]}]`: `[{"role":"assistant","reasoning_content":"t","content":"a","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},{"id":"2","function":{"name":"g","arguments":"{}"}}]},
		  {"role":"tool","tool_call_id":"2","content":"r"},{"role":"tool","tool_call_id":"1","content":"s"}]`,
		`[{"type":"reasoning","summary":[{"type":"summary_text","text":"t"}]},{"type":"reasoning","summary":[{"type":"summary_text","text":"u"}]}]`:                                                                     `[{"role":"assistant","content":null,"reasoning_content":"t"},{"role":"assistant","content":null,"reasoning_content":"u"}]`,
		`[{"type":"reasoning","summary":[{"type":"summary_text","text":"t"}]},{"type":"function_call","call_id":"1","name":"f","arguments":"{}"},{"role":"assistant","content":"a"},{"type":"reasoning","summary":[]}]`: `[{"role":"assistant","content":null,"reasoning_content":"t","tool_calls":[{"function":{"name":"f"},"id":"1"}]},{"role":"assistant","content":"a"},{"role":"assistant","content":null}]`,
	} {
		f, err := readFields([]byte(`{"input":` + input + `}`))
		if err != nil {
			t.Fatal(err)
		}
		got := f.input()
		if err := f.end(); err != nil {
			t.Errorf("%s: %v", input, err)
			continue
		}
		want, err := chat.DecodeMessages([]byte(messages))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.messages, want) {
			t.Errorf("%s: %+v, want %+v", input, got.messages, want)
		}
		if _, err := l.prompt(got); err != nil {
			t.Errorf("%s: %v", input, err)
		}
	}
}

// What the template cannot render is refused by the item that it came from.
func TestResponseInputThatCannotBeRendered(t *testing.T) {
	r := templatedBy(t, Options{}, turns+`{%- if messages[0].content == "never" %}{{ raise_exception("not that") }}{% endif %}`)
	if e := r.refuses(400, "POST", responses, `{"input":"never"}`); e.param() != "input" || !strings.Contains(e.Message, "not that") {
		t.Errorf("%+v of %q", e, e.param())
	}
	// What the rules of a known template find is in one message.
	c := &conversation{messages: make([]chat.Message, 2), places: []string{"instructions", "input[7]"}}
	for place, param := range map[int]string{0: "instructions", 1: "input"} {
		f := c.cannotRender(&chat.MessageError{Index: place, Err: errors.New("so deep")})
		if f.param != param || f.message != c.places[place]+": so deep" {
			t.Errorf("%+v", f)
		}
	}
}

// The items of an answer go back as they came, with what the call returned, and make the
// prompt that a chat makes of them.
func TestToolCallsGoRound(t *testing.T) {
	l := templated(t).current.Load()
	out, _ := generate(t, l, "stop", "<think>", "two", "</think>", "I add.", "<tool_call>", `{"name": "add", "arguments": {"a": 2}}`, "</tool_call>")
	items, err := json.Marshal(out.docs())
	if err != nil {
		t.Fatal(err)
	}
	id := out.items[2].call.ID
	input := `[{"role":"user","content":"2 + 2"},` + string(items[1:len(items)-1]) + `,{"type":"function_call_output","call_id":"` + id + `","output":"4"}]`
	prompt := func(body string, take func(f *fields) *conversation) string {
		f, err := readFields([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		talk := take(f)
		if err := f.end(); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		parts, err := l.render(talk)
		if err != nil {
			t.Fatal(err)
		}
		return chat.Text(parts)
	}
	got := prompt(`{"input":`+input+`,"tools":[`+addition+`]}`, func(f *fields) *conversation {
		talk := f.input()
		_, talk.Tools = f.responseTools()
		return talk
	})
	want := prompt(`{"messages":[{"role":"user","content":"2 + 2"},{"role":"assistant","reasoning_content":"two","content":"I add.","tool_calls":[{"id":"`+id+`","function":{"name":"add","arguments":{"a":2}}}]},
		{"role":"tool","tool_call_id":"`+id+`","content":"4"}],"tools":[`+additionOfChats+`]}`, (*fields).conversation)
	if got != want || !strings.Contains(got, "adds <two>") || !strings.Contains(got, "I add.") {
		t.Errorf("the prompt is\n%s\nof the chat\n%s", got, want)
	}
}

// Every member is honoured or refused by its name, at any depth.
func TestResponseFieldsAreHonouredOrRefused(t *testing.T) {
	r := start(t, Options{})
	for _, more := range []string{
		`,"store":false,"user":"u","service_tier":"auto","safety_identifier":"s","prompt_cache_key":"k","max_tool_calls":3,"metadata":{}`,
		`,"previous_response_id":null,"conversation":null,"prompt":null,"background":false,"truncation":"disabled","n":1`,
		`,"text":{"format":{"type":"text"},"verbosity":"medium"},"include":["reasoning.encrypted_content"],"reasoning":{"summary":null}`,
		`,"tools":[],"tool_choice":"auto","stream_options":null,"chat_template_kwargs":{}`,
		`,"tools":[` + addition + `],"tool_choice":"none"`,
	} {
		r.responds(responseBody("2 + 3 =", more))
	}
	made := r.generated()
	item := func(s string) string { return `,"input":[` + s + `]` }
	for _, c := range []struct{ more, param string }{
		{`,"previous_response_id":"resp_1"`, "previous_response_id"},
		{`,"conversation":"conv_1"`, "conversation"},
		{`,"conversation":{"id":"conv_1"}`, "conversation"},
		{`,"prompt":{"id":"p"}`, "prompt"},
		{`,"background":true`, "background"},
		{`,"truncation":"auto"`, "truncation"},
		{`,"n":2`, "n"},
		{`,"text":{"format":{"type":"json_object"}}`, "text.format"},
		{`,"text":{"verbosity":"low"}`, "text.verbosity"},
		{`,"text":{"mood":1}`, "text.mood"},
		{`,"text":7`, "text"},
		{`,"include":["file_search_call.results"]`, "include"},
		{`,"include":"x"`, "include"},
		{`,"top_logprobs":3`, "top_logprobs"},
		{`,"include":["message.output_text.logprobs"],"top_logprobs":21`, "top_logprobs"},
		{`,"reasoning":{"effort":"high"}`, "reasoning.effort"},
		{`,"reasoning":{"summary":"auto"}`, "reasoning.summary"},
		{`,"reasoning":"none"`, "reasoning"},
		{`,"metadata":{"a":1}`, "metadata"},
		{`,"max_tokens":3`, "max_tokens"},
		{`,"max_output_tokens":0`, "max_output_tokens"},
		{`,"messages":[]`, "messages"},
		{`,"context_management":[]`, "context_management"},
		{`,"tools":[` + addition + `]`, "tools"}, // the demo has no template
		{`,"tools":[{"type":"web_search"}]`, "tools[0].type"},
		{`,"tools":[` + additionOfChats + `]`, "tools[0].name"},
		{`,"tools":[{"type":"function","name":"f","strict":true}]`, "tools[0].strict"},
		{`,"tools":[{"type":"function","name":"f","parameters":7}]`, "tools[0].parameters"},
		{`,"tools":[null]`, "tools[0]"},
		{`,"tools":7`, "tools"},
		{`,"tool_choice":"required"`, "tool_choice"},
		{`,"tool_choice":{"type":"function","name":"f"}`, "tool_choice"},
		{`,"tools":[` + addition + `],"parallel_tool_calls":false`, "parallel_tool_calls"},
		{`,"instructions":7`, "instructions"},
		{`,"input":null`, "input"},
		{`,"input":7`, "input"},
		{`,"input":[]`, "input"},
		{`,"input":""`, "input"},
		{item("1"), "input[0]"},
		{item("null"), "input[0]"},
		{item(`{"role":"king","content":"x"}`), "input[0].role"},
		{item(`{"role":"user"}`), "input[0].content"},
		{item(`{"role":"user","content":"x","mood":1}`), "input[0].mood"},
		{item(`{"role":"user","content":[{"type":"input_image","image_url":"x"}]}`), "input[0].content[0].type"},
		{item(`{"role":"user","content":[{"type":"input_text"}]}`), "input[0].content[0].text"},
		{item(`{"content":"x"}`), "input[0].type"},
		{item(`{"type":"item_reference","id":"msg_1"}`), "input[0].type"},
		{item(`{"type":"computer_call"}`), "input[0].type"},
		{item(`{"type":"reasoning","summary":[],"encrypted_content":"x"}`), "input[0].encrypted_content"},
		{item(`{"type":"function_call","name":"f","arguments":"{}"}`), "input[0].call_id"},
		{item(`{"type":"function_call","call_id":"1","arguments":"{}"}`), "input[0].name"},
		{item(`{"type":"function_call_output","call_id":"1","output":"x"}`), "input[0].call_id"},
		{item(`{"role":"user","content":"` + strings.Repeat("x^2 ", 400) + `"}`), "input"},
	} {
		body := `{"temperature":0` + c.more + "}"
		if !strings.Contains(body, `"input":`) {
			body = `{"input":"2 + 3 =","temperature":0` + c.more + "}"
		}
		if e := r.refuses(400, "POST", responses, body); e.param() != c.param {
			t.Errorf("%s: %+v of %q", c.more, e, e.param())
		}
	}
	if got := r.generated(); got != made {
		t.Errorf("%d tokens were generated for what was refused", got-made)
	}
}

// Not to think is asked of the template; where it has no way to say so, that is refused,
// as everything else is that would be an effort.
func TestResponseThinking(t *testing.T) {
	knows := templated(t)
	knows.responds(responseBody("x", `,"reasoning":{"effort":"none"},"chat_template_kwargs":{"enable_thinking":false}`))
	if e := knows.refuses(400, "POST", responses, responseBody("x", `,"reasoning":{"effort":"none"},"chat_template_kwargs":{"enable_thinking":true}`)); e.param() != "chat_template_kwargs" {
		t.Errorf("%+v of %q", e, e.param())
	}
	talk := &conversation{messages: []chat.Message{{Role: "user", Content: "x"}}, Options: chat.Options{Generate: true}}
	for body, opens := range map[string]bool{`{"reasoning":{"effort":"none"}}`: false, `{"reasoning":{}}`: true} {
		f, err := readFields([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		yes := true
		talk.Thinking = &yes
		knows.current.Load().reasoning(f, talk)
		if got := knows.current.Load().template.ThinkOpen(talk.Options); got != opens {
			t.Errorf("%s: thinking is open: %t", body, got)
		}
	}
	deaf := templatedBy(t, Options{}, strings.ReplaceAll(turns, "enable_thinking", "true"))
	if e := deaf.refuses(400, "POST", responses, responseBody("x", `,"reasoning":{"effort":"none"}`)); e.param() != "reasoning.effort" {
		t.Errorf("%+v of %q", e, e.param())
	}
}
