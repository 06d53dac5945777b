package experiment

import (
	"context"
	"path/filepath"
	"testing"
)

// A new start takes back what was added since the journal was opened, and nothing else.
func TestJournalRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	facts := []Fact{{"model", "m"}}
	run := func(j *Journal, keys ...string) (fresh int) {
		t.Helper()
		_, err := Each(context.Background(), &Run{Journal: j}, keys, func(context.Context, int) (int, error) { fresh++; return fresh, nil })
		if err != nil {
			t.Fatal(err)
		}
		return fresh
	}
	for i, want := range []struct{ first, again, len int }{{2, 2, 2}, {1, 1, 3}} {
		j, err := OpenJournal(path, facts, i > 0)
		if err != nil {
			t.Fatal(err)
		}
		keys := []string{"a", "b", "c"}[:2+i]
		if n := run(j, keys...); n != want.first {
			t.Errorf("journal %d: %d pieces are new, want %d", i, n, want.first)
		}
		for range 2 {
			if err := j.Restart(); err != nil {
				t.Fatal(err)
			}
		}
		if n := run(j, keys...); n != want.again || j.Len() != want.len {
			t.Errorf("journal %d: after a new start %d pieces are new and %d there, want %d and %d", i, n, j.Len(), want.again, want.len)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := (*Journal)(nil).Restart(); err != nil {
		t.Error(err)
	}
}
