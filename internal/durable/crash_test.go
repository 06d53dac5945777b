package durable

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

var errKilled = errors.New("killed")

// process stands for one of several processes, whose steps on the disk a schedule
// puts into an order, and which it may kill before any of them.
type process struct {
	arrived chan string // a step is about to be taken; closed when the process is through
	resume  chan error  // nil to take it
	dead    bool        // no step is taken any more: not even to clean up
}

// start begins the work of a process.
func start(work func(d disk)) *process {
	p := &process{arrived: make(chan string), resume: make(chan error)}
	go func() {
		defer close(p.arrived)
		work(disk{step: func(op string) error {
			if p.dead {
				return errKilled
			}
			p.arrived <- op
			err := <-p.resume
			p.dead = errors.Is(err, errKilled)
			return err
		}})
	}()
	return p
}

// play lets processes take steps in an order drawn by r until all have ended. Each
// is killed before its step of a drawn number, and now and then the disk is full.
func play(r *rand.Rand, ps ...*process) {
	left := make([]int, len(ps))
	for i := range ps {
		left[i] = r.IntN(40) // many end by themselves before
	}
	for len(ps) > 0 {
		i := r.IntN(len(ps))
		if _, more := <-ps[i].arrived; !more {
			ps = append(ps[:i], ps[i+1:]...)
			left = append(left[:i], left[i+1:]...)
			continue
		}
		var err error
		switch left[i]--; {
		case left[i] < 0:
			err = errKilled
		case r.IntN(40) == 0:
			err = &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
		}
		ps[i].resume <- err
	}
}

// contents are those of a file and of what was kept of it, by name.
func contents(t *testing.T, path string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(data)
	}
	return all
}

func holds(all map[string]string, want string) bool {
	for _, text := range all {
		if text == want {
			return true
		}
	}
	return false
}

// Whenever two processes that write one file are killed, and whenever the disk is
// full, every name holds a whole file; what was there before and what was said to be
// written is there, under the name or a number; and the next run succeeds and leaves
// no unfinished file.
func TestWriteUnderEverySchedule(t *testing.T) {
	for seed := range uint64(600) {
		r := rand.New(rand.NewPCG(seed, 1))
		path := filepath.Join(t.TempDir(), "f")
		text := func(name string) string { return strings.Repeat(name, 20) }
		if seed%3 > 0 {
			if err := os.WriteFile(path, []byte(text("old")), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		var errs [2]error
		var ps []*process
		for i, name := range []string{"one", "two"} {
			ps = append(ps, start(func(d disk) {
				o := &Output{Path: path, Keep: true, disk: d, Known: func(string) (string, bool) { return "", true }}
				if errs[i] = o.Check(); errs[i] == nil {
					errs[i] = o.Write(t.Context(), func(f File) error {
						_, err := f.Write([]byte(text(name)))
						return errors.Join(err, d.before("content"))
					})
				}
			}))
		}
		play(r, ps...)
		all := contents(t, path)
		for name, got := range all {
			if got != text("old") && got != text("one") && got != text("two") && (name == path || got != "") {
				t.Fatalf("seed %d: %s holds %q", seed, name, got)
			}
		}
		if seed%3 > 0 && !holds(all, text("old")) {
			t.Fatalf("seed %d: the older file is lost: %q", seed, all)
		}
		for i, name := range []string{"one", "two"} {
			if errs[i] == nil && !holds(all, text(name)) {
				t.Fatalf("seed %d: %s was written and is lost: %q", seed, name, all)
			}
		}
		next := &Output{Path: path, Keep: true, Force: true}
		if err := errors.Join(next.Check(), next.Write(t.Context(), func(f File) error { _, err := f.Write([]byte("next")); return err })); err != nil {
			t.Fatalf("seed %d: the next run: %v", seed, err)
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), tempPattern)); len(left) > 0 {
			t.Fatalf("seed %d: left behind: %v", seed, left)
		}
	}
}

// lines is a format of journals whose records are strings.
func lines(into *[]string) Format {
	return Format{
		What: "a test journal", Begin: `"head`,
		Header: func(line []byte) error {
			if string(line) != `"head"` {
				return errors.New("is of another run")
			}
			return nil
		},
		Record: func(line []byte) error {
			if len(line) < 2 || line[0] != '"' || line[len(line)-1] != '"' {
				return errors.New("it is no string")
			}
			*into = append(*into, string(line[1:len(line)-1]))
			return nil
		},
	}
}

// record runs a process that appends records to a journal until it fails, and returns
// how many were acknowledged.
func record(d disk, path, name string, resume bool) (acked []string, err error) {
	var held []string
	j, err := d.openJournal(path, lines(&held), "head", resume)
	if err != nil {
		return nil, err
	}
	defer j.Close()
	for n := range 6 {
		text := fmt.Sprint(name, n)
		if err := j.Append(text); err == nil {
			acked = append(acked, text)
		} else if errors.Is(err, errKilled) {
			break
		}
	}
	return acked, nil
}

// Whenever processes that want one journal are killed, and whenever the disk is full,
// a journal holds, in their order, the records that were acknowledged to one process,
// and at its end at most one more; an older journal stays, whole; and the next run
// can resume.
func TestJournalUnderEverySchedule(t *testing.T) {
	both := 0
	for seed := range uint64(600) {
		r := rand.New(rand.NewPCG(seed, 2))
		path := filepath.Join(t.TempDir(), "j")
		old := "\"head\"\n" + string(seal([]byte("\"old\"")))
		if seed%3 > 0 {
			if err := os.WriteFile(path, []byte(old), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		var acked [2][]string
		var errs [2]error
		resume := [2]bool{seed%2 == 0, seed%5 == 0}
		var ps []*process
		for i, name := range []string{"a", "b"} {
			ps = append(ps, start(func(d disk) { acked[i], errs[i] = record(d, path, name, resume[i]) }))
		}
		play(r, ps...)
		if errs[0] == nil && errs[1] == nil {
			both++
		}
		all := contents(t, path)
		found := 0
		for name, text := range all {
			if text == "" || text == old {
				found++
				continue
			}
			whole := text[:strings.LastIndexByte(text, '\n')+1]
			records := regexp.MustCompile(`\t"[0-9a-f]{8}"`).ReplaceAllString(whole, "")
			for i := range acked {
				if want := strings.Join(acked[i], "\"\n\""); want != "" && strings.Contains(records, "\""+want+"\"\n") {
					acked[i] = nil
				}
			}
			if strings.HasPrefix(text, old) {
				found++
			}
			var held []string
			if size, err := lines(&held).take([]byte(text)); err != nil || len(whole)-size > 0 {
				t.Fatalf("seed %d: %s is damaged: %q, %v", seed, name, text, err)
			}
		}
		if seed%3 > 0 && found == 0 {
			t.Fatalf("seed %d: the older journal is lost: %q", seed, all)
		}
		if len(acked[0])+len(acked[1]) > 0 {
			t.Fatalf("seed %d: records %q are lost: %q", seed, acked, all)
		}
		if got, err := record(disk{}, path, "next", true); err != nil || len(got) != 6 {
			t.Fatalf("seed %d: the next run appended %q, %v", seed, got, err)
		}
	}
	if both == 0 || both == 600 {
		t.Errorf("both processes had the journal in %d of 600 schedules: the schedules do not meet", both)
	}
}
