package durable

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// followed is a tail whose reader keeps what it is told.
type followed struct {
	*Tail
	said []string
}

func follow(path string) *followed {
	f := &followed{}
	f.Tail = NewTail(path, Format{
		Header: func(line []byte) error { f.said = append(f.said, "header "+string(line)); return nil },
		Record: func(line []byte) error {
			if !json.Valid(line) {
				return errors.New("no JSON")
			}
			f.said = append(f.said, string(line))
			return nil
		},
	})
	return f
}

// read is one more look.
func (f *followed) read(t *testing.T) []string {
	t.Helper()
	f.said = nil
	more, err := f.Read()
	if err != nil {
		t.Fatal(err)
	}
	if more != (len(f.said) > 0) {
		t.Errorf("more: %v, after %q", more, f.said)
	}
	return f.said
}

func sealed(records ...string) (text string) {
	for _, r := range records {
		text += string(seal([]byte(r)))
	}
	return text
}

// What a reader sees of a journal that grows: whole lines, each once, in order.
func TestTail(t *testing.T) {
	whole := "{}\n" + sealed("1", "2", "3")
	for _, c := range []struct {
		what  string
		files []string // what is there at each look
		said  [][]string
	}{
		{"a journal that grows", []string{"", "{}\n", "{}\n" + sealed("1"), whole}, [][]string{nil, {"header {}"}, {"1"}, {"2", "3"}}},
		{"nothing new", []string{whole, whole}, [][]string{{"header {}", "1", "2", "3"}, nil}},
		{"a header that is being written", []string{"{", "{}\n"}, [][]string{nil, {"header {}"}}},
		{"a line that is being written", []string{"{}\n" + sealed("1", "22")[:20], "{}\n" + sealed("1", "22")}, [][]string{{"header {}", "1"}, {"22"}}},
		{"a last line that makes no sense, and is dropped", []string{"{}\n" + sealed("1") + "\x00\x00\n", "{}\n" + sealed("1", "2")}, [][]string{{"header {}", "1"}, {"2"}}},
		{"another journal, shorter", []string{whole, "[]\n" + sealed("9")}, [][]string{{"header {}", "1", "2", "3"}, {"header []", "9"}}},
	} {
		t.Run(c.what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "journal")
			f := follow(path)
			if said := f.read(t); said != nil {
				t.Errorf("of no file: %q", said)
			}
			for i, content := range c.files {
				if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
					t.Fatal(err)
				}
				if said := f.read(t); !slices.Equal(said, c.said[i]) {
					t.Errorf("look %d: %q, want %q", i+1, said, c.said[i])
				}
			}
		})
	}
}

// A journal that takes the place of another one is read from its header, though it is as long.
func TestTailOfAnotherFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	f := follow(path)
	for i := range 3 {
		next := path + ".next"
		if err := os.WriteFile(next, fmt.Appendf(nil, "{}\n%s", sealed(fmt.Sprint(i))), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, path); err != nil {
			t.Fatal(err)
		}
		if said, want := f.read(t), []string{"header {}", fmt.Sprint(i)}; !slices.Equal(said, want) {
			t.Errorf("%q, want %q", said, want)
		}
	}
	if f.Lines() != 2 {
		t.Errorf("%d lines", f.Lines())
	}
}

// Damage with good lines behind it is no line that is being written.
func TestTailOfDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	if err := os.WriteFile(path, []byte("{}\n1\t\"00000000\"\n"+sealed("2")), 0o666); err != nil {
		t.Fatal(err)
	}
	f := follow(path)
	if _, err := f.Read(); err == nil || err.Error() != path+": line 2 is damaged: its checksum is another" {
		t.Errorf("error %v", err)
	}
}

// A journal is in use from the first to the last moment that it is open.
func TestInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	if InUse(path) {
		t.Error("one that is not there")
	}
	j, err := OpenJournal(path, Format{What: "a journal", Begin: "{", Header: func([]byte) error { return nil }}, struct{}{}, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Append(1); err != nil {
		t.Fatal(err)
	}
	if !InUse(path) {
		t.Error("while it is open, it is not")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if InUse(path) {
		t.Error("after it was closed")
	}
}
