package server

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Keys: one of the server's lets in, an admin key lets patches be changed, and nothing
// else does.
func TestKeys(t *testing.T) {
	r := start(t, Options{Keys: []string{"k1", "k2"}, AdminKeys: []string{"root"}})
	patch := string(encoded(t, rows(1, 1)))
	bearer := func(key string) []string { return []string{"Authorization", "Bearer " + key} }
	for _, head := range [][]string{nil, bearer("k3"), bearer(""), bearer("k1 " + "x"), {"Authorization", "Basic k1"}, {"Authorization", "k1"}} {
		for _, path := range []string{"/v1/models", "/api/patches", "/v1/models/demo"} {
			r.refuses(401, "GET", path, "", head...)
		}
		r.refuses(401, "POST", texts, completionBody("demo", ""), head...)
		r.refuses(401, "PUT", "/api/patches/x", patch, head...)
		if got := r.do("GET", "/metrics", "", head...); got.status != 401 || got.header.Get("WWW-Authenticate") == "" {
			t.Errorf("metrics with %v: %+v", head, got)
		}
		if got := r.do("GET", "/health", "", head...); got.status != 200 {
			t.Errorf("health with %v: %+v", head, got)
		}
	}
	for _, key := range []string{"k1", "k2", "root"} {
		if got := r.do("POST", texts, completionBody("demo", ""), bearer(key)...); got.status != 200 {
			t.Errorf("%s: %+v", key, got)
		}
	}
	r.refuses(403, "PUT", "/api/patches/x", patch, bearer("k1")...)
	r.refuses(403, "DELETE", "/api/patches/a", "", bearer("k1")...)
	if got := r.do("PUT", "/api/patches/x", patch, bearer("root")...); got.status != 201 {
		t.Errorf("with the admin key: %+v", got)
	}
}

// Where others can reach the server, patches cannot be changed without an admin key.
func TestNobodyChangesPatchesFromAfar(t *testing.T) {
	r := start(t, Options{})
	e := r.refuses(403, "PUT", "/api/patches/x", string(encoded(t, rows(1, 1))))
	if !strings.Contains(e.Message, "--admin-key-file") {
		t.Error(e.Message)
	}
	r.refuses(403, "DELETE", "/api/patches/a", "")
}

// Pages of browsers (llama.cpp#25655, #25606, #26988, flexllama#30, llamactl#52): none may
// ask unless its origin is allowed, of which then that one is named, in every answer; and
// a name that leads to this machine from outside is not the machine's.
func TestBrowsers(t *testing.T) {
	const friend, evil = "http://localhost:5173", "https://evil.example"
	r := start(t, Options{Loopback: true, Origins: []string{friend, "https://other.example"}})
	for _, origin := range []string{evil, "null", "http://localhost:5174", friend + ".evil.example"} {
		got := r.do("OPTIONS", chats, "", "Origin", origin, "Access-Control-Request-Method", "POST")
		if got.status != 403 || got.header.Get("Access-Control-Allow-Origin") != "" || got.header.Get("Vary") != "Origin" {
			t.Errorf("%s asks: %+v", origin, got)
		}
		r.refuses(403, "POST", chats, chatBody("x", ""), "Origin", origin)
		if got := r.do("GET", "/v1/models", "", "Origin", origin); got.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s reads: %+v", origin, got)
		}
	}
	asked := r.do("OPTIONS", chats, "", "Origin", friend, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,http-referer,x-title")
	if asked.status != 204 || asked.header.Get("Access-Control-Allow-Origin") != friend || asked.header.Get("Access-Control-Allow-Headers") != "authorization,http-referer,x-title" {
		t.Errorf("%+v", asked)
	}
	for _, body := range []string{chatBody("x", ""), chatBody("x", `,"stream":true`), "not JSON"} {
		got := r.do("POST", chats, body, "Origin", friend)
		if got.header.Get("Access-Control-Allow-Origin") != friend || got.header.Get("Vary") != "Origin" {
			t.Errorf("%s: %+v", body, got.header)
		}
	}
	if got := r.do("POST", chats, chatBody("x", ""), "Origin", r.url); got.status != 200 {
		t.Errorf("the server's own pages: %+v", got)
	}
	// Behind a proxy the server does not know its own name, and the browser tells.
	for site, status := range map[string]int{"same-origin": 200, "same-site": 403, "cross-site": 403, "none": 403} {
		if got := r.do("POST", chats, chatBody("x", ""), "Origin", "https://proxy.example", "Sec-Fetch-Site", site); got.status != status {
			t.Errorf("a page, %s: %+v", site, got)
		}
	}
	for host, status := range map[string]int{
		"evil.example": 403, "evil.example:8181": 403, "localhost.evil.example": 403, "10.0.0.1": 403, "127.0.0.1.evil.example": 403,
		"localhost": 200, "LOCALHOST:80": 200, "127.0.0.1:9": 200, "[::1]:8181": 200, "x.localhost": 200, "127.9.9.9": 200,
	} {
		if got := r.do("GET", "/v1/models", "", "Host", host); got.status != status {
			t.Errorf("host %s: %+v", host, got)
		}
	}
	if got := start(t, Options{}).do("GET", "/v1/models", "", "Host", "my.server.example"); got.status != 200 {
		t.Errorf("a server for other machines has any name: %+v", got)
	}
}

// With a prefix everything is below it, as it is without one at /; nothing is beside it.
func TestPathPrefix(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "page "+r.URL.Path) })
	r := start(t, Options{PathPrefix: "/a/b", Page: page})
	for path, want := range map[string]string{"/a/b/": "page /", "/a/b/page/app.js": "page /page/app.js", "/a/b/v1/models/demo:a+b": `"id":"demo:a+b"`, "/a/b/v1/models/demo%3Aa": `"id":"demo:a"`} {
		if got := r.do("GET", path, "", "Accept", "text/html"); got.status != 200 || !strings.Contains(string(got.body), want) {
			t.Errorf("%s: %+v, want %s", path, got, want)
		}
	}
	for _, path := range []string{"/", "/a", "/a/bc", "/v1/models", "/A/B/v1/models"} {
		if e := r.refuses(404, "GET", path, ""); !strings.Contains(e.Message, "/a/b/") {
			t.Errorf("%s: %s", path, e.Message)
		}
	}
	for _, good := range []string{"", "/bankai", "/a/b", "/a-b.c"} {
		if err := CheckPathPrefix(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"/", "bankai", "/a/", "//a", "/a//b", "/a/../b", "/.", "/a b", "/a?b", "/a#b", "/%61", "/\n", "http://x", "/{a}"} {
		if CheckPathPrefix(bad) == nil {
			t.Errorf("%q was taken for a prefix", bad)
		}
	}
}

// Who asks for / gets the page if it is a browser, or else what Ollama's clients look for.
// The page's files need no key and no model; without a page there are none.
func TestPage(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "page "+r.URL.Path) })
	const browser, program = "text/html,application/xhtml+xml,*/*;q=0.8", "*/*"
	for _, c := range []struct {
		o                  Options
		path, accept, want string
	}{
		{Options{Page: page, Keys: []string{"k"}}, "/", browser, "page /"},
		{Options{Page: page, Keys: []string{"k"}}, "/", program, "Ollama is running"},
		{Options{Page: page, Keys: []string{"k"}}, "/page/x/y.js", program, "page /page/x/y.js"},
		{Options{}, "/", browser, "Ollama is running"},
		{Options{}, "/page/app.js", program, "this server has no page"},
	} {
		r := listen(t, c.o)
		if got := r.do("GET", c.path, "", "Accept", c.accept); !strings.Contains(string(got.body), c.want) {
			t.Errorf("%s with Accept %s: %+v, want %s", c.path, c.accept, got, c.want)
		}
	}
}

func TestCheckOrigin(t *testing.T) {
	for _, good := range []string{"https://example.org", "http://localhost:3000", "app://obsidian.md"} {
		if err := CheckOrigin(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "*", "null", "example.org", "https://example.org/", "https://example.org/x", "https://"} {
		if CheckOrigin(bad) == nil {
			t.Errorf("%q was taken for an origin", bad)
		}
	}
}

// Requests that only pretend to be requests end, and nobody else notices.
func TestBrokenConnections(t *testing.T) {
	r := start(t, Options{})
	address := strings.TrimPrefix(r.url, "http://")
	for _, sent := range []string{
		"", "POST", "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"prompt\":",
		"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 100<<10) + "\r\n\r\n",
	} {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(sent)); err != nil {
			t.Error(err)
		}
		c.Close()
	}
	r.ask(texts, completionBody("demo", ""))
}
