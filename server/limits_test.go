package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/gguf"
	"bankai/internal/testmodel"
)

// More requests than there is room for are told when to come again, and those that are
// taken have their answers (mesh-llm#341, vllm#18826).
func TestOverload(t *testing.T) {
	r := start(t, Options{Loop: engine.LoopOptions{MaxSequences: 2, Queue: 4}})
	want := r.alone(prompt, nil, 12, greedy)
	var taken, refused atomic.Int32
	concurrently(60, func(int) {
		switch got := r.do("POST", texts, completionBody("demo", "")); got.status {
		case 200:
			taken.Add(1)
			if text := parse[answered](t, got.body).text(); text != want {
				t.Errorf("answered %q", text)
			}
		case 429:
			refused.Add(1)
			if n, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || n < 1 {
				t.Errorf("come again after %q", got.header.Get("Retry-After"))
			}
		default:
			t.Errorf("%+v", got)
		}
	})
	if taken.Load() == 0 {
		t.Error("nobody was answered")
	}
	if taken.Load()+refused.Load() != 60 {
		t.Errorf("%d taken, %d refused", taken.Load(), refused.Load())
	}
	// A request of more choices than may wait is taken when nobody waits: else it would be
	// refused for ever.
	if got := r.ask(texts, completionBody("demo", `,"n":16`)); len(got.Choices) != 16 || got.Choices[15].Text != want {
		t.Errorf("%+v", got)
	}
	r.ask(texts, completionBody("demo", ""))
}

// A request that can never run is refused by its length, not told to come again.
func TestTooLargeForTheMemory(t *testing.T) {
	m := longModel(t)
	r := listen(t, Options{Loop: engine.LoopOptions{MaxBytes: m.LoopBytes(leastTokens)}})
	if err := r.Serve(m, "demo", nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Drain(context.Background()) })
	e := r.refuses(400, "POST", texts, `{"prompt":"x","max_tokens":5000}`)
	if e.Code == nil || *e.Code != "context_length_exceeded" {
		t.Errorf("%+v", e)
	}
	r.ask(texts, `{"prompt":"x","max_tokens":2}`)
}

// longModel has a context that no test fills.
func longModel(t *testing.T) *engine.Model {
	t.Helper()
	m := testmodel.New(testmodel.Tiny, 1)
	m.Set("qwen3.context_length", gguf.Uint32(1_000_000))
	return enginetest.Load(t, m.Bytes(), engine.Options{Threads: 1})
}

// With too little memory for one answer there is no server, or, where nobody chose how
// much it is, one with as much as will do.
func TestMemoryForOneAnswer(t *testing.T) {
	m := longModel(t)
	least := m.LoopBytes(leastTokens)
	for _, c := range []struct {
		o    Options
		want bool
	}{
		{Options{}, true},
		{Options{Loop: engine.LoopOptions{MaxBytes: least}}, true},
		{Options{Loop: engine.LoopOptions{MaxBytes: least - 1}}, false},
		{Options{Loop: engine.LoopOptions{MaxBytes: 1}, RaiseMemory: true}, true},
	} {
		s := New(c.o)
		err := s.Serve(m, "m", nil)
		var of *MemoryError
		if c.want && err != nil || !c.want && (!errors.As(err, &of) || of.Least != least) {
			t.Errorf("%+v: %v", c.o, err)
			continue
		}
		if err == nil {
			loop := s.current.Load().loop
			q := engine.Request{Prompt: make([]int32, leastTokens-1), Max: 1}
			stream, err := loop.Submit(t.Context(), q)
			if err != nil {
				t.Errorf("%+v: %v", c.o, err)
			} else if r := stream.Result(); r.Err != nil {
				t.Errorf("%+v: %v", c.o, r.Err)
			}
			s.Drain(t.Context())
		}
	}
}

// Each kind of error has its status, and only faults of the server are 500.
func TestFailures(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
	}{
		{&engine.QueueFullError{Waiting: 9}, 429},
		{&engine.RequestError{Request: 3, Err: &engine.TooLargeError{Bytes: 2, Room: 1}}, 400},
		{&engine.TooLargeError{Bytes: 2, Room: 1}, 400},
		{&engine.TooLongError{Tokens: 2, Limit: 1}, 400},
		{&engine.TokenError{ID: 9, Vocab: 1}, 400},
		{&engine.SamplingError{Field: "top-k", Value: -1, Range: "0 or more"}, 400},
		{engine.ErrEmptyPrompt, 400},
		{engine.ErrLoopClosed, 503},
		{context.Canceled, 503},
		{&engine.PanicError{Value: "x", Stack: []byte("secret")}, 500},
		{errors.New("secret"), 500},
	} {
		f := failureOf(fmt.Errorf("there: %w", c.err))
		if f.status != c.status || strings.Contains(f.message, "secret") {
			t.Errorf("%v: %d, %s", c.err, f.status, f.message)
		}
	}
	if f := failureOf(&engine.SamplingError{Field: "top-k"}); f.param != "top_k" {
		t.Errorf("the field is %q", f.param)
	}
}

// A handler that panics is a fault of the server, without its insides in the answer; in
// the log they are.
func TestPanic(t *testing.T) {
	var log logged
	r := start(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	r.routes.HandleFunc("GET /panic", r.answer("test", openAI, func(*exchange) error { panic("secret") }))
	if got := r.do("GET", "/panic", ""); got.status != 500 || strings.Contains(got.body, "secret") || strings.Contains(got.body, ".go") {
		t.Errorf("%+v", got)
	}
	if text := log.lines(t, 2); !strings.Contains(text, "secret") || !strings.Contains(text, ".go") {
		t.Errorf("the log has %s", text)
	}
	r.ask(texts, completionBody("demo", ""))
}

// logged is a log that can be read while it is written.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// lines waits until there are n lines: a request's comes after its answer.
func (l *logged) lines(t *testing.T, n int) string {
	t.Helper()
	for range 2000 {
		l.mu.Lock()
		text := l.text.String()
		l.mu.Unlock()
		if strings.Count(text, "\n") >= n {
			return text
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("the log does not get %d lines", n)
	return ""
}

// The log has a line for each request, with its figures, and no word of what was asked
// unless that is wanted.
func TestLog(t *testing.T) {
	for _, prompts := range []bool{false, true} {
		var log logged
		r := start(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil)), LogPrompts: prompts})
		got := r.ask(texts, completionBody("demo:a", ""))
		r.ask(chats, chatBody("2x^8", `,"stream":false`))
		r.chunks(chats, chatBody("2x^8", `,"stream":true`))
		r.do("GET", "/v1/models", "")
		text := log.lines(t, 4)
		line, _, _ := strings.Cut(text, "\n")
		for _, want := range []string{"api=completions", "status=200", "model=demo:a", "patches=a@sha256:", fmt.Sprintf("prompt_tokens=%d", got.Usage.Prompt), fmt.Sprintf("generated_tokens=%d", got.Usage.Answer), "cached_tokens=0", "ended=" + got.Choices[0].FinishReason} {
			if !strings.Contains(line, want) {
				t.Errorf("no %s in %s", want, line)
			}
		}
		if n := strings.Count(text, "\n"); n != 4 {
			t.Errorf("%d lines for 4 requests", n)
		}
		reply, _, _ := strings.Cut(got.text(), "\n")
		if strings.Contains(text, "derivative") != prompts || strings.Contains(text, reply) != prompts {
			t.Errorf("with prompts %t: %s", prompts, text)
		}
	}
}

// However many sets are asked for, the figures have a bounded number of names.
func TestMetricsAreBounded(t *testing.T) {
	r := start(t, Options{})
	for i := range 3 * maxLabels {
		r.meters.label(&patchSet{patches: []*patch{{Name: fmt.Sprint("p", i)}}})
	}
	if got := r.meters.label(&patchSet{patches: []*patch{{Name: "another"}}}); got != "others" {
		t.Errorf("the label is %q", got)
	}
	if got := r.meters.label(&patchSet{patches: []*patch{{Digest: bankai.Digest{1}}}}); got != "inline" {
		t.Errorf("of a patch without a name it is %q", got)
	}
	r.ask(texts, completionBody("demo", ""))
	got := r.do("GET", "/metrics", "").body
	for _, want := range []string{`bankai_requests_total{api="completions",status="200"} 1`, `bankai_generated_tokens_total{patches="others"}`, "bankai_patches 3", "bankai_ready 1", "bankai_overlay_seconds_bucket{le="} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
}

// Drain lets the answers under way come to their end, and ends those that do not in time.
func TestDrain(t *testing.T) {
	for _, patient := range []bool{true, false} {
		r := listen(t, Options{})
		r.model = enginetest.Demo(t, engine.Options{Threads: 1})
		if err := r.Serve(r.model, "demo", nil); err != nil {
			t.Fatal(err)
		}
		body := `{"prompt":"At night the","max_tokens":200,"temperature":1,"seed":4,"n":16,"stream":true}`
		a, err := r.http.Post(r.url+texts, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if !patient {
			cancel()
		}
		err = r.Drain(ctx)
		cancel()
		if (err == nil) != patient {
			t.Errorf("patient %t: %v", patient, err)
		}
		text := readAll(t, a)
		if whole := strings.HasSuffix(text, "data: [DONE]\n\n"); whole != patient || !whole && !strings.Contains(text, `"code":"draining"`) {
			t.Errorf("patient %t: the stream ends with %.300q", patient, text[max(0, len(text)-300):])
		}
	}
}

func readAll(t *testing.T, a *http.Response) string {
	t.Helper()
	defer a.Body.Close()
	var b strings.Builder
	buffer := make([]byte, 4096)
	for {
		n, err := a.Body.Read(buffer)
		b.Write(buffer[:n])
		if err != nil {
			return b.String()
		}
	}
}
