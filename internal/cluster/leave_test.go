package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestWorkerLeavesWhatComputes: a worker that is to end does so though something computes
// that cannot be interrupted. Its coordinator is told at once, and no files are left.
func TestWorkerLeavesWhatComputes(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("TMP", os.Getenv("TMPDIR"))
	b, events := startBroker(t, BrokerOptions{}), &told{}
	computed := make(chan struct{})
	t.Cleanup(func() { close(computed) })
	withHandler(t, func(j *joined) (func(), error) {
		path, _, err := j.runner.folder("bankai-search-")
		if err == nil {
			err = os.WriteFile(filepath.Join(path, "journal"), []byte("text"), 0o600)
		}
		return func() { <-computed }, err
	})
	s := openSession(t, dial(t, b.Access()), golden(t, exact), events.options())
	stop := runWorker(t, Worker{Conn: dial(t, remote(b)), Name: "w", Cache: t.TempDir(), Open: opener(tinyFile(t))})
	if err := s.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	folders := func() []string {
		found, err := filepath.Glob(filepath.Join(os.TempDir(), "bankai-search-*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if n := len(folders()); n != 1 {
		t.Fatalf("%d folders: that shows little", n)
	}
	if err := stop(); err != nil {
		t.Errorf("it ends with %v", err)
	}
	if left := folders(); len(left) > 0 {
		t.Errorf("it leaves %q behind", left)
	}
	eventually(t, "the coordinator is told", func() bool { return events.has(&events.left, "w: it left") })
}

// TestSessionsAreBounded: those that are over make room for others, in the order in which
// they fell silent.
func TestSessionsAreBounded(t *testing.T) {
	r := &runner{sessions: map[string]*attendance{}}
	now := time.Now()
	for i := range mostSessions {
		if !r.room() {
			t.Fatalf("no room for session %d", i)
		}
		r.sessions[fmt.Sprint(i)] = &attendance{heard: now.Add(time.Duration(i) * time.Second)}
	}
	if r.room() || len(r.sessions) != mostSessions {
		t.Errorf("a session that goes on made room: %d are left", len(r.sessions))
	}
	r.sessions["3"].over, r.sessions["7"].over = true, true
	if !r.room() || r.sessions["3"] != nil || r.sessions["7"] == nil {
		t.Error("it was not the oldest that made room")
	}
}

// TestModelOfAnotherSize is not fetched: the session says another size than the server has.
func TestModelOfAnotherSize(t *testing.T) {
	b, events, path := startBroker(t, BrokerOptions{}), &told{}, tinyFile(t)
	o := events.options()
	o.ModelFile, o.Cache = path, t.TempDir()
	openSession(t, dial(t, b.Access()), golden(t, exact), o)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir()
	runWorker(t, Worker{Conn: dial(t, remote(b)), Name: "w", Cache: cache, Open: fetched})
	eventually(t, "it is refused", func() bool { return events.has(&events.refused, "the session says that it has") })
	if files, err := os.ReadDir(cache); err != nil || len(files) > 0 {
		t.Errorf("%d files were fetched, %v", len(files), err)
	}
}
