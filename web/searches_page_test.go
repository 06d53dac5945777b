package web

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"bankai/engine"
	"bankai/internal/enginetest"
	"bankai/internal/source"
	"bankai/server"
)

// bankaiProgram builds the program, which is what a search is.
var bankaiProgram = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("BANKAI_PROGRAM"); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "bankai-web-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "bankai")
	out, err := exec.Command("go", "build", "-o", path, "bankai/cmd/bankai").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return path, err
})

// page is a server with the demo model and what the page starts.
type page struct {
	testing.TB
	web  *Web
	http *httptest.Server
	home string
}

// serving starts one with a folder of the user's.
func serving(t testing.TB, home string) *page {
	t.Helper()
	program, err := bankaiProgram()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("BANKAI_CONFIG", filepath.Join(home, "no-config"))
	w := New(Options{Model: source.DemoModel, Precision: "fast", Home: home, Program: program})
	s := server.New(server.Options{Loopback: true, Routes: w.Routes(), Loop: engine.LoopOptions{MaxBytes: 64 << 20, MaxSequences: 4}})
	if err := s.Serve(enginetest.Demo(t, engine.Options{Threads: 1}), "demo", nil); err != nil {
		t.Fatal(err)
	}
	p := &page{t, w, httptest.NewServer(s), home}
	t.Cleanup(p.close)
	return p
}

func (p *page) close() {
	p.web.Close()
	p.http.Close()
}

// ask asks, and wants a status; to takes the answer.
func (p *page) ask(method, path, body string, status int, to any) {
	p.Helper()
	q, err := http.NewRequest(method, p.http.URL+path, strings.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	got, err := http.DefaultClient.Do(q)
	if err != nil {
		p.Fatal(err)
	}
	defer got.Body.Close()
	data, err := io.ReadAll(got.Body)
	if err != nil {
		p.Fatal(err)
	}
	if got.StatusCode != status {
		p.Fatalf("%s %s: %s, want %d: %s", method, path, got.Status, status, data)
	}
	if to != nil {
		if err := json.Unmarshal(data, to); err != nil {
			p.Fatalf("%s %s: %v: %s", method, path, err, data)
		}
	}
}

// refuses asks for what is refused, and wants a code and a part of the message.
func (p *page) refuses(method, path, body string, status int, code, part string) {
	p.Helper()
	var doc struct {
		Error struct{ Code, Message string }
	}
	p.ask(method, path, body, status, &doc)
	if doc.Error.Code != code || !strings.Contains(doc.Error.Message, part) {
		p.Errorf("%s %s %s: %+v, want %s with %q", method, path, body, doc.Error, code, part)
	}
}

// followed is what the events of a search tell until its end, or until enough.
type followed struct {
	points []pointDoc
	last   searchEvent
	id     string // of the last event
	events int
}

// follow goes on from what was seen before.
func (p *page) follow(id string, f followed, enough func(e searchEvent) bool) followed {
	p.Helper()
	q, err := http.NewRequest("GET", p.http.URL+"/api/searches/"+id+"/events", http.NoBody)
	if err != nil {
		p.Fatal(err)
	}
	q.Header.Set("Last-Event-ID", f.id)
	got, err := http.DefaultClient.Do(q)
	if err != nil {
		p.Fatal(err)
	}
	defer got.Body.Close()
	lines := bufio.NewScanner(got.Body)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			f.id = id
		}
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		f.last = searchEvent{}
		if err := json.Unmarshal([]byte(data), &f.last); err != nil {
			p.Fatalf("%v: %s", err, data)
		}
		f.events++
		f.points = append(f.points[:min(f.last.From, len(f.points))], f.last.Points...)
		if f.last.Over || enough != nil && enough(f.last) {
			return f
		}
	}
	p.Fatalf("the events of %s broke off: %v", id, lines.Err())
	return f
}

// begins starts a search.
func (p *page) begins(body string) (d searchDoc) {
	p.Helper()
	p.ask("POST", "/api/searches", body, http.StatusCreated, &d)
	return d
}

// little is a search that takes a few seconds.
const little = `{"probes": "demo:search_few", "name": "few", "steps": 3, "guard": "none", "threads": 1}`

// long is one that takes longer than any test.
const long = `{"probes": "demo:search_few", "name": "long", "steps": 100000, "granularity": "bit", "guard": "none", "threads": 1}`
