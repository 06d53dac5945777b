package web

import (
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"bankai/search"
)

// program makes the program of searches that begin from now on one that does as a script says.
func (p *page) program(script string) {
	p.Helper()
	if runtime.GOOS == "windows" {
		p.Skip("there are no scripts with #!")
	}
	path := filepath.Join(p.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		p.Fatal(err)
	}
	p.web.searches.o.Program = path
}

// A search that goes on and dies at once, as on a full disk, has failed, and keeps the result
// that it had.
func TestSearchThatDiesKeepsItsResult(t *testing.T) {
	home := t.TempDir()
	p := serving(t, home)
	d := p.begins(little)
	done := p.follow(d.ID, followed{}, nil).last.Search
	for _, c := range []struct{ script, why string }{
		{"exit 1", "exit status 1"},
		{"kill -9 $$", "ended from outside (killed)"},
		{"echo '{' ; exit 1", "exit status 1"},
		{"echo 'bankai: no room' >&2; exit 1", "no room"},
	} {
		p.program(c.script)
		p.ask("POST", "/api/searches/"+d.ID+"/resume", `{}`, http.StatusOK, nil)
		got := p.follow(d.ID, followed{}, nil).last.Search
		if got.Phase != phaseFailed || !strings.Contains(got.Why, c.why) || !got.Resume || !reflect.DeepEqual(got.Result, done.Result) {
			t.Errorf("%s: %s, %q, to go on with: %v, result %+v, want that of before", c.script, got.Phase, got.Why, got.Resume, got.Result)
		}
		p.close()
		p = serving(t, home)
		var again searchDoc
		if p.ask("GET", "/api/searches/"+d.ID, "", http.StatusOK, &again); !reflect.DeepEqual(again, got) {
			t.Errorf("%s: found again: %+v, want %+v", c.script, again, got)
		}
	}
	p.web.searches.o.Program = filepath.Join(home, "none")
	p.refuses("POST", "/api/searches/"+d.ID+"/resume", `{"steps": 9}`, http.StatusInternalServerError, "search_failed", "could not go on")
	var again searchDoc
	if p.ask("GET", "/api/searches/"+d.ID, "", http.StatusOK, &again); again.Why != "no room" || again.State.Steps != 3 {
		t.Errorf("after a start that failed: %+v", again)
	}
}

// A start that fails leaves nothing behind.
func TestSearchThatCannotBegin(t *testing.T) {
	p := serving(t, t.TempDir())
	p.web.searches.o.Program = filepath.Join(p.home, "none")
	var doc struct{ Error struct{ Type, Code string } }
	p.ask("POST", "/api/searches", little, http.StatusInternalServerError, &doc)
	if doc.Error.Type != "server_error" || doc.Error.Code != "search_failed" {
		t.Errorf("%+v", doc.Error)
	}
	if left, err := os.ReadDir(p.web.searches.dir); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// A search whose folder is taken away is there until its process has ended: no other one
// begins beside it, and it can be stopped.
func TestSearchWithoutItsFolder(t *testing.T) {
	p := serving(t, t.TempDir())
	p.program("exec cat") // until its stdin ends
	d := p.begins(long)
	if err := os.RemoveAll(filepath.Join(p.web.searches.dir, d.ID)); err != nil {
		t.Fatal(err)
	}
	var list searchList
	if p.ask("GET", "/api/searches", "", http.StatusOK, &list); len(list.Searches) != 1 || !list.Searches[0].Running {
		t.Errorf("listed: %+v", list.Searches)
	}
	p.refuses("POST", "/api/searches", little, http.StatusConflict, "search_running", "the search for long is running")
	p.ask("POST", "/api/searches/"+d.ID+"/stop", "", http.StatusOK, nil)
	p.refuses("GET", "/api/searches/"+d.ID, "", http.StatusNotFound, "search_not_found", d.ID)
	p.begins(long)
}

// A search that is stopped before it has tried anything tells how far it was, and can be begun
// again with the file that it had.
func TestSearchThatIsPreparing(t *testing.T) {
	p := serving(t, t.TempDir())
	p.program("echo 'guard 40 %, 12 of 30 prompts, 3s left' >&2; cat; echo 'bankai: interrupted: nothing is found yet' >&2; exit 3")
	d := p.begins(`{"probes": {"name": "mine.json", "data": "[{\"prompt\": \"2+2=\", \"correct\": \"4\", \"wrong\": \"5\"}]"}, "guard": "none"}`)
	f := p.follow(d.ID, followed{}, func(e searchEvent) bool { return e.Search.Progress != nil })
	if got, want := *f.last.Search.Progress, (searchProgress{"guard", 0.4, "12 of 30 prompts, 3s left"}); got != want || f.last.Search.Phase != phasePreparing {
		t.Errorf("%s %+v, want %+v", f.last.Search.Phase, got, want)
	}
	var stopped searchDoc
	p.ask("POST", "/api/searches/"+d.ID+"/stop", "", http.StatusOK, &stopped)
	if stopped.Phase != phaseStopped || stopped.Resume || !strings.Contains(stopped.Why, "nothing had been tried yet") {
		t.Errorf("%+v", stopped)
	}
	if again := p.begins(`{"probes": {"of": "` + d.ID + `"}, "guard": "none"}`); again.Request.Probes != (askedSet{Name: "mine.json", Probes: 1}) {
		t.Errorf("again: %+v", again.Request.Probes)
	}
	p.refuses("POST", "/api/searches", `{"probes": {"of": "../../x"}}`, http.StatusBadRequest, "invalid_value", "not there any more")
	p.refuses("POST", "/api/searches", `{"probes": "demo:search", "validate": {"of": "`+d.ID+`"}}`, http.StatusBadRequest, "invalid_value", "had no such file")
}

// What is right is told with the patch that it was counted under.
func TestLooked(t *testing.T) {
	at := func(step, flips, right int, fitness float64) search.Point {
		return search.Point{Step: step, Flips: flips, Fitness: fitness, Right: &right}
	}
	moved := search.Point{Step: 9, Flips: 5, Fitness: 0.5}
	for _, c := range []struct {
		what   string
		points []search.Point
		right  int
		said   string
	}{
		{"the patch as it is", []search.Point{at(0, 0, 169, 0), at(9, 5, 245, 0.5)}, 245, ""},
		{"an earlier patch", []search.Point{at(0, 0, 169, 0), at(6, 4, 240, 0.4), moved}, 240, "at candidate 6, 4 flips"},
		{"the model", []search.Point{at(0, 0, 169, 0), moved}, 169, "without the patch"},
		{"a patch that was gone back to", []search.Point{at(0, 0, 169, 0), at(4, 5, 240, 0.5), at(8, 7, 230, 0.7)}, 240, ""},
	} {
		s := searchState{Step: 9, Flips: 5, Fitness: 0.5}
		s.look(c.points)
		said := ""
		if s.Looked != nil {
			said = s.Looked.Said
		}
		if s.Right == nil || *s.Right != c.right || said != c.said {
			t.Errorf("%s: %v right %q, want %d %q", c.what, s.Right, said, c.right, c.said)
		}
	}
}
