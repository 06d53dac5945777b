package experiment

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The results of docs/experiments are as they were written and can be shown: every row
// of a table has all of its columns, every chart can be drawn.
func TestPublishedResults(t *testing.T) {
	files, err := filepath.Glob("../docs/experiments/*/*.json")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		if strings.HasPrefix(file, "../docs/experiments/data/") {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Read(bytes.NewReader(data))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		seen[r.Head().Experiment] = true
		shown := r.Present()
		for _, table := range shown.Tables {
			for i, row := range table.Rows {
				if len(row) != len(table.Columns) {
					t.Errorf("%s: row %d of %s has %d of %d columns", file, i+1, table.Name, len(row), len(table.Columns))
				}
			}
		}
		for _, c := range shown.Charts {
			if err := c.SVG(io.Discard); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
		if err := shown.WriteText(io.Discard); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	for kind := range kinds {
		if !seen[kind] {
			t.Errorf("docs/experiments has no result of %s", kind)
		}
	}
}

// A result is refused if any of it is not as it was written, but white space.
func TestReadRefusesAChangedResult(t *testing.T) {
	var b bytes.Buffer
	if err := WriteJSON(&b, stored()); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	var compact bytes.Buffer
	if err := json.Compact(&compact, whole); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(&compact); err != nil {
		t.Errorf("without white space: %v", err)
	}
	name := stored().Head().Experiment
	for i, c := range whole {
		for _, other := range []byte{c ^ 1, c ^ 0x20, '"', '9'} {
			changed := bytes.Clone(whole)
			changed[i] = other
			if white := []byte(" \n"); other == c || bytes.IndexByte(white, c) >= 0 && bytes.IndexByte(white, other) >= 0 {
				continue
			}
			if r, err := Read(bytes.NewReader(changed)); err == nil {
				t.Fatalf("byte %d, %q for %q: read as a result of %s", i, other, c, r.Head().Experiment)
			}
		}
		if i > 0 && i < len(whole)-1 {
			if _, err := Read(bytes.NewReader(whole[:i])); err == nil {
				t.Fatalf("read after the first %d bytes of %d", i, len(whole))
			}
		}
	}
	for what, doc := range map[string]string{
		"does not begin with a checksum, so it was written by hand or by an older version": fmt.Sprintf(`{"experiment":%q}`, name),
		"does not match its checksum, so it was changed or was written by another version": strings.Replace(string(whole), `"seed": 0`, `"seed": 1`, 1),
	} {
		want := "is not a whole result of " + name + ": it " + what + ": give the file that the experiment wrote, or do it again"
		if _, err := Read(strings.NewReader(doc)); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
