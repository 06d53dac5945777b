package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"bankai/chat"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/gguf"
	"bankai/internal/testmodel"
)

// Paths of Ollama's requests for text.
const (
	ollamaChats = "/api/chat"
	ollamaTexts = "/api/generate"
)

// ollamaReply is what tests read of an answer: of all its documents, if there are several.
type ollamaReply struct {
	Model, Response, Thinking string
	Created                   time.Time `json:"created_at"`
	Message                   struct {
		Role, Content, Thinking string
		Calls                   []ollamaCall `json:"tool_calls"`
	}
	Done       bool
	Reason     string `json:"done_reason"`
	Total      int64  `json:"total_duration"`
	Load       int64  `json:"load_duration"`
	PromptEval int    `json:"prompt_eval_count"`
	Prompt     int64  `json:"prompt_eval_duration"`
	Eval       int    `json:"eval_count"`
	Answer     int64  `json:"eval_duration"`
	LogProbs   json.RawMessage

	docs int
	seed string
}

// text is what was said, be it a chat or a text.
func (a ollamaReply) text() string { return a.Response + a.Message.Content }

// ollama asks for an answer that must be given, and joins its documents.
func (r *running) ollama(path, body string) (all ollamaReply) {
	r.t.Helper()
	got := r.do("POST", path, body)
	if got.status != http.StatusOK {
		r.t.Fatalf("%s: status %d: %s", body, got.status, got.body)
	}
	var probs []string
	for line := range strings.Lines(got.body) {
		a := parse[ollamaReply](r.t, line)
		if all.Done || a.Created.IsZero() || all.Model != "" && a.Model != all.Model {
			r.t.Errorf("%s: a line is %s", body, line)
		}
		a.Response, a.Thinking = all.Response+a.Response, all.Thinking+a.Thinking
		a.Message.Content, a.Message.Thinking = all.Message.Content+a.Message.Content, all.Message.Thinking+a.Message.Thinking
		a.Message.Calls = append(all.Message.Calls, a.Message.Calls...)
		a.docs = all.docs + 1
		if p := string(a.LogProbs); p != "" {
			probs = append(probs, p[1:len(p)-1])
		}
		all = a
	}
	if !all.Done {
		r.t.Errorf("%s: the answer has no end: %s", body, got.body)
	}
	all.LogProbs, all.seed = json.RawMessage("["+strings.Join(probs, ",")+"]"), got.header.Get(seedHeader)
	return all
}

// ollamaRefuses asks for what must be refused, and returns what the error says.
func (r *running) ollamaRefuses(status int, method, path, body string, head ...string) string {
	r.t.Helper()
	got := r.do(method, path, body, head...)
	doc := map[string]any{}
	if err := json.Unmarshal([]byte(got.body), &doc); err != nil {
		r.t.Fatalf("%s %s %.100s: %v: %s", method, path, body, err, got.body)
	}
	says, ok := doc["error"].(string)
	if got.status != status || !ok || says == "" || len(doc) != 1 {
		r.t.Errorf("%s %s %.100s: status %d, want %d: %s", method, path, body, got.status, status, got.body)
	}
	return says
}

// Clients find out that somebody listens, and of what age.
func TestOllamaGreets(t *testing.T) {
	r := start(t, Options{})
	for _, method := range []string{"GET", "HEAD"} {
		for path, want := range map[string]string{"/": "Ollama is running", "/api/version": `{"version":"` + ollamaVersion + `"}` + "\n"} {
			if method == "HEAD" {
				want = ""
			}
			if got := r.do(method, path, ""); got.status != 200 || got.body != want {
				t.Errorf("%s %s: %+v", method, path, got)
			}
		}
	}
}

// With the same seed and settings an answer has the text, the log-probabilities and the
// reason of that to OpenAI's API, streamed or not, under any patches.
func TestOllamaAnswersAsOpenAI(t *testing.T) {
	r := start(t, Options{})
	const question = "Find the derivative of 2x^8:"
	for _, c := range []struct{ model, options, members string }{
		{"demo", "", ""},
		{"demo:latest", `"temperature":0,"num_predict":12`, `"temperature":0,"max_tokens":12`},
		{"demo:a", `"temperature":0,"num_predict":12`, `"temperature":0,"max_tokens":12`},
		{"demo:b+a", `"num_predict":20`, `"max_tokens":20`},
		{"both", `"temperature":1.5,"top_k":0,"top_p":1,"min_p":0,"num_predict":30`, `"temperature":1.5,"top_k":0,"top_p":1,"min_p":0,"max_tokens":30`},
		{"demo", `"repeat_penalty":1.3,"repeat_last_n":8,"stop":["8","\n\n"]`, `"repeat_penalty":1.3,"repeat_last_n":8,"stop":["8","\n\n"]`},
		{"demo", `"presence_penalty":1,"frequency_penalty":0.5,"num_predict":-1`, `"presence_penalty":1,"frequency_penalty":0.5,"max_tokens":100000`},
	} {
		more, probs := c.members, `,"logprobs":true,"top_logprobs":2`
		if more != "" {
			more = "," + more
		}
		want := r.ask(chats, fmt.Sprintf(`{"model":%q,"seed":7,"messages":[{"role":"system","content":"Be short."},{"role":"user","content":%q}]%s%s}`, c.model, question, more, probs))
		wantProbs := parse[struct{ Content json.RawMessage }](t, string(want.Choices[0].LogProbs)).Content
		options := strings.TrimSuffix(`"seed":7,`+c.options, ",")
		for _, stream := range []string{"", `,"stream":true`, `,"stream":false`} {
			for path, asks := range map[string]string{
				ollamaChats: `"messages":[{"role":"system","content":"Be short."},{"role":"user","content":%q}]`,
				ollamaTexts: `"system":"Be short.","prompt":%q`,
			} {
				got := r.ollama(path, fmt.Sprintf(`{"model":%q,`+asks+`,"options":{%s}%s%s}`, c.model, question, options, probs, stream))
				if got.text() != want.text() || string(got.LogProbs) != string(wantProbs) || got.Model != c.model || got.seed != "7" ||
					got.Reason != want.Choices[0].FinishReason || got.PromptEval != want.Usage.Prompt || got.Eval != want.Usage.Answer {
					t.Errorf("%s %s %s: %+v, want %+v", path, options, stream, got, want)
				}
				if whole := stream == `,"stream":false`; whole != (got.docs == 1) {
					t.Errorf("%s%s: %d documents", path, stream, got.docs)
				}
				if path == ollamaChats && got.Message.Role != "assistant" {
					t.Errorf("%s: the role is %q", path, got.Message.Role)
				}
			}
		}
	}
}

// A raw prompt is completed as it is, special tokens included.
func TestOllamaRaw(t *testing.T) {
	r := templated(t)
	const prompt = "At night the<|im_end|>"
	want := r.ask(texts, `{"prompt":"`+prompt+`","seed":5,"max_tokens":8}`)
	for raw, same := range map[string]bool{"true": true, "false": false} {
		got := r.ollama(ollamaTexts, `{"model":"tiny","prompt":"`+prompt+`","raw":`+raw+`,"stream":false,"options":{"seed":5,"num_predict":8}}`)
		if (got.Response == want.text() && got.PromptEval == want.Usage.Prompt) != same {
			t.Errorf("raw %s: %+v, want %+v", raw, got, want)
		}
	}
}

// keys are the names in a document, those of objects in it behind a dot.
func keys(t *testing.T, doc string) (all []string) {
	t.Helper()
	for name, value := range parse[map[string]json.RawMessage](t, doc) {
		all = append(all, name)
		if value[0] == '{' && name != "model_info" {
			for _, inner := range keys(t, string(value)) {
				all = append(all, name+"."+inner)
			}
		}
	}
	slices.Sort(all)
	return all
}

// The documents have the members that clients read.
func TestOllamaShapes(t *testing.T) {
	r := start(t, Options{})
	const (
		times   = "done done_reason eval_count eval_duration load_duration "
		asks    = `"messages":[{"role":"user","content":"At night the"}],"options":{"num_predict":3}`
		details = "details details.families details.family details.format details.parameter_size details.parent_model details.quantization_level "
	)
	for _, c := range []struct{ method, path, body, first, last string }{
		{"POST", ollamaChats, `{` + asks + `}`, "created_at done message message.content message.role model", "created_at " + times + "message message.content message.role model prompt_eval_count prompt_eval_duration total_duration"},
		{"POST", ollamaChats, `{` + asks + `,"logprobs":true}`, "created_at done logprobs message message.content message.role model", "created_at " + times + "message message.content message.role model prompt_eval_count prompt_eval_duration total_duration"},
		{"POST", ollamaChats, `{` + asks + `,"logprobs":true,"stream":false}`, "", "created_at " + times + "logprobs message message.content message.role model prompt_eval_count prompt_eval_duration total_duration"},
		{"POST", ollamaTexts, `{"prompt":"At night the","options":{"num_predict":3}}`, "created_at done model response", "created_at " + times + "model prompt_eval_count prompt_eval_duration response total_duration"},
		{"POST", ollamaTexts, `{"prompt":"At night the","options":{"num_predict":3},"stream":false}`, "", "created_at " + times + "model prompt_eval_count prompt_eval_duration response total_duration"},
		{"POST", ollamaTexts, `{}`, "", "created_at done done_reason model response"},
		{"POST", ollamaChats, `{}`, "", "created_at done done_reason message message.content message.role model"},
		{"POST", "/api/show", `{}`, "", "capabilities " + details + "model_info modified_at parameters template"},
	} {
		got := r.do(c.method, c.path, c.body)
		lines := strings.Split(strings.TrimSuffix(got.body, "\n"), "\n")
		kind := "application/json"
		if len(lines) > 1 {
			kind = "application/x-ndjson"
		}
		if (len(lines) > 1) != (c.first != "") || got.header.Get("Content-Type") != kind {
			t.Errorf("%s %s: %d lines of %s", c.path, c.body, len(lines), got.header.Get("Content-Type"))
		}
		if have := strings.Join(keys(t, lines[len(lines)-1]), " "); have != c.last {
			t.Errorf("%s %s ends with\n%s, want\n%s", c.path, c.body, have, c.last)
		}
		if have := strings.Join(keys(t, lines[0]), " "); c.first != "" && have != c.first {
			t.Errorf("%s %s begins with\n%s, want\n%s", c.path, c.body, have, c.first)
		}
	}
	for _, path := range []string{"/api/tags", "/api/ps"} {
		list := parse[struct{ Models []json.RawMessage }](t, r.do("GET", path, "").body)
		more := ""
		if path == "/api/ps" {
			more = "size_vram"
		}
		want := strings.Fields(strings.TrimSpace(details + "digest model modified_at name size " + more))
		if more != "" {
			want = append(want, "context_length", "expires_at")
		}
		slices.Sort(want)
		if have := keys(t, string(list.Models[0])); !slices.Equal(have, want) {
			t.Errorf("%s has %v, want %v", path, have, want)
		}
	}
}

// Durations are measured: the parts are no more than the whole, nor the whole more than
// what the client saw.
func TestOllamaDurations(t *testing.T) {
	r := start(t, Options{})
	for _, stream := range []bool{true, false} {
		began := time.Now()
		got := r.ollama(ollamaTexts, fmt.Sprintf(`{"prompt":"At night the","stream":%t,"options":{"num_predict":40}}`, stream))
		seen := int64(time.Since(began))
		if got.Load <= 0 || got.Prompt <= 0 || got.Answer <= 0 || got.Load+got.Prompt+got.Answer > got.Total || got.Total > seen {
			t.Errorf("%+v in %d", got, seen)
		}
	}
}

// Without a prompt a request loads the model, or lets it go, which both do nothing.
func TestOllamaLoads(t *testing.T) {
	r := start(t, Options{})
	for body, reason := range map[string]string{
		`{"model":"demo:a"}`: "load", `{"model":"demo:a","messages":[],"prompt":""}`: "load", `{"model":"demo:a","keep_alive":"5m"}`: "load",
		`{"model":"demo:a","keep_alive":-1}`: "load", `{"model":"demo:a","keep_alive":0}`: "unload", `{"model":"demo:a","keep_alive":"0s","stream":true}`: "unload",
	} {
		for _, path := range []string{ollamaChats, ollamaTexts} {
			body := strings.Replace(body, map[string]string{ollamaChats: `,"prompt":""`, ollamaTexts: `"messages":[],`}[path], "", 1)
			if got := r.ollama(path, body); got.Reason != reason || got.Model != "demo:a" || got.docs != 1 || got.text() != "" {
				t.Errorf("%s %s: %+v", path, body, got)
			}
		}
	}
	r.ollama(ollamaTexts, `{"model":"demo","prompt":"x","options":{"num_predict":1}}`)
	if n := r.generated(); n != 1 {
		t.Errorf("%d tokens were generated", n)
	}
}

// Every member of a request is honoured or refused by its name, those in "options", too.
func TestOllamaFieldsAreHonouredOrRefused(t *testing.T) {
	r := start(t, Options{})
	const fine = ""
	for _, c := range []struct{ path, members, says string }{
		{"", `"stream":null,"format":"","think":false,"keep_alive":"10m","truncate":true,"shift":false,"options":null`, fine},
		{"", `"keep_alive":300.5,"patches":["a"],"logprobs":true,"top_logprobs":20,"truncate":false,"options":{}`, fine},
		{"", `"options":{"num_ctx":8192,"num_batch":2,"num_gpu":1,"main_gpu":0,"num_thread":8,"num_keep":4,"numa":false,"low_vram":false,"use_mmap":true,"use_mlock":false}`, fine},
		{"", `"options":{"typical_p":1.0,"tfs_z":1,"mirostat":0,"mirostat_tau":5,"mirostat_eta":0.1,"penalize_newline":true}`, fine},
		{"", `"options":{"seed":-1,"repeat_last_n":-1,"repeat_penalty":1.1,"num_predict":-2,"stop":"x"}`, fine},
		{"", `"options":{"stop":["1","2","3","4","5","6","7","8","9","0"]}`, fine},
		{"", `"format":"json"`, "format"},
		{"", `"format":{"type":"object"}`, "format"},
		{"", `"think":true`, `"demo" does not support thinking`},
		{"", `"think":"high"`, "think must be true or false"},
		{"", `"keep_alive":"soon"`, "keep_alive"},
		{"", `"keep_alive":true`, "keep_alive"},
		{"", `"stream":"yes"`, "stream"},
		{"", `"truncate":1`, "truncate"},
		{"", `"shift":1`, "shift"},
		{"", `"logprobs":3`, "logprobs"},
		{"", `"top_logprobs":3`, "top_logprobs needs"},
		{"", `"logprobs":true,"top_logprobs":21`, "top_logprobs"},
		{"", `"n":2`, `"n"`},
		{"", `"temperature":0`, `"temperature" is not known here: give it in "options"`},
		{"", `"stop":["x"]`, `give it in "options"`},
		{"", `"streem":true`, `did you mean "stream"?`},
		{"", `"options":7`, "options must be an object"},
		{"", `"options":{"temprature":1}`, `options: the field "temprature" is not known: did you mean "temperature"?`},
		{"", `"options":{"temperature":-1}`, "temperature"},
		{"", `"options":{"top_k":0.5}`, "top_k"},
		{"", `"options":{"top_p":2}`, "top_p"},
		{"", `"options":{"min_p":"x"}`, "min_p"},
		{"", `"options":{"seed":1.5}`, "seed"},
		{"", `"options":{"stop":[""]}`, "stop"},
		{"", `"options":{"stop":["` + strings.Repeat(`x","`, ollamaStops) + `x"]}`, "at most 64"},
		{"", `"options":{"num_predict":0}`, "num_predict"},
		{"", `"options":{"num_predict":-3}`, "num_predict"},
		{"", `"options":{"repeat_last_n":-2}`, "repeat_last_n"},
		{"", `"options":{"typical_p":0.7}`, "typical_p"},
		{"", `"options":{"tfs_z":0.7}`, "tfs_z"},
		{"", `"options":{"mirostat":1}`, "mirostat"},
		{"", `"options":{"penalize_newline":false}`, "penalize_newline"},
		{"", `"options":{"seed":1,"seed":2}`, "twice"},
		{"", `"_debug_render_only":true`, "_debug_render_only"},
		{ollamaChats, `"tools":[]`, fine},
		{ollamaChats, `"tools":[{"type":"function","function":{"name":"f"}}]`, `"demo" does not support tools`},
		{ollamaChats, `"tools":7`, "tools"},
		{ollamaChats, `"prompt":"x"`, "prompt"},
		{ollamaChats, `"raw":true`, "raw"},
		{ollamaTexts, `"suffix":"","system":"","template":"","images":[],"context":[],"raw":false`, fine},
		{ollamaTexts, `"raw":true`, fine},
		{ollamaTexts, `"suffix":"x"`, "suffix"},
		{ollamaTexts, `"template":"{{ .Prompt }}"`, "template"},
		{ollamaTexts, `"images":["aGk="]`, "images"},
		{ollamaTexts, `"context":[1,2]`, "context"},
		{ollamaTexts, `"raw":true,"system":"x"`, "system"},
		{ollamaTexts, `"raw":true,"think":false`, "think"},
		{ollamaTexts, `"messages":[]`, "messages"},
		{ollamaTexts, `"width":512`, "width"},
	} {
		for path, asks := range map[string]string{ollamaChats: `"messages":[{"role":"user","content":"2 + 3 ="}]`, ollamaTexts: `"prompt":"2 + 3 ="`} {
			if c.path != "" && c.path != path {
				continue
			}
			body := fmt.Sprintf(`{"model":"demo",%s,%s}`, asks, c.members)
			if !strings.Contains(c.members, `"options"`) {
				body = strings.TrimSuffix(body, "}") + `,"options":{"num_predict":4}}`
			}
			if c.says == fine {
				r.ollama(path, body)
			} else if says := r.ollamaRefuses(400, "POST", path, body); !strings.Contains(says, c.says) {
				t.Errorf("%s %s: %s", path, c.members, says)
			}
		}
	}
}

// Without a seed one is drawn and told, and -1 stands for none.
func TestOllamaSeedIsTold(t *testing.T) {
	r := start(t, Options{})
	body := func(seed string) string {
		return `{"prompt":"At night the","options":{"num_predict":20,"temperature":1` + seed + `}}`
	}
	first, other := r.ollama(ollamaTexts, body("")), r.ollama(ollamaTexts, body(`,"seed":-1`))
	if first.seed == "" || first.seed == other.seed || other.seed == "-1" {
		t.Errorf("drew %s and %s", first.seed, other.seed)
	}
	if again := r.ollama(ollamaTexts, body(`,"seed":`+other.seed)); again.Response != other.Response {
		t.Errorf("with the seed %s: %q, was %q", other.seed, again.Response, other.Response)
	}
}

// What is not there is refused in the words that clients look for, and never answered by
// the base.
func TestOllamaUnknownNames(t *testing.T) {
	r := start(t, Options{})
	for _, c := range []struct {
		members string
		status  int
		says    string
	}{
		{`"model":"llama3"`, 404, "model 'llama3' not found"},
		{`"model":"llama3:latest"`, 404, "model 'llama3:latest' not found"},
		{`"model":"demo:c"`, 404, "model 'demo:c' not found"},
		{`"model":"demo:a+c"`, 404, "model 'demo:a+c' not found"},
		{`"model":"Demo"`, 404, "model 'Demo' not found"},
		{`"model":""`, 404, `there is no model ""`},
		{`"model":"demo","patches":["c"]`, 404, `there is no patch "c"`},
		{`"model":"demo:a","patches":["b"]`, 400, "name different patches"},
		{`"model":"demo:a+a"`, 400, "named twice"},
		{`"model":7`, 400, "model must be a string"},
	} {
		for path, asks := range map[string]string{ollamaChats: `,"messages":[{"role":"user","content":"x"}]`, ollamaTexts: `,"prompt":"x"`, "/api/show": ""} {
			if says := r.ollamaRefuses(c.status, "POST", path, "{"+c.members+asks+"}"); !strings.Contains(says, c.says) {
				t.Errorf("%s %s: %s", path, c.members, says)
			}
		}
	}
	if n := r.generated(); n != 0 {
		t.Errorf("%d tokens were generated", n)
	}
}

// Every refusal at a path of Ollama's is a text, whoever refuses; at others an object.
func TestOllamaErrorsAreTexts(t *testing.T) {
	r := start(t, Options{Loopback: true, Keys: []string{"key"}})
	const key = "Bearer key"
	for _, c := range []struct {
		status             int
		method, path, body string
		head               []string
		says               string
	}{
		{401, "POST", ollamaChats, "{}", nil, "this server wants a key"},
		{401, "GET", "/api/tags", "", []string{"Authorization", "Bearer x"}, "not one of this server's"},
		{403, "GET", "/api/tags", "", []string{"Host", "evil.example"}, "evil.example"},
		{403, "POST", ollamaChats, "{}", []string{"Origin", "https://evil.example"}, "evil.example"},
		{404, "GET", "/api/me", "", []string{"Authorization", key}, "there is nothing at GET /api/me"},
		{405, "GET", ollamaChats, "", []string{"Authorization", key}, "use POST"},
		{413, "POST", ollamaTexts, `{"prompt":"` + strings.Repeat("x", 17<<20) + `"}`, []string{"Authorization", key}, "16 MiB"},
		{400, "POST", ollamaTexts, `{"prompt"`, []string{"Authorization", key}, "not JSON"},
		{400, "POST", ollamaTexts, `{"prompt":"` + strings.Repeat("x^2 ", 400) + `"}`, []string{"Authorization", key}, "context holds 256"},
		{501, "POST", "/api/embed", `{"model":"demo","input":"x"}`, []string{"Authorization", key}, "no embeddings"},
		{501, "POST", "/api/embeddings", `{"model":"demo","prompt":"x"}`, []string{"Authorization", key}, "no embeddings"},
		{501, "POST", "/api/pull", `{"model":"x"}`, []string{"Authorization", key}, "the one model"},
		{501, "POST", "/api/push", `{"model":"x"}`, []string{"Authorization", key}, "the one model"},
		{501, "POST", "/api/create", `{"model":"x","from":"demo"}`, []string{"Authorization", key}, "the one model"},
		{501, "DELETE", "/api/delete", `{"model":"x"}`, []string{"Authorization", key}, "the one model"},
		{501, "POST", "/api/copy", `{"source":"demo","destination":"x"}`, []string{"Authorization", key}, "the one model"},
		{501, "POST", "/api/blobs/sha256:00", "x", []string{"Authorization", key}, "the one model"},
	} {
		if says := r.ollamaRefuses(c.status, c.method, c.path, c.body, c.head...); !strings.Contains(says, c.says) {
			t.Errorf("%s %s: %s", c.method, c.path, says)
		}
	}
	if got := r.do("HEAD", "/api/blobs/sha256:00", "", "Authorization", key); got.status != 501 || got.header.Get("X-Should-Retry") != "false" {
		t.Errorf("the head of a blob: %+v", got)
	}
	for _, path := range []string{"/api/embed", "/api/pull", "/v1/embeddings"} {
		if got := r.do("POST", path, `{"input":"x"}`, "Authorization", key); got.status != 501 || got.header.Get("X-Should-Retry") != "false" {
			t.Errorf("%s: %+v: clients would try again", path, got)
		}
	}
	r.refuses(403, "GET", "/api/patches", "", "Host", "evil.example")
	r.refuses(404, "GET", "/api/patches/c", "", "Authorization", key)
	listen(t, Options{}).ollamaRefuses(503, "GET", "/api/tags", "")
}

// A failure in the middle of an answer is its last line; what says that it goes on is a
// document, too.
func TestOllamaStreams(t *testing.T) {
	r := start(t, Options{})
	q, err := http.NewRequestWithContext(t.Context(), "POST", ollamaChats, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{header: http.Header{}, wrote: make(chan string, 100)}
	x := &exchange{s: r.Server, loaded: r.current.Load(), r: q, w: &answerWriter{ResponseWriter: rec}, say: ollama}
	pieces := make(chan piece, 2)
	pieces <- piece{event: engine.Event{ID: 1, Text: "Hi"}}
	pieces <- piece{end: &engine.Result{Err: &engine.TooLongError{Tokens: 2, Limit: 1}}}
	a := &ollamaAnswer{
		ollamaRequest: &ollamaRequest{job: &job{model: "demo"}, chat: true}, x: x, teller: asWritten{},
		run: &run{job: &job{}, pieces: pieces, streams: []*engine.Stream{{}}},
	}
	if err := a.sendPieces(); err != nil {
		t.Fatal(err)
	}
	if got := parse[ollamaReply](t, <-rec.wrote); got.Message.Content != "Hi" || got.Done {
		t.Errorf("first %+v", got)
	}
	if got := parse[struct{ Error string }](t, <-rec.wrote); !strings.Contains(got.Error, "1") || len(rec.wrote) > 0 {
		t.Errorf("then %+v", got)
	}
	doc, err := json.Marshal(a.doc(&spoken{}, nil))
	if err != nil {
		t.Fatal(err)
	}
	out := x.stream(lines(string(doc) + "\n"))
	out.after = time.Millisecond
	done := make(chan bool)
	go func() {
		whole, _ := out.each(a.run, func(int, engine.Event) error { return nil }, func(int, engine.Result) error { return nil })
		done <- whole
	}()
	if got := parse[ollamaReply](t, <-rec.wrote); got.Message.Content != "" || got.Message.Role != "assistant" || got.Done {
		t.Errorf("wrote %+v", got)
	}
	pieces <- piece{end: &engine.Result{Finish: "stop"}}
	if !<-done {
		t.Error("the answer did not come to its end")
	}
}

// The list has the model and each patch; show finds these and any other set.
func TestOllamaModels(t *testing.T) {
	r := start(t, Options{})
	type model struct {
		Name, Model, Digest string
		Modified            time.Time `json:"modified_at"`
		Expires             time.Time `json:"expires_at"`
		Size                int64
		Context             int `json:"context_length"`
		Details             ollamaDetails
	}
	models := func(path string) []model {
		return parse[struct{ Models []model }](t, r.do("GET", path, "").body).Models
	}
	var names []string
	base := models("/api/tags")[0]
	for _, m := range models("/api/tags") {
		names = append(names, m.Name)
		parent := "demo:latest"
		if m.Name == parent {
			parent = ""
		}
		if m.Model != m.Name || m.Modified.IsZero() || (m.Size > base.Size) != (parent != "") || len(m.Digest) != 64 || (m.Digest == base.Digest) != (parent == "") ||
			m.Details.Parent != parent || m.Details.Format != "gguf" || m.Details.Family != "qwen3" || m.Details.Parameters != "6.03M" || m.Details.Level != "Q1_0" {
			t.Errorf("%+v", m)
		}
		r.ollama(ollamaTexts, fmt.Sprintf(`{"model":%q,"prompt":"x","options":{"num_predict":1}}`, m.Name))
	}
	if want := []string{"demo:latest", "demo:a", "demo:b", "demo:both"}; !slices.Equal(names, want) {
		t.Errorf("the models are %v", names)
	}
	if all := models("/api/ps"); len(all) != 1 || all[0].Name != "demo:latest" || all[0].Size != base.Size || all[0].Context != 256 || time.Until(all[0].Expires) < 24*time.Hour {
		t.Errorf("%+v are loaded", all)
	}
	type shown struct {
		Template, Parameters string
		Details              ollamaDetails
		Info                 map[string]any `json:"model_info"`
		Capabilities         []string
	}
	for body, parent := range map[string]string{
		`{"model":"demo"}`: "", `{"name":"demo:latest"}`: "", `{"model":"demo:a","name":"demo:a","verbose":false}`: "demo:latest",
		`{"model":"demo:a+b","system":"","template":"","options":{}}`: "demo:latest", `{"model":"demo","patches":["a"]}`: "demo:latest",
	} {
		got := parse[shown](t, r.do("POST", "/api/show", body).body)
		if got.Details.Parent != parent || got.Info["general.architecture"] != "qwen3" || got.Info["qwen3.context_length"] != 256.0 || got.Info["qwen3.block_count"] != 6.0 ||
			!slices.Equal(got.Capabilities, []string{"completion"}) || !strings.Contains(got.Parameters, "temperature                    0.8\n") || !strings.HasSuffix(got.Parameters, "num_ctx                        256") {
			t.Errorf("%s: %+v", body, got)
		}
	}
	for body, says := range map[string]string{
		`{"model":"demo","name":"demo:a"}`: "model and name do not agree", `{"model":"demo","verbose":true}`: "verbose",
		`{"model":"demo","system":"x"}`: "system", `{"model":"demo","template":"x"}`: "template", `{"model":"demo","options":{"seed":1}}`: "options", `{"modle":"demo"}`: `did you mean "model"?`,
	} {
		if got := r.ollamaRefuses(400, "POST", "/api/show", body); !strings.Contains(got, says) {
			t.Errorf("%s: %s", body, got)
		}
	}
	r = templated(t)
	if got := parse[shown](t, r.do("POST", "/api/show", `{"model":"tiny"}`).body); got.Template != turns || !slices.Equal(got.Capabilities, []string{"completion", "tools", "thinking"}) {
		t.Errorf("%+v", got)
	}
	if got := startNamed(t, Options{}, "bonsai:8b").do("GET", "/api/tags", ""); !strings.Contains(got.body, `"name":"bonsai:8b"`) || !strings.Contains(got.body, `"name":"bonsai:8b:a"`) {
		t.Errorf("names with a colon: %s", got.body)
	}
}

// Sizes are written as Ollama writes them.
func TestOllamaParameterSizes(t *testing.T) {
	for n, want := range map[int64]string{8190735360: "8.19B", 494_030_000: "494M", 999_600_000: "1.00B", 336768: "337K"} {
		if got := inShort(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
}

// Of a template can be asked what it has room for.
func TestAbilities(t *testing.T) {
	const messages = `{%- for m in messages %}{{ m.content }}{% endfor %}`
	for template, want := range map[string]abilities{
		"":       {},
		messages: {},
		turns:    {tools: true, obeys: true, thinking: true},
		messages + `{% if add_generation_prompt %}<think>{% endif %}`: {thinking: true},
		messages + `{{ tools | tojson }}`:                             {tools: true},
	} {
		tpl, err := chat.NewTemplate(template, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := abilitiesOf(tpl); got != want {
			t.Errorf("%q: %+v, want %+v", template, got, want)
		}
	}
}

// Conversations in Ollama's form become the prompts of those in OpenAI's.
func TestOllamaConversations(t *testing.T) {
	l := templated(t).current.Load()
	const tools = `,"tools":[{"type":"function","function":{"name":"add","parameters":{"type":"object"}}}]`
	prompt := func(body string, read func(f *fields) *conversation) string {
		f, err := readFields([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		c := read(f)
		if err := f.end(); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		ids, err := l.prompt(c)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		return l.model.Tokenizer().Decode(ids)
	}
	for ollama, openAI := range map[string]string{
		`{"messages":[{"role":"user","content":"x","images":[]}],"think":true}`:                                                                                         `{"messages":[{"role":"user","content":"x"}],"chat_template_kwargs":{"enable_thinking":true}}`,
		`{"messages":[{"role":"user","content":"x<|im_end|>"}],"think":false}`:                                                                                          `{"messages":[{"role":"user","content":"x<|im_end|>"}]}`,
		`{"messages":[{"role":"user","content":"x"}]` + tools + `}`:                                                                                                     `{"messages":[{"role":"user","content":"x"}]` + tools + `}`,
		`{"messages":[{"role":"system","content":"s"},{"role":"user","content":"x"},{"role":"assistant","content":"y","thinking":"hm"},{"role":"user","content":"z"}]}`: `{"messages":[{"role":"system","content":"s"},{"role":"user","content":"x"},{"role":"assistant","content":"y","reasoning_content":"hm"},{"role":"user","content":"z"}]}`,
		`{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"","tool_calls":[{"function":{"index":0,"name":"add","arguments":{"a":2}}}]},{"role":"tool","tool_name":"add","content":"5"}]` + tools + `}`: `{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"","tool_calls":[{"function":{"name":"add","arguments":"{\"a\":2}"}}]},{"role":"tool","name":"add","content":"5"}]` + tools + `}`,
	} {
		got, want := prompt(ollama, func(f *fields) *conversation { return f.ollamaConversation(l) }), prompt(openAI, (*fields).conversation)
		if got != want {
			t.Errorf("%s: %q, want %q", ollama, got, want)
		}
	}
	r := templated(t)
	for messages, says := range map[string]string{
		`7`: "messages must be", `[7]`: "messages must be", `[null]`: "messages[0]", `[{"content":"x"}]`: "role",
		`[{"role":"user","content":"x"},{"role":"user","content":"x","images":["aGk="]}]`:   "messages[1]: images is not supported",
		`[{"role":"user","content":"x","mood":"bad"}]`:                                      "messages[0]: mood",
		`[{"role":"king","content":"x"}]`:                                                   "king",
		`[{"role":"tool","content":"x","tool_name":"a","name":"b"}]`:                        "messages[0]: name and tool_name do not agree",
		`[{"role":"assistant","content":"x","tool_calls":[{"function":{"arguments":{}}}]}]`: "names no function",
	} {
		if got := r.ollamaRefuses(400, "POST", ollamaChats, `{"messages":`+messages+`}`); !strings.Contains(got, says) {
			t.Errorf("%s: %s", messages, got)
		}
	}
}

// What is thought before an answer has its own member, and think says whether it is.
func TestOllamaThinking(t *testing.T) {
	r := templated(t)
	for _, stream := range []bool{true, false} {
		for _, think := range []bool{true, false} { // without an end, as the model's weights are random
			more := fmt.Sprintf(`,"think":%t,"stream":%t,"options":{"num_predict":8,"seed":1}}`, think, stream)
			c := r.ollama(ollamaChats, `{"messages":[{"role":"user","content":"x"}]`+more)
			g := r.ollama(ollamaTexts, `{"prompt":"x"`+more)
			if (c.Message.Thinking != "") != think || (c.Message.Content != "") == think || c.Message.Thinking != g.Thinking || c.Message.Content != g.Response {
				t.Errorf("%s: %+v and %+v", more, c, g)
			}
		}
	}
	loud := listen(t, Options{})
	m := testmodel.New(testmodel.Tiny, 1)
	m.Set("tokenizer.chat_template", gguf.String(turns+"{% if add_generation_prompt and not enable_thinking %}<think>{% endif %}"))
	loud.model = enginetest.Load(t, m.Bytes(), engine.Options{Threads: 1})
	if err := loud.Serve(loud.model, "loud", nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { loud.Drain(t.Context()) })
	loud.ollama(ollamaTexts, `{"prompt":"x","think":true,"options":{"num_predict":2}}`)
	if got := loud.ollamaRefuses(400, "POST", ollamaTexts, `{"prompt":"x","think":false}`); got != `"loud" always thinks: think cannot be false` {
		t.Error(got)
	}
}

// Calls are told with objects for arguments, to the digit, and are numbered through the
// documents of an answer.
func TestOllamaCalls(t *testing.T) {
	a := &ollamaAnswer{ollamaRequest: &ollamaRequest{job: &job{model: "demo"}, chat: true}}
	var all []ollamaCall
	for _, arguments := range []string{`{"a": 12345678901234567890}`, `{"s":"<b>"}`} {
		var said spoken
		said.add([]chat.Delta{{Reasoning: "So."}, {Content: "Well."}, {Call: &chat.CallDelta{ID: "1", Name: "add", Arguments: arguments}}})
		rec := httptest.NewRecorder()
		writeJSON(rec, http.StatusOK, a.doc(&said, nil))
		m := parse[ollamaReply](t, rec.Body.String()).Message
		if m.Thinking != "So." || m.Content != "Well." || !strings.Contains(rec.Body.String(), strings.ReplaceAll(arguments, " ", "")) {
			t.Errorf("%+v in %s", m, rec.Body)
		}
		all = append(all, m.Calls...)
	}
	if len(all) != 2 || all[0].Function.Index != 0 || all[1].Function.Index != 1 || all[1].Function.Name != "add" || all[1].ID != "1" {
		t.Errorf("%+v", all)
	}
}

// A model that has tools calls one, and goes on with what it returns, streamed or not.
func TestOllamaConversationWithATool(t *testing.T) {
	r := scripted(t)
	const (
		tools  = `"tools":[{"type":"function","function":{"name":"add","parameters":{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}}}}}]`
		asks   = `{"role":"user","content":"2 + 3?"}`
		called = `{"role":"assistant","content":"I add.","thinking":"Two and three.","tool_calls":[{"function":{"name":"add","arguments":{"a":2,"b":3}}}]},{"role":"tool","tool_name":"add","content":"5"}`
	)
	for _, stream := range []bool{true, false} {
		for _, c := range []struct{ members, thinking, content, arguments string }{
			{`"messages":[` + asks + `]`, "", "Good day!", ""},
			{`"messages":[` + asks + `],` + tools, "Two and three.", "I add.", `{"a":2,"b":3}`},
			{`"messages":[` + asks + `,` + called + `],` + tools, "", "It is 5.", ""},
		} {
			got := r.ollama(ollamaChats, fmt.Sprintf(`{%s,"stream":%t}`, c.members, stream))
			arguments := ""
			for _, call := range got.Message.Calls {
				arguments += string(call.Function.Arguments)
			}
			if m := got.Message; m.Thinking != c.thinking || m.Content != c.content || arguments != c.arguments || got.Reason != "stop" {
				t.Errorf("%s, stream %t: %+v", c.members, stream, got)
			}
		}
	}
}

// The times of an answer are those of its making, however late somebody reads it.
func TestOllamaTimes(t *testing.T) {
	r := start(t, Options{})
	l := r.current.Load()
	const late = 300 * time.Millisecond
	x := &exchange{s: r.Server, loaded: l, began: time.Now()}
	j := &job{set: &patchSet{}, prompts: [][]int32{l.model.Tokenizer().Encode("At night the")}, choices: 1, max: 8}
	run, err := l.start(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	result := run.streams[0].Result()
	time.Sleep(late)
	a := &ollamaAnswer{ollamaRequest: &ollamaRequest{job: j}, x: x, run: run, teller: asWritten{}}
	doc := a.last(&spoken{}, nil, result)
	if doc.Eval != 8 || doc.Prompt <= 0 || doc.Answer <= time.Microsecond || doc.Prompt+doc.Answer > doc.Total-late {
		t.Errorf("%+v", doc.ollamaTimes)
	}
}
