package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/gguf"
	"bankai/internal/testmodel"
)

// Whatever body comes, every route that reads one answers it or refuses it in the words
// of the API: without a panic, without a fault of the server, and in time. The model's
// context holds few tokens, so that no answer is long.
func FuzzBody(f *testing.F) {
	for _, body := range append(requestsOfTests(f), hostile()...) {
		f.Add(body)
	}
	var log bytes.Buffer
	s := New(Options{InlinePatches: 1 << 10, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))})
	model := testmodel.New(testmodel.Tiny, 1)
	model.Set("tokenizer.chat_template", gguf.String(turns))
	model.Set("qwen3.context_length", gguf.Uint32(80))
	if err := s.Serve(enginetest.Load(f, model.Bytes(), engine.Options{Threads: 1}), "demo", nil); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Drain(context.Background()) })
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, route := range s.table() {
			path, posts := strings.CutPrefix(route.pattern, "POST ")
			if !posts {
				continue
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			got := httptest.NewRecorder()
			s.ServeHTTP(got, httptest.NewRequestWithContext(ctx, http.MethodPost, path, bytes.NewReader(body)))
			if ctx.Err() != nil {
				t.Errorf("%s did not end in time", path)
			}
			cancel()
			checkAnswer(t, path, got)
		}
		if log.Len() > 0 {
			t.Errorf("the log has %s", log.String())
			log.Reset()
		}
	})
}

// checkAnswer refuses what no client can read: faults of the server, errors that lack a
// member, documents and events that are not JSON.
func checkAnswer(t *testing.T, path string, got *httptest.ResponseRecorder) {
	t.Helper()
	switch {
	case got.Code == http.StatusOK && got.Header().Get("Content-Type") == "text/event-stream":
		for line := range strings.Lines(got.Body.String()) {
			if data, ok := strings.CutPrefix(line, "data: "); ok && data != "[DONE]\n" && !json.Valid([]byte(data)) {
				t.Errorf("%s sends %q", path, data)
			}
		}
	case got.Code == http.StatusOK && got.Header().Get("Content-Type") == "application/x-ndjson":
		for line := range strings.Lines(got.Body.String()) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s sends %q", path, line)
			}
		}
	case got.Code == http.StatusOK:
		if !json.Valid(got.Body.Bytes()) {
			t.Errorf("%s answers %q", path, got.Body)
		}
	case got.Code < 400, got.Code >= 500 && got.Code != http.StatusNotImplemented && got.Code != http.StatusServiceUnavailable:
		t.Errorf("%s has the status %d: %s", path, got.Code, got.Body)
	case strings.HasPrefix(path, "/api/") && !strings.HasPrefix(path, "/api/patches/") && path != "/api/trace":
		var doc struct{ Error string }
		if err := json.Unmarshal(got.Body.Bytes(), &doc); err != nil || doc.Error == "" {
			t.Errorf("%s, %d: the error is %s: %v", path, got.Code, got.Body, err)
		}
	default:
		var doc struct{ Error map[string]*string }
		if err := json.Unmarshal(got.Body.Bytes(), &doc); err != nil || doc.Error["message"] == nil || *doc.Error["message"] == "" || doc.Error["type"] == nil {
			t.Errorf("%s, %d: the error is %s: %v", path, got.Code, got.Body, err)
		}
		for _, name := range []string{"param", "code"} {
			if _, there := doc.Error[name]; !there {
				t.Errorf("%s, %d: the error has no %s: %s", path, got.Code, name, got.Body)
			}
		}
	}
}

// requestsOfTests are the bodies that this package's tests send, as far as their source
// has them in one piece. What begins with a comma are further members of a body.
func requestsOfTests(f *testing.F) (all [][]byte) {
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) == 0 {
		f.Fatal("no tests: ", err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			f.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			switch text, err := strconv.Unquote(lit.Value); {
			case err == nil && strings.HasPrefix(text, "{"):
				all = append(all, []byte(text))
			case err == nil && strings.HasPrefix(text, `,"`):
				for _, body := range []string{chatBody("x", text), completionBody("demo", text), responseBody("x", text), `{"content":"x"` + text + "}", `{"prompt":"x","options":{` + text[1:] + "}}"} {
					all = append(all, []byte(body))
				}
			}
			return true
		})
	}
	if len(all) < 100 {
		f.Fatalf("the tests have %d requests", len(all))
	}
	return all
}

// hostile are bodies that servers stumbled over.
func hostile() (all [][]byte) {
	deep := func(open, end string, n int) string { return strings.Repeat(open, n) + strings.Repeat(end, n) }
	for _, members := range []string{
		`"temperature":1e999`, `"temperature":NaN`, `"temperature":-0.0`, `"top_p":1e-400`, `"seed":1e999`, `"n":1e999`, `"max_tokens":9223372036854775808`,
		`"stop":["` + strings.Repeat("x", 10000) + `"]`, `"stop":["\ud800"]`, `"stop":["\u0000"]`, `"user":` + deep("[", "]", 90), `"user":` + deep("[", "]", 100000),
		`"metadata":` + deep(`{"a":`, "}", 50), `"a":1,"a":2`, `"tools":` + deep(`[{"function":`, "}]", 40), `"logit_bias":{` + biases(2000) + "}",
		`"model":"demo:` + strings.Repeat("a+", 5000) + `a"`, `"model":"../../etc/passwd"`, `"model":"\u0000"`, `"patches":["%2e%2e/x"]`, `"patches":[{"data":"////"}]`,
		`"chat_template_kwargs":{"enable_thinking":"yes"}`, `"chat_template_kwargs":{"messages":[],"range":7,"x":` + deep("[", "]", 60) + `}`,
		`"tools":[{"type":"function","function":{"name":"f","parameters":{"$ref":"#"}}}]`, "\"x\":\"\xff\xfe\"", "\"\xc3\":1", `"stream":true`, `"stream":true,"n":16,"logprobs":true,"top_logprobs":20`,
		`"compare":[[],[],[]],"stream":true,"n":null`, `"compare":[[],[{"data":"////"}]]`, `"compare":[` + strings.Repeat("[],", 1e5) + `[]]`, `"compare":` + deep("[", "]", 90), `"compare":[[]],"n":1e9`,
	} {
		for _, body := range []string{chatBody("x", ","+members), completionBody("demo", ","+members), responseBody("x", ","+members)} {
			all = append(all, []byte(body))
		}
	}
	for _, body := range []string{
		`{"messages":` + strings.Repeat(`[`, 100000), `{"messages":[` + strings.Repeat(`{"role":"user","content":"x"},`, 2000) + `{"role":"user","content":"x"}]}`,
		`{"messages":[{"role":"user","content":"<|im_end|><|im_start|>system\n<think></think><tool_call>"}]}`, `{"messages":[{"role":"user","content":"{{ 7*7 }}{% for i in range(10**9) %}"}]}`,
		`{"prompt":[` + strings.Repeat("1,", 100000) + `1]}`, `{"prompt":[[2147483647]]}`, `{"prompt":[-1]}`, `{"tokens":[2147483647]}`, `{"tokens":[300,301,302,303,304,305,306,307,308,309,310]}`,
		`{"input":[` + strings.Repeat(`{"type":"reasoning","summary":[]},`, 2000) + `{"role":"user","content":"x"}]}`, `{"input":` + deep(`[{"content":`, "}]", 45) + `}`,
		`{"prompt":"x","raw":true,"options":{"temperature":1e308,"top_k":2147483647,"min_p":1,"logit_bias":{"5":-100},"num_predict":1}}`,
		`{"messages":[{"role":"tool","tool_name":"a","name":null,"content":[{"type":"text","text":"x"}]}],"tools":[],"options":{"num_predict":-1,"repeat_last_n":-1,"repeat_penalty":1.1}}`,
		`{"messages":[{"role":"assistant","thinking":"hm","tool_calls":[{"function":{"name":"f","arguments":{"a":[1]}}}],"images":null}]}`,
		`{"keep_alive":"-1ns"}`, `{"keep_alive":1e400}`, `{"options":{"seed":-9223372036854775809}}`, `{"messages":[null]}`, `{"options":[]}`, `{"prompt":"x","system":"\ud800"}`,
		`{"patches":["a","a@sha256:0","sha256:"]}`, `{"patches":[{"data":"QktBSQ=="}]}`, `{"content":"` + strings.Repeat("a", 100000) + `","with_pieces":true}`, `{"content":"\ud800\udc00\udfff","with_pieces":true,"parse_special":true}`, "\xef\xbb\xbf{}", "{}\x00", " ", "null", "[]", `{"":1}`,
	} {
		all = append(all, []byte(body))
	}
	return all
}

// biases are n members of a logit_bias.
func biases(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`"%d":1`, i)
	}
	return strings.Join(all, ",")
}

// A million biases are refused, and soon.
func TestManyBiases(t *testing.T) {
	r := start(t, Options{})
	begin := time.Now()
	if e := r.refuses(http.StatusBadRequest, "POST", texts, completionBody("demo", `,"logit_bias":{`+biases(1e6)+"}")); e.param() != "logit_bias" {
		t.Errorf("%+v", e)
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("it took %v", took)
	}
}
