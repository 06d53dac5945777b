package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bankai/engine"
	"bankai/internal/enginetest"
)

// guarded is a server that loses its patience soon, and counts its connections.
type guarded struct {
	*running
	open atomic.Int32
}

// usual is what is asked of a guarded server to see whether others notice anything.
func (g *guarded) usual() {
	g.t.Helper()
	if got := g.ask(texts, completionBody("demo", "")); got.text() != g.alone(prompt, nil, 12, greedy) {
		g.t.Errorf("others are answered %q", got.text())
	}
}

const soon = 300 * time.Millisecond

func startGuarded(t *testing.T, o Options) *guarded {
	t.Helper()
	s, g := New(o), &guarded{}
	s.times = times{body: soon, write: soon}
	g.running = listenAs(t, s, func(h *httptest.Server) {
		h.Config.ReadHeaderTimeout = soon
		h.Listener = narrow{h.Listener}
		h.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				g.open.Add(1)
			case http.StateClosed:
				g.open.Add(-1)
			}
		}
	})
	g.model = enginetest.Demo(t, engine.Options{Threads: 1})
	g.serve("demo")
	return g
}

// narrow accepts connections that take little before somebody reads.
type narrow struct{ net.Listener }

func (l narrow) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		err = c.(*net.TCPConn).SetWriteBuffer(4 << 10)
	}
	return c, err
}

// connect opens a connection.
func (g *guarded) connect() net.Conn {
	g.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		g.t.Fatal(err)
	}
	if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		g.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(20 * time.Second)) // a server that never drops it fails the test
	g.t.Cleanup(func() { c.Close() })
	return c
}

// closed waits until the server has closed all connections but those that idle.
func (g *guarded) closed(what string) {
	g.t.Helper()
	g.http.CloseIdleConnections()
	for begin := time.Now(); g.open.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Since(begin) > 20*soon {
			g.t.Errorf("the server keeps %d connections %s", g.open.Load(), what)
			return
		}
	}
}

// post is the text of a request.
func post(path, head, body string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\n" + head + "\r\n" + body
}

// Clients that begin a request and do not go on are dropped in time, wherever they stop and
// whatever they ask, and others are answered meanwhile.
func TestSlowRequests(t *testing.T) {
	const much = "Content-Length: 1000\r\n"
	g := startGuarded(t, Options{Loopback: true})
	cases := []struct {
		what, sent, status string
	}{
		{"nothing", "", ""},
		{"half a head", "POST /v1/comp", ""},
		{"a head without its end", "POST " + texts + " HTTP/1.1\r\nHost: localhost\r\n", ""},
		{"half a body", post(texts, much, `{"prompt":"x`), "400"},
		{"no body", post(texts, much, ""), "400"},
		{"half a chunk", post(texts, "Transfer-Encoding: chunked\r\n", "5\r\n{\"p"), "400"},
		{"half a patch", strings.Replace(post("/api/patches/x", much, "bankai"), "POST", "PUT", 1), "400"},
		{"half a body for nobody", post("/nowhere", much, "x"), "404"},
		{"half a body for a route that reads none", strings.Replace(post("/health", much, "x"), "POST", "GET", 1), "200"},
		{"half a body from a foreign page", post(texts, much+"Origin: https://evil.example\r\n", "x"), "403"},
		{"half a body for another host", strings.Replace(post(texts, much, "x"), "localhost", "evil.example", 1), "403"},
	}
	var conns []net.Conn
	for _, c := range cases {
		conns = append(conns, g.connect())
		if _, err := io.WriteString(conns[len(conns)-1], c.sent); err != nil {
			t.Error(err)
		}
	}
	g.usual()
	for i, c := range cases {
		answer, _ := io.ReadAll(conns[i]) // an error is that the server resets the connection
		if _, rest, _ := strings.Cut(string(answer), " "); !strings.HasPrefix(rest, c.status) {
			t.Errorf("%s: the answer is %q", c.what, answer)
		}
	}
	g.closed("of slow requests")
	g = startGuarded(t, Options{Keys: []string{"k"}})
	for _, head := range []string{much, much + "Authorization: Bearer k\r\nExpect: 100-continue\r\n"} {
		if _, err := io.WriteString(g.connect(), post(texts, head, "")); err != nil {
			t.Error(err)
		}
	}
	g.closed("without a key, or waiting to be told to go on")
}

// A client that takes nothing of its answers is dropped in time, and what it asked for is
// cancelled, whatever route writes the answer.
func TestReadersThatNeverRead(t *testing.T) {
	g := startGuarded(t, Options{Loopback: true, Loop: engine.LoopOptions{MaxSequences: 64}})
	long := `{"prompt":"At night the","max_tokens":200,"temperature":1,"n":16,"logprobs":5%s}`
	for _, sent := range []string{
		fmt.Sprintf(long, `,"stream":true`), fmt.Sprintf(long, ""), "/v1/models", "/metrics", "/nowhere",
	} {
		conn := g.connect()
		q := post(texts, fmt.Sprintf("Content-Length: %d\r\n", len(sent)), sent)
		if !strings.HasPrefix(sent, "{") {
			q = strings.Repeat("GET "+sent+" HTTP/1.1\r\nHost: localhost\r\n\r\n", 3000)
		}
		conn.SetWriteDeadline(time.Now().Add(20 * soon))
		io.WriteString(conn, q) // an error is that the server closes the connection
	}
	g.usual()
	g.closed("of readers that never read")
	if n := g.current.Load().loop.Stats().Running; n > 0 {
		t.Errorf("%d sequences run on", n)
	}
}

// Over HTTP/2, where the streams of a client share a connection, one that it does not read
// ends alone.
func TestStreamThatIsNotRead(t *testing.T) {
	s := New(Options{Loopback: true, Loop: engine.LoopOptions{MaxSequences: 64}})
	s.times = times{body: soon, write: soon}
	r := listenAs(t, s, func(h *httptest.Server) {
		h.EnableHTTP2 = true
		h.StartTLS()
	})
	r.model = enginetest.Demo(t, engine.Options{Threads: 1})
	r.serve("demo")
	open := func(body string) *http.Response {
		t.Helper()
		a, err := r.http.Post(r.url+chats, "application/json", strings.NewReader(body))
		if err != nil || a.ProtoMajor != 2 {
			t.Fatalf("%v: %+v", err, a)
		}
		return a
	}
	unread := open(`{"messages":[{"role":"user","content":"At night the"}],"max_tokens":200,"temperature":1,"seed":1,"n":16,"logprobs":true,"top_logprobs":20,"stream":true}`)
	defer unread.Body.Close()
	for begin := time.Now(); !strings.Contains(r.do("GET", "/metrics", "").body, `bankai_requests_total{api="chat"`); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			t.Fatal("the stream that nobody reads runs on")
		}
	}
	if got := r.ask(texts, completionBody("demo", "")); got.text() != r.alone(prompt, nil, 12, greedy) {
		t.Errorf("beside it: %+v", got)
	}
	if data, err := io.ReadAll(unread.Body); err == nil || strings.Contains(string(data), "[DONE]") {
		t.Errorf("it came to its end, with %d bytes", len(data))
	}
}

// The time for one answer is not that for the next one on the same connection, and the time
// that an answer takes to be made is nobody's.
func TestTimesAreOfOneAnswer(t *testing.T) {
	g := startGuarded(t, Options{Loopback: true})
	conn := g.connect()
	replies := bufio.NewReader(conn)
	body := completionBody("demo", "")
	for _, next := range []string{"/health", "/", "/nowhere"} {
		for _, q := range []string{
			post(texts, fmt.Sprintf("Content-Length: %d\r\n", len(body)), body), "GET " + next + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
		} {
			if _, err := io.WriteString(conn, q); err != nil {
				t.Fatal(err)
			}
			a, err := http.ReadResponse(replies, nil)
			if err != nil {
				t.Fatalf("%s: %v", q, err)
			}
			io.Copy(io.Discard, a.Body)
			if q[0] == 'P' {
				time.Sleep(soon + soon/10)
			}
		}
	}
	g.routes.HandleFunc("POST /slow", g.answer("test", openAI, func(x *exchange) error {
		if _, err := x.body(); err != nil {
			return err
		}
		time.Sleep(2 * soon)
		return x.r.Context().Err()
	}))
	if got := g.do("POST", "/slow", "{}"); got.status != 200 {
		t.Errorf("an answer that takes its time: %+v", got)
	}
}

// A body without an end is refused when it is too large, not when it is there.
func TestEndlessBody(t *testing.T) {
	g := startGuarded(t, Options{Loopback: true})
	g.times.body = time.Minute
	for _, head := range []string{"Content-Length: 1073741824\r\n", "Transfer-Encoding: chunked\r\n"} {
		conn := g.connect()
		sent := make(chan int)
		go func() {
			n, _ := io.WriteString(conn, post(texts, head, ""))
			part := strings.Repeat(" ", 1<<20)
			if strings.HasPrefix(head, "Transfer") {
				part = "100000\r\n" + part + "\r\n"
			}
			for err := error(nil); err == nil && n < 1<<30; {
				var m int
				m, err = io.WriteString(conn, part)
				n += m
			}
			sent <- n
		}()
		a, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || a.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %v, %+v", head, err, a)
		}
		conn.Close()
		if n := <-sent; n > 2*maxBody {
			t.Errorf("%s: the server took %d bytes", head, n)
		}
	}
	g.usual()
}

// Many large bodies at once do not fill the memory: those for which there is no room are
// told to come again. Requests of usual size do not notice, and room comes back.
func TestManyLargeBodies(t *testing.T) {
	g := startGuarded(t, Options{Loopback: true})
	g.times.body = 10 * time.Second
	g.bodies.room = 4 << 20
	large := completionBody("demo", `,"user":"`+strings.Repeat("x", 3<<20)+`"`)
	slow := g.connect()
	if _, err := io.WriteString(slow, post(texts, "Content-Length: 9999999\r\n", large)); err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); g.bodies.used.Load() < 3<<20-freeBody; time.Sleep(time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			t.Fatalf("%d bytes are counted", g.bodies.used.Load())
		}
	}
	if got := g.do("POST", texts, large); got.status != 429 || got.header.Get("Retry-After") == "" {
		t.Errorf("without room: %+v", got)
	}
	g.usual()
	slow.Close()
	for begin := time.Now(); g.bodies.used.Load() > 0 && time.Since(begin) < 10*time.Second; {
		time.Sleep(time.Millisecond)
	}
	for _, body := range []string{large, large, large[:1<<20], `{"x":` + large} {
		if got := g.do("POST", texts, body); got.status == 429 {
			t.Errorf("with room again: %+v", got)
		}
	}
	if n := g.bodies.used.Load(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}

// A body has one length: two that differ are refused, and of the two ways to tell it the
// chunks count, as HTTP has it.
func TestTwoLengths(t *testing.T) {
	g := startGuarded(t, Options{Loopback: true})
	body := completionBody("demo", "")
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	for _, c := range []struct{ head, body, status string }{
		{"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", chunked, "200"},
		{"Transfer-Encoding: chunked\r\nContent-Length: 99999\r\n", chunked, "200"},
		{"Content-Length: 3\r\nContent-Length: 4\r\n", body, "400"},
		{"Content-Length: 3, 4\r\n", body, "400"},
		{"Content-Length: -1\r\n", body, "400"},
		{"Content-Length: +3\r\n", body, "400"},
		{"Transfer-Encoding: chunked, chunked\r\n", chunked, "501"},
		{"Transfer-Encoding: xchunked\r\n", chunked, "501"},
		{"Transfer-Encoding: chunked\r\n", "-1\r\n{}\r\n0\r\n\r\n", "400"},
		{"Transfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\n{}\r\n", "400"},
	} {
		conn := g.connect()
		if _, err := io.WriteString(conn, post(texts, "Connection: close\r\n"+c.head, c.body)); err != nil {
			t.Error(err)
		}
		answer, _ := io.ReadAll(conn)
		if _, rest, _ := strings.Cut(string(answer), " "); !strings.HasPrefix(rest, c.status) {
			t.Errorf("%q: %.200q, want %s", c.head, answer, c.status)
		}
	}
	g.usual()
}

// What is long or deep is refused soon, of every API, without a token generated.
func TestLongRequestsAreRefusedSoon(t *testing.T) {
	r := start(t, Options{Loopback: true})
	message := `{"role":"user","content":"x"},`
	item := `{"type":"message","role":"user","content":"x"},`
	for _, c := range []struct{ path, body string }{
		{chats, `{"messages":[` + strings.Repeat(message, 1e5) + message[:len(message)-1] + `]}`},
		{ollamaChats, `{"messages":[` + strings.Repeat(message, 1e4) + message[:len(message)-1] + `]}`},
		{responses, `{"input":[` + strings.Repeat(item, 1e4) + item[:len(item)-1] + `]}`},
		{texts, `{"prompt":[` + strings.Repeat(`"x",`, 1e5) + `"x"]}`},
		{texts, `{"prompt":[` + strings.Repeat(`1,`, 1e5) + `1]}`},
		{chats, chatBody("x", `,"stop":[`+strings.Repeat(`"x",`, 1e5)+`"x"]`)},
		{chats, chatBody("x", `,"metadata":{"a":`+strings.Repeat("[", 1e5)+strings.Repeat("]", 1e5)+`}`)},
		{texts, `{"prompt":"` + strings.Repeat("a", 1e6) + `"}`},
		{ollamaTexts, `{"prompt":"` + strings.Repeat(" ", 1e6) + `"}`},
	} {
		before := time.Now()
		if got := r.do("POST", c.path, c.body); got.status != http.StatusBadRequest {
			t.Errorf("%s %.60s: %d %.300s", c.path, c.body, got.status, got.body)
		}
		if took := time.Since(before); took > 10*time.Second {
			t.Errorf("%s %.60s: took %v", c.path, c.body, took)
		}
	}
	if n := r.generated(); n > 0 {
		t.Errorf("%d tokens were generated", n)
	}
}

// A thousand connections at once: each is answered, or told when to come again, and
// afterwards the server is as before.
func TestFlood(t *testing.T) {
	r := start(t, Options{Loopback: true, Loop: engine.LoopOptions{MaxBytes: 8 << 20, Queue: 64}})
	r.http.Transport.(*http.Transport).MaxIdleConnsPerHost = 1000
	want := r.alone(prompt, nil, 12, greedy)
	var answered200, refused atomic.Int32
	concurrently(1000, func(int) {
		got, err := r.try(t.Context(), "POST", texts, completionBody("demo", ""))
		switch {
		case err != nil:
			t.Error(err)
		case got.status == http.StatusOK:
			answered200.Add(1)
			if text := parse[answered](t, got.body).text(); text != want {
				t.Errorf("answered %q", text)
			}
		case got.status == http.StatusTooManyRequests:
			refused.Add(1)
			if n, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || n < 1 {
				t.Errorf("come again after %q", got.header.Get("Retry-After"))
			}
		default:
			t.Errorf("%+v", got)
		}
	})
	if answered200.Load() < 64 || answered200.Load()+refused.Load() != 1000 {
		t.Errorf("%d answered, %d refused", answered200.Load(), refused.Load())
	}
	r.ask(texts, completionBody("demo", ""))
	if stats := r.current.Load().loop.Stats(); stats.Running+stats.Waiting > 0 {
		t.Errorf("afterwards: %+v", stats)
	}
}
