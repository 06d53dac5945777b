package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bankai"
	"bankai/search"
)

// A search to its end: what its events tell is what the program printed, and the patch is one
// for the server and the library.
func TestSearchToItsEnd(t *testing.T) {
	p := serving(t, t.TempDir())
	d := p.begins(`{"probes": "demo:search_few", "validate": "demo:validate", "name": "few", "steps": 3, "guard": "none", "threads": 1}`)
	if d.Phase != phasePreparing || !d.Running || d.State.Steps != 3 || d.Request.Probes.Probes != 120 {
		t.Errorf("at first: %+v", d)
	}
	p.refuses("POST", "/api/searches", little, http.StatusConflict, "search_running", "the search for few is running")
	p.refuses("DELETE", "/api/searches/"+d.ID, "", http.StatusConflict, "search_running", "stop it first")
	f := p.follow(d.ID, followed{}, nil)
	end := f.last.Search
	if end.Phase != phaseDone || end.Result == nil || end.Patch == nil {
		t.Fatalf("at last: %+v", end)
	}
	data, err := os.ReadFile(filepath.Join(p.home, "searches", d.ID, resultFile))
	if err != nil {
		t.Fatal(err)
	}
	var printed struct {
		Fitness float64
		Flips   int
		Cost    struct {
			ForwardEquivalents float64 `json:"forward_equivalents"`
		}
		Trajectory []search.Point
		Validate   struct{ Before, After, Total int }
	}
	if err := json.Unmarshal(data, &printed); err != nil {
		t.Fatal(err)
	}
	s := end.State
	if s.Fitness != printed.Fitness || s.Cost != printed.Cost.ForwardEquivalents || s.Flips != printed.Flips || s.Step != 3 || end.Patch.Flips != printed.Flips ||
		s.Right == nil || *s.Right != printed.Validate.After || s.Total != printed.Validate.Total {
		t.Errorf("state %+v, the program printed %s", s, data)
	}
	for i, at := range f.points {
		if !reflect.DeepEqual(at.Point, printed.Trajectory[i]) {
			t.Errorf("point %d: %+v, want %+v", i, at.Point, printed.Trajectory[i])
		}
	}
	if v := end.Verdicts[0]; v.Name != "validation" || !strings.HasPrefix(v.Text, fmt.Sprintf("%d of 300 right before, %d after", printed.Validate.Before, printed.Validate.After)) {
		t.Errorf("verdict %+v", v)
	}
	p.keeps(d.ID)
	p.draws(d.ID)
}

// keeps keeps the patch of a search, for the server and in the library.
func (p *page) keeps(id string) {
	p.Helper()
	at := "/api/searches/" + id
	p.refuses("POST", at+"/keep", `{"name": "../up"}`, http.StatusBadRequest, "invalid_value", "cannot be the name of a patch")
	p.ask("POST", at+"/keep", `{"name": "mine", "library": true}`, http.StatusOK, nil)
	var kept struct{ Digest string }
	p.ask("GET", "/api/patches/mine", "", http.StatusOK, &kept)
	got, err := http.Get(p.http.URL + at + "/patch")
	if err != nil {
		p.Fatal(err)
	}
	defer got.Body.Close()
	patch, err := bankai.Read(got.Body)
	if err != nil {
		p.Fatal(err)
	}
	if kept.Digest != "sha256:"+patch.ContentDigest().String() || got.Header.Get("Content-Disposition") != "attachment; filename=few.bankai" {
		p.Errorf("kept %+v, downloaded %v, %v", kept, patch.ContentDigest(), got.Header)
	}
	program, _ := bankaiProgram()
	cmd := exec.Command(program, "library", "list", "--json")
	cmd.Env = append(os.Environ(), "BANKAI_HOME="+p.home)
	if out, err := cmd.Output(); err != nil || !bytes.Contains(out, []byte(`"name":"mine"`)) {
		p.Errorf("the library: %s, %v", out, err)
	}
}

// draws looks at the picture of a search.
func (p *page) draws(id string) {
	p.Helper()
	got, err := http.Get(p.http.URL + "/api/searches/" + id + "/chart.svg")
	if err != nil {
		p.Fatal(err)
	}
	defer got.Body.Close()
	data, _ := io.ReadAll(got.Body)
	if got.Header.Get("Content-Type") != "image/svg+xml" || !bytes.HasPrefix(data, []byte(`<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="Above, fitness against cost; below,`)) {
		p.Errorf("%v: %.200s", got.Header, data)
	}
}

// A search that is stopped keeps what it found. Another server finds it and goes on with it; a
// reader of its events who was there before gets what is new, and nothing twice.
func TestSearchStopsAndGoesOn(t *testing.T) {
	home := t.TempDir()
	p := serving(t, home)
	d := p.begins(long)
	at := "/api/searches/" + d.ID
	begun := p.follow(d.ID, followed{}, func(e searchEvent) bool { return e.Search.State.Accepted > 0 })
	var stopped searchDoc
	p.ask("POST", at+"/stop", "", http.StatusOK, &stopped)
	if stopped.Phase != phaseStopped || stopped.Running || stopped.Patch == nil || stopped.Patch.Flips != stopped.State.Flips || !stopped.Resume {
		t.Fatalf("stopped: %+v", stopped)
	}
	p.refuses("POST", at+"/stop", "", http.StatusConflict, "not_running", "not running")
	p.close()

	p = serving(t, home)
	var list searchList
	p.ask("GET", "/api/searches", "", http.StatusOK, &list)
	if len(list.Searches) != 1 || list.Searches[0].ID != d.ID || list.Searches[0].State.Fitness != stopped.State.Fitness {
		t.Errorf("found again: %+v, want %+v", list.Searches, stopped)
	}
	var again searchDoc
	if p.ask("GET", at, "", http.StatusOK, &again); !reflect.DeepEqual(again, stopped) {
		t.Errorf("found again: %+v, want %+v", again, stopped)
	}
	more := fmt.Sprint(stopped.State.Step + 2)
	p.refuses("POST", at+"/resume", `{"steps": -1}`, http.StatusBadRequest, "invalid_value", "steps is -1")
	p.ask("POST", at+"/resume", `{"steps": `+more+`}`, http.StatusOK, nil)
	rest := p.follow(d.ID, begun, nil)
	whole := p.follow(d.ID, followed{}, nil)
	if rest.last.Search.Phase != phaseDone || fmt.Sprint(rest.last.Search.State.Step) != more {
		t.Errorf("at last: %+v", rest.last.Search)
	}
	if !reflect.DeepEqual(rest.points, whole.points) || len(whole.points) <= len(begun.points) {
		t.Errorf("points %+v, and %+v of a reader that came later", rest.points, whole.points)
	}
	p.ask("DELETE", at, "", http.StatusNoContent, nil)
	p.refuses("GET", at, "", http.StatusNotFound, "search_not_found", d.ID)
	if _, err := os.Stat(filepath.Join(home, "searches", d.ID)); !os.IsNotExist(err) {
		t.Errorf("the folder: %v", err)
	}
}

// When a server ends, its search ends, too, and keeps its work; when the program is killed, the
// journal does.
func TestSearchEndsWithItsServer(t *testing.T) {
	for _, c := range []struct {
		what string
		end  func(p *page, r *process)
		as   searchPhase
		why  string
	}{
		{"closed", func(p *page, _ *process) { p.close() }, phaseStopped, "the server ended, and the search with it"},
		{"the pipe to it broke, as when a server is killed", func(_ *page, r *process) { r.in.Close(); <-r.done }, phaseStopped, "the server ended, and the search with it"},
		{"the search was killed", func(_ *page, r *process) { r.cmd.Process.Kill(); <-r.done }, phaseFailed, "ended from outside (killed)"},
	} {
		t.Run(c.what, func(t *testing.T) {
			home := t.TempDir()
			p := serving(t, home)
			d := p.begins(long)
			p.follow(d.ID, followed{}, func(e searchEvent) bool { return e.Search.State.Line > 2 })
			r, err := openSearch(filepath.Join(home, "searches", d.ID))
			if err != nil {
				t.Fatal(err)
			}
			c.end(p, p.web.searches.runs[d.ID].process)
			if got := r.doc(); got.Running || got.Phase != c.as || !strings.Contains(got.Why, c.why) || !got.Resume || got.State.Line <= 2 {
				t.Errorf("found then: %+v", got)
			}
		})
	}
}

// What cannot be searched is refused in words, before anything is started or written.
func TestSearchRefuses(t *testing.T) {
	p := serving(t, t.TempDir())
	for _, c := range []struct{ body, part string }{
		{`{}`, "a search needs probes"},
		{`{"probes": "/etc/passwd"}`, "no set \"/etc/passwd\" in the program"},
		{`{"probes": "demo:text"}`, "no set"},
		{`{"probes": {"name": "x.json", "data": "[]"}}`, "x.json"},
		{`{"probes": {"name": "x.exe", "data": "[]"}}`, "its name ends in none of"},
		{`{"probes": 3}`, "a set of probes is a name"},
		{`{"probes": "demo:search", "name": "../../x"}`, "cannot be the name of a patch"},
		{`{"probes": "demo:search", "name": "-o"}`, "cannot be the name of a patch"},
		{`{"probes": "demo:search", "strategy": "hope"}`, "unknown strategy"},
		{`{"probes": "demo:search", "strategy": "vote"}`, "on the command line"},
		{`{"probes": "demo:search", "strategy": "greedy", "granularity": "bit"}`, "use guided for bits"},
		{`{"probes": "demo:search", "granularity": "word"}`, "unknown granularity"},
		{`{"probes": "demo:search", "steps": -1}`, "steps is -1"},
		{`{"probes": "demo:search", "minutes": -0.5}`, "minutes is -0.5"},
		{`{"probes": "demo:search", "layers": "0 --force"}`, "is not a list"},
		{`{"probes": "demo:search", "layers": "99"}`, "99"},
		{`{"probes": "demo:search", "proj": ["gate", "--model=x"]}`, "there is no projection"},
		{`{"probes": "demo:search", "proj": ["nope"]}`, "nope"},
		{`{"probes": "demo:search", "guard": "none --model=x"}`, "the guard"},
		{`{"probes": "demo:search", "threads": 9999}`, "9999 threads"},
		{`{"probes": "demo:search", "model": "x"}`, "model"},
	} {
		p.refuses("POST", "/api/searches", c.body, http.StatusBadRequest, "invalid_value", c.part)
	}
	for _, id := range []string{"20260101-000000-00000000", "..%2f..%2fx", "x"} {
		p.refuses("GET", "/api/searches/"+id+"/patch", "", http.StatusNotFound, "search_not_found", "there is no search")
	}
	if entries, err := os.ReadDir(p.home); err != nil || len(entries) != 0 {
		t.Errorf("written: %v, %v", entries, err)
	}
}

// Of several requests at once one begins a search.
func TestOneSearchAtATime(t *testing.T) {
	p := serving(t, t.TempDir())
	var all sync.WaitGroup
	status := make([]int, 4)
	for i := range status {
		all.Go(func() {
			got, err := http.Post(p.http.URL+"/api/searches", "application/json", strings.NewReader(long))
			if err == nil {
				status[i] = got.StatusCode
				got.Body.Close()
			}
		})
	}
	all.Wait()
	slices.Sort(status)
	if want := []int{http.StatusCreated, http.StatusConflict, http.StatusConflict, http.StatusConflict}; !slices.Equal(status, want) {
		t.Errorf("answers %v", status)
	}
}

// What the program says when it fails is told, and a file keeps nothing of the name that it
// came by but its ending.
func TestSearchFails(t *testing.T) {
	p := serving(t, t.TempDir())
	same := `[{\"prompt\": \"2+2=\", \"correct\": \"4\", \"wrong\": \"4\"}]`
	d := p.begins(`{"probes": {"name": "..\\..\\<img src=x>.json", "data": "` + same + `"}, "guard": "none", "steps": 3}`)
	f := p.follow(d.ID, followed{}, nil)
	if end := f.last.Search; end.Phase != phaseFailed || !strings.HasPrefix(end.Why, "probes.json: ") || !strings.Contains(end.Why, "fatal finding") || end.Resume || end.Request.Probes.Name != "<img src=x>.json" {
		t.Errorf("%+v", f.last.Search)
	}
	p.refuses("POST", "/api/searches/"+d.ID+"/keep", `{}`, http.StatusNotFound, "no_patch_yet", "no patch yet")
	p.refuses("POST", "/api/searches/"+d.ID+"/resume", `{}`, http.StatusConflict, "not_resumable", "start it anew")
}

// A reader of events is told soon when the server ends.
func TestEventsEndWithTheServer(t *testing.T) {
	p := serving(t, t.TempDir())
	d := p.begins(long)
	got, err := http.Get(p.http.URL + "/api/searches/" + d.ID + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	ended := make(chan struct{})
	go func() { io.Copy(io.Discard, got.Body); close(ended) }()
	p.web.Close()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("the events go on")
	}
}
