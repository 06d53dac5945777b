package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bankai"
	"bankai/engine"
	"bankai/internal/enginetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rows is a patch that turns n rows of one projection of the demo model, from a first
// one on.
func rows(first, n uint32) *bankai.Patch {
	var flips []bankai.Flip
	for i := range n {
		flips = append(flips, bankai.Flip{Tensor: "blk.1.ffn_up.weight", Row: first + i, N: bankai.ToEnd})
	}
	return bankai.New(bankai.Digest{}, bankai.Meta{Name: "rows"}, flips...)
}

// Two patches that say other things than the model does, and than one another.
func patchA() *bankai.Patch { return rows(0, 300) }
func patchB() *bankai.Patch { return rows(500, 400) }

// encoded is a patch as a file.
func encoded(t testing.TB, p *bankai.Patch) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := p.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// running is a server under test, with the demo model and the patches a, b and both.
type running struct {
	*Server
	t     testing.TB
	model *engine.Model
	url   string
	http  *http.Client
}

func start(t testing.TB, o Options) *running {
	t.Helper()
	return startNamed(t, o, "demo")
}

func startNamed(t testing.TB, o Options, name string) *running {
	t.Helper()
	r := listen(t, o)
	r.model = enginetest.Demo(t, engine.Options{Threads: 2})
	r.serve(name)
	return r
}

// listen starts a server without a model.
func listen(t testing.TB, o Options) *running {
	t.Helper()
	return listenAs(t, New(o), func(*httptest.Server) {})
}

// listenAs starts a server that is set up in some way.
func listenAs(t testing.TB, s *Server, setUp func(h *httptest.Server)) *running {
	t.Helper()
	h := httptest.NewUnstartedServer(s)
	h.Config = HTTP(s)
	if setUp(h); h.URL == "" {
		h.Start()
	}
	t.Cleanup(func() {
		h.Client().CloseIdleConnections()
		h.Close()
	})
	return &running{Server: s, t: t, url: h.URL, http: h.Client()}
}

func (r *running) serve(name string) {
	r.t.Helper()
	sum, err := patchA().Xor(patchB())
	if err != nil {
		r.t.Fatal(err)
	}
	r.serveUnder(name, []NamedPatch{{Name: "a", Patch: patchA()}, {Name: "b", Patch: patchB()}, {Name: "both", Patch: sum}})
}

// serveUnder gives the server its model and patches; it ends with the test.
func (r *running) serveUnder(name string, patches []NamedPatch) {
	r.t.Helper()
	if err := r.Serve(r.model, name, patches); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.Drain(ctx); err != nil {
			r.t.Error(err)
		}
	})
}

// reply is an answer that was read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

// do asks; head are names and values of the request's head.
func (r *running) do(method, path, body string, head ...string) reply {
	r.t.Helper()
	got, err := r.try(context.Background(), method, path, body, head...)
	if err != nil {
		r.t.Fatal(err)
	}
	return got
}

func (r *running) try(ctx context.Context, method, path, body string, head ...string) (reply, error) {
	q, err := http.NewRequestWithContext(ctx, method, r.url+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for i := 0; i < len(head); i += 2 {
		if head[i] == "Host" {
			q.Host = head[i+1]
		}
		q.Header.Set(head[i], head[i+1])
	}
	a, err := r.http.Do(q)
	if err != nil {
		return reply{}, err
	}
	defer a.Body.Close()
	data, err := io.ReadAll(a.Body)
	return reply{a.StatusCode, a.Header, string(data)}, err
}

// Paths of the routes that tests ask most.
const (
	chats = "/v1/chat/completions"
	texts = "/v1/completions"
)

// answered is what the documents of answers have, of both APIs, whole and streamed.
type answered struct {
	ID, Object, Model string
	Created           int64
	Fingerprint       string `json:"system_fingerprint"`
	Choices           []struct {
		Index        int
		Text         string
		Message      struct{ Role, Content string }
		Delta        struct{ Role, Content string }
		LogProbs     json.RawMessage
		FinishReason string `json:"finish_reason"`
	}
	Usage *usageDoc
}

// text is that of the first choice.
func (a answered) text() string {
	if len(a.Choices) == 0 {
		return ""
	}
	c := a.Choices[0]
	return c.Text + c.Message.Content + c.Delta.Content
}

// ask asks for an answer that must be given.
func (r *running) ask(path, body string) answered {
	r.t.Helper()
	got := r.do("POST", path, body)
	if got.status != http.StatusOK {
		r.t.Fatalf("%s: status %d: %s", body, got.status, got.body)
	}
	return parse[answered](r.t, got.body)
}

func parse[T any](t testing.TB, text string) (doc T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return doc
}

// chunks are the documents of a stream, which must end with [DONE].
func (r *running) chunks(path, body string) (all []answered) {
	r.t.Helper()
	got := r.do("POST", path, body)
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "text/event-stream" {
		r.t.Fatalf("%s: status %d: %s", body, got.status, got.body)
	}
	events := strings.Split(strings.TrimSuffix(got.body, "\n\n"), "\n\n")
	if last := events[len(events)-1]; last != "data: [DONE]" {
		r.t.Fatalf("%s: the last event is %q", body, last)
	}
	for _, e := range events[:len(events)-1] {
		data, ok := strings.CutPrefix(e, "data: ")
		if !ok {
			r.t.Fatalf("%s: an event is %q", body, e)
		}
		all = append(all, parse[answered](r.t, data))
	}
	return all
}

// refusal is the error object, of which all members must be there.
type refusal struct {
	Message, Type string
	Param, Code   *string
}

// refuses asks for what must be refused with a status, and returns the error.
func (r *running) refuses(status int, method, path, body string, head ...string) refusal {
	r.t.Helper()
	got := r.do(method, path, body, head...)
	if got.status != status {
		r.t.Errorf("%s %s %.100s: status %d, want %d: %s", method, path, body, got.status, status, got.body)
		return refusal{}
	}
	members := parse[struct {
		Error map[string]json.RawMessage
	}](r.t, got.body)
	for _, name := range []string{"message", "type", "param", "code"} {
		if _, there := members.Error[name]; !there || len(members.Error) != 4 {
			r.t.Errorf("%s %s: the error is %s", method, path, got.body)
		}
	}
	return parse[struct{ Error refusal }](r.t, got.body).Error
}

func (e refusal) param() string {
	if e.Param == nil {
		return ""
	}
	return *e.Param
}

// generated is how many tokens the server made, by its own count.
func (r *running) generated() (n int) {
	r.t.Helper()
	for line := range strings.Lines(r.do("GET", "/metrics", "").body) {
		if strings.HasPrefix(line, "bankai_generated_tokens_total") {
			n += parse[int](r.t, line[strings.LastIndexByte(line, ' ')+1:])
		}
	}
	return n
}

// alone is what the engine generates for a completion without a server.
func (r *running) alone(prompt string, p *bankai.Patch, max int, s engine.Sampling) string {
	r.t.Helper()
	q := engine.Request{Prompt: r.model.Tokenizer().Encode(prompt), Max: max, Sampling: s}
	if p != nil {
		o, err := r.model.Overlay(p)
		if err != nil {
			r.t.Fatal(err)
		}
		q.Overlay = o
	}
	out, err := r.model.Generate(context.Background(), []engine.Request{q}, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return out[0].Text
}

// concurrently calls f for 0 to n−1 at once.
func concurrently(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// A server listens before it has a model, and says so; after Drain it takes nothing.
func TestLifecycle(t *testing.T) {
	r := listen(t, Options{})
	state := func(status int, word string) {
		t.Helper()
		got := r.do("GET", "/health", "")
		if got.status != status || strings.TrimSpace(got.body) != `{"status":"`+word+`"}` {
			t.Errorf("health is %d %s, want %d %s", got.status, got.body, status, word)
		}
	}
	state(503, "loading")
	if got := r.do("POST", chats, "{}"); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("before there is a model: %+v", got)
	}
	r.refuses(503, "POST", chats, "{}")
	r.refuses(503, "GET", "/v1/models", "")
	r.model = enginetest.Demo(t, engine.Options{Threads: 1})
	r.serve("demo")
	state(200, "ok")
	r.ask(chats, `{"messages":[{"role":"user","content":"2 + 3 ="}],"max_tokens":1}`)
	if err := r.Drain(context.Background()); err != nil {
		t.Error(err)
	}
	state(503, "draining")
	r.refuses(503, "POST", chats, `{"messages":[{"role":"user","content":"x"}]}`)
}

// What the names or the patches do not allow keeps a server from serving.
func TestServeRefuses(t *testing.T) {
	m := enginetest.Demo(t, engine.Options{Threads: 1})
	for _, c := range []struct {
		model   string
		patches []NamedPatch
		want    string
	}{
		{"", nil, "the model's name has 0 characters"},
		{"my model", nil, "white space"},
		{"a+b", nil, "'+'"},
		{"demo", []NamedPatch{{Name: "Math", Patch: rows(1, 1)}}, "cannot be the name of a patch"},
		{"demo", []NamedPatch{{Name: "demo", Patch: rows(1, 1)}}, "is the name of the model"},
		{"demo", []NamedPatch{{Name: "latest", Patch: rows(1, 1)}}, "without patches"},
		{"demo", []NamedPatch{{Name: "a", Patch: rows(1, 1)}, {Name: "a", Patch: rows(2, 1)}}, `two patches are called "a"`},
		{"demo", []NamedPatch{{Name: "a", Patch: rows(1, 1).WithBase(bankai.Digest{1})}}, "made for model 01"},
	} {
		if err := New(Options{}).Serve(m, c.model, c.patches); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.model, err, c.want)
		}
	}
}

// Routes that there are not are refused in the words of the API.
func TestUnknownRoutes(t *testing.T) {
	r := start(t, Options{})
	r.refuses(404, "GET", "/v1", "")
	r.refuses(404, "POST", "/v1/chat/completion", "{}")
	r.refuses(405, "GET", chats, "")
	r.refuses(501, "POST", "/v1/embeddings", `{"input":"x"}`)
	if got := r.do("DELETE", "/v1/models", ""); got.header.Get("Allow") == "" {
		t.Errorf("no Allow in %+v", got)
	}
}
