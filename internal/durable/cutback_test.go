package durable

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A journal that is cut back goes on behind what stays, and whoever follows it begins anew.
func TestCutBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	var told []string
	j, err := OpenJournal(path, lines(&told), "head", false)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	follower := follow(path)
	sizes := []int64{j.Size()}
	for _, r := range []string{"a", "b", "c"} {
		if err := j.Append(r); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, j.Size())
	}
	follower.read(t)
	told = nil
	if err := j.CutBack(lines(&told), sizes[2]); err != nil || !slices.Equal(told, []string{"a", "b"}) {
		t.Errorf("told %q, %v", told, err)
	}
	if err := j.Append("a longer record"); err != nil {
		t.Fatal(err)
	}
	if said, want := follower.read(t), []string{`header "head"`, `"a"`, `"b"`, `"a longer record"`}; !slices.Equal(said, want) {
		t.Errorf("a follower read %q, want %q", said, want)
	}
	if !InUse(path) {
		t.Error("it is not locked any more")
	}
	told = nil
	if err := j.CutBack(lines(&told), 0); err != nil || told != nil {
		t.Errorf("told %q, %v", told, err)
	}
	if data, err := os.ReadFile(path); string(data) != "\"head\"\n" {
		t.Errorf("%q, %v", data, err)
	}
}

// At whatever step a program is killed while it cuts a journal back, the journal is there
// as it was, or as it shall be.
func TestCutBackKilledAtEveryStep(t *testing.T) {
	kept, cut := 0, 0
	for n := 0; ; n++ {
		path := filepath.Join(t.TempDir(), "journal")
		left := -1 // steps
		d := disk{step: func(string) error {
			if left == 0 {
				return errKilled
			}
			left--
			return nil
		}}
		var told []string
		j, err := d.openJournal(path, lines(&told), "head", false)
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Append("a"); err != nil {
			t.Fatal(err)
		}
		size := j.Size()
		if err := j.Append("b"); err != nil {
			t.Fatal(err)
		}
		left = n
		err = j.CutBack(lines(&told), size)
		killed := errors.Is(err, errKilled)
		j.Close()
		told = nil
		again, openErr := OpenJournal(path, lines(&told), "head", true)
		if openErr != nil {
			t.Fatal(openErr)
		}
		again.Close()
		switch {
		case slices.Equal(told, []string{"a", "b"}):
			kept++
		case slices.Equal(told, []string{"a"}):
			cut++
		default:
			t.Errorf("killed at step %d: the journal holds %q", n, told)
		}
		if !killed {
			break
		}
	}
	if kept < 3 || cut < 1 {
		t.Errorf("after %d kills it was as before, after %d cut back", kept, cut)
	}
}
