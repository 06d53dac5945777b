package durable

import (
	"os"
	"path/filepath"
	"testing"
)

// A byte of a record that is another on the disk is an error that names the line; in
// the last line, which a crash may have damaged, it drops the record.
func TestDamagedRecordsAreNoticed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	var got []string
	format := lines(&got)
	j, err := OpenJournal(path, format, "head", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Append("first 1.25", "second 2.5"); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head := len("\"head\"\n")
	last := head + len("\"first 1.25\"\t\"12345678\"\n")
	for at := head; at < len(data)-1; at++ {
		for _, change := range []byte{1, 2, 4, 16, 32} {
			bad := append([]byte(nil), data...)
			if bad[at] ^= change; bad[at] == '\n' || data[at] == '\n' {
				continue
			}
			if err := os.WriteFile(path, bad, 0o666); err != nil {
				t.Fatal(err)
			}
			got = nil
			j, err := OpenJournal(path, format, "head", true)
			if at < last && err == nil || at >= last && (err != nil || len(got) != 1 || got[0] != "first 1.25") {
				t.Errorf("byte %d, %q for %q: %v, records %q", at, bad[at], data[at], err, got)
			}
			if err == nil {
				j.Close()
			}
		}
	}
}
