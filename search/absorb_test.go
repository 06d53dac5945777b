package search_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bankai/search"
)

// A run goes on from what its journal absorbed of another one, as from its own.
func TestAbsorb(t *testing.T) {
	dir := t.TempDir()
	run := func(j *search.Journal, steps int) *search.Result {
		t.Helper()
		r, err := search.Run(t.Context(), newLandscape(), greedy(t, search.Group, 11), empty(), search.Config{Steps: steps, Journal: j})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	facts := []search.Fact{{Name: "seed", Value: "1"}}
	path := filepath.Join(dir, "other")
	other, err := search.OpenJournal(path, facts, false)
	if err != nil {
		t.Fatal(err)
	}
	run(other, 10)
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	want := run(nil, 40)

	mine := search.NewJournal(facts)
	if err := mine.Absorb(path); err != nil {
		t.Fatal(err)
	}
	n := mine.Len()
	if n == 0 || n != other.Len() || mine.Path() != "" || other.Path() != path {
		t.Errorf("%d of %d trials", n, other.Len())
	}
	if err := mine.Absorb(path); err != nil || mine.Len() != n {
		t.Errorf("absorbed twice: %d trials, %v", mine.Len(), err)
	}
	if got := run(mine, 40); got.Fitness != want.Fitness || got.Cost != want.Cost || got.Patch.ContentDigest() != want.Patch.ContentDigest() {
		t.Errorf("%v, want %v", got, want)
	}
	if mine.Len() <= n {
		t.Errorf("%d trials, %d were absorbed: nothing was added", mine.Len(), n)
	}

	// A journal with a file keeps what it absorbed.
	kept := filepath.Join(dir, "kept")
	file, err := search.OpenJournal(kept, facts, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(file.Absorb(path), file.Close()); err != nil {
		t.Fatal(err)
	}
	again, err := search.OpenJournal(kept, facts, true)
	if err != nil || again.Len() != n {
		t.Errorf("%d of %d trials are kept, %v", again.Len(), n, err)
	}
	again.Close()

	// The journal of another run is refused, as is a damaged one; a torn line is not.
	var mismatch *search.MismatchError
	if err := search.NewJournal([]search.Fact{{Name: "seed", Value: "2"}}).Absorb(path); !errors.As(err, &mismatch) {
		t.Errorf("another run: %v", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, damaged := range map[string]string{
		"a changed digit": strings.Replace(string(text), `"seconds":`, `"seconds":1`, 1),
		"no journal":      "hello\n",
	} {
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		j := search.NewJournal(facts)
		if err := j.Absorb(path); err == nil || j.Len() != 0 {
			t.Errorf("%s: %d trials, %v", what, j.Len(), err)
		}
	}
	if err := os.WriteFile(path, text[:len(text)-5], 0o600); err != nil {
		t.Fatal(err)
	}
	if torn := search.NewJournal(facts); torn.Absorb(path) != nil || torn.Len() == 0 {
		t.Error("a torn last line is no reason to refuse")
	}
}
