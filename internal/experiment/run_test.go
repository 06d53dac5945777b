package experiment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

var someFacts = []Fact{{"model", "abc"}, {"text", "def"}}

// An experiment that ends after any of its pieces goes on to the same results,
// and does no piece twice.
func TestResumeAtEveryPiece(t *testing.T) {
	keys := []string{"a", "b", "c", "d"}
	want := []float64{1, 0.1, 1.0 / 3, 1e-300}
	for stop := range len(keys) + 1 {
		path := filepath.Join(t.TempDir(), "x.journal")
		ctx, cancel := context.WithCancel(t.Context())
		done := 0
		work := func(_ context.Context, i int) (float64, error) {
			done++
			return want[i], nil
		}
		j, err := OpenJournal(path, someFacts, false)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Each(ctx, &Run{Journal: j, Progress: func(p Progress) {
			if p.Done == stop {
				cancel()
			}
		}}, append([]string{"first"}, keys...)[1:stop+1], work)
		if err != nil || j.Len() != stop || j.Close() != nil {
			t.Fatal(stop, err, j.Len())
		}
		cancel()
		if j, err = OpenJournal(path, someFacts, true); err != nil {
			t.Fatal(err)
		}
		var last Progress
		got, err := Each(t.Context(), &Run{Journal: j, Progress: func(p Progress) { last = p }}, keys, work)
		if err != nil || !slices.Equal(got, want) || done != len(keys) {
			t.Errorf("resumed after %d: %v, %v, %d pieces done", stop, got, err, done)
		}
		if last.Done != len(keys) || last.Total != len(keys) || last.Resumed != stop {
			t.Errorf("resumed after %d: progress ends with %+v", stop, last)
		}
		j.Close()
	}
}

// A piece that fails is named, and those before it are kept.
func TestFailedPiece(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.journal")
	j, err := OpenJournal(path, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	broken := errors.New("no luck")
	_, err = Each(t.Context(), &Run{Journal: j}, []string{"good", "bad"}, func(_ context.Context, i int) (int, error) {
		return i, []error{nil, broken}[i]
	})
	if !errors.Is(err, broken) || err.Error() != "bad: no luck" || j.Len() != 1 {
		t.Errorf("%v, and the journal holds %d", err, j.Len())
	}
}

// Work that was cancelled before it began is not begun.
func TestCancelledBefore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Each(ctx, &Run{}, []string{"a"}, func(context.Context, int) (int, error) {
		t.Error("was begun")
		return 0, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

const head = `{"journal":"bankai experiment","version":1,"facts":[{"name":"model","value":"abc"},{"name":"text","value":"def"}]}` + "\n"

func TestJournalRefuses(t *testing.T) {
	for _, c := range []struct{ name, file, want string }{
		{"text", "hello\n", "is not the journal of an experiment"},
		{"search", `{"journal":"bankai search","version":3}` + "\n", "is not the journal of an experiment"},
		{"no line (review B7)", "x", "is not the journal of an experiment"},
		{"version", strings.Replace(head, ":1", ":9", 1), "has version 9, this program writes 2"},
		{"facts", strings.Replace(head, "def", "xyz", 1), `was begun with another text ("xyz", now "def")`},
		{"more facts", strings.Replace(head, `[`, `[{"name":"window","value":"9"},`, 1), "is of another experiment"},
		{"line", head + "{}\n{}\n", "line 2 is damaged (it is no piece of an experiment"},
		{"value", head + `{"key":"a"}` + "\n\n", "line 2 is damaged (it is no piece of an experiment"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.journal")
			if err := os.WriteFile(path, []byte(c.file), 0o666); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenJournal(path, someFacts, true); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), path) {
				t.Errorf("got %v, want …%s…", err, c.want)
			}
			if data, _ := os.ReadFile(path); string(data) != c.file {
				t.Errorf("the file was changed to %q", data)
			}
		})
	}
}

// Without --resume an older journal is set aside, not lost.
func TestJournalKeepsTheOld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.journal")
	for _, n := range []int{1, 2} {
		for _, pieces := range []int{1, 0, 0} { // a run without a piece changes nothing
			j, err := OpenJournal(path, []Fact{{"run", fmt.Sprint(n)}}, false)
			if err != nil {
				t.Fatal(err)
			}
			if pieces > 0 {
				err = j.add("a", n)
			}
			if err := errors.Join(err, j.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	old, err := os.ReadFile(path + ".1")
	if err != nil || !strings.Contains(string(old), `"value":"1"`) {
		t.Errorf("%s, %v", old, err)
	}
}

// Whatever a journal holds, opening it neither panics nor loses a whole line, and
// a torn last line is dropped.
func FuzzJournal(f *testing.F) {
	f.Add("")
	f.Add(head)
	f.Add(head + `{"key":"a","value":[1]}` + "\n" + `{"key":"b","val`)
	f.Add(head[:20])
	f.Fuzz(func(t *testing.T, file string) {
		path := filepath.Join(t.TempDir(), "x.journal")
		if err := os.WriteFile(path, []byte(file), 0o666); err != nil {
			t.Fatal(err)
		}
		j, err := OpenJournal(path, someFacts, true)
		if err != nil {
			return
		}
		n := j.Len()
		if err := j.add("new", 7); err != nil {
			t.Fatal(err)
		}
		j.Close()
		again, err := OpenJournal(path, someFacts, true)
		if err != nil {
			t.Fatalf("cannot be opened again: %v", err)
		}
		defer again.Close()
		var v int
		if held, err := again.find("new", &v); !held || err != nil || v != 7 || again.Len() < n {
			t.Errorf("held %v, %v, %d; %d lines, were %d", held, err, v, again.Len(), n)
		}
	})
}

// As many pieces are in work at once as the run says, and no more; in turn, one.
func TestEachAtOnce(t *testing.T) {
	keys := make([]string, 12)
	want := make([]int, len(keys))
	for i := range keys {
		keys[i], want[i] = fmt.Sprint("piece ", i), i*i
	}
	for _, c := range []struct{ atOnce, want int }{{0, 1}, {1, 1}, {4, 4}} {
		var mu sync.Mutex
		inWork, most := 0, 0
		together := make(chan struct{})
		var last Progress
		got, err := Each(t.Context(), &Run{AtOnce: c.atOnce, Progress: func(p Progress) { last = p }}, keys, func(ctx context.Context, i int) (int, error) {
			mu.Lock()
			inWork++
			if most = max(most, inWork); inWork == c.want {
				select {
				case <-together:
				default:
					close(together)
				}
			}
			mu.Unlock()
			<-together // only so many can be there at once to open it
			mu.Lock()
			inWork--
			mu.Unlock()
			return i * i, nil
		})
		if err != nil || !slices.Equal(got, want) || most != c.want || last.Done != len(keys) {
			t.Errorf("%d at once: %v, %v, %d were; %+v", c.atOnce, got, err, most, last)
		}
	}
	most, inWork := 0, 0
	if _, err := EachInTurn(t.Context(), &Run{AtOnce: 4}, keys, func(context.Context, int) (int, error) {
		inWork++
		most = max(most, inWork)
		inWork--
		return 0, nil
	}); err != nil || most != 1 {
		t.Errorf("in turn: %d at once, %v", most, err)
	}
}

// A piece that fails ends the others, and its error is the one that is told.
func TestFailedPieceAtOnce(t *testing.T) {
	broken := errors.New("no luck")
	begun := make(chan struct{})
	_, err := Each(t.Context(), &Run{AtOnce: 2}, []string{"waits", "bad", "never"}, func(ctx context.Context, i int) (int, error) {
		switch i {
		case 0:
			close(begun)
			<-ctx.Done()
			return 0, ctx.Err()
		case 1:
			<-begun
			return 0, broken
		}
		t.Error("a piece began after another had failed")
		return 0, nil
	})
	if !errors.Is(err, broken) || err.Error() != "bad: no luck" {
		t.Errorf("%v", err)
	}
}
