package outputs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A run that ends before its first record says nothing of the journal of an earlier
// run, which is still in the place of its own (it was said to keep the work).
func TestAnEarlyEndKeepsNoWork(t *testing.T) {
	journal := filepath.Join(t.TempDir(), "fix.bankai.journal")
	write := func(text string) {
		if err := os.WriteFile(journal, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name    string
		before  string
		resumed bool
		first   func() // record
		keeps   bool
	}{
		{"an earlier run's", "older", false, func() {}, false},
		{"an earlier run's, set aside", "older", false, func() {
			if err := os.Rename(journal, journal+".1"); err != nil {
				t.Fatal(err)
			}
			write("new")
		}, true},
		{"one that is resumed", "older", true, func() {}, true},
		{"an empty one", "", false, func() {}, false},
		{"a new one", "", false, func() { write("new") }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			write(c.before)
			k := new(Kept)
			k.Resumable(journal, c.resumed)
			c.first()
			e := k.Interruption()
			if e.Useful != c.keeps || strings.Contains(e.Text, "keeps the work") != c.keeps {
				t.Errorf("%q, useful: %v", e.Text, e.Useful)
			}
		})
	}
}
