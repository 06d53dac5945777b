package benchmark

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bankai/experiment"
)

// The results of docs/experiments are as they were written and can be shown: every row
// of a table has all of its columns, every chart can be drawn.
func TestPublishedResults(t *testing.T) {
	files, err := filepath.Glob("../../docs/experiments/*/*.json")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		if strings.HasPrefix(file, "../../docs/experiments/data/") {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r, err := experiment.Read(bytes.NewReader(data), Kinds)
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
	for kind := range Kinds {
		if !seen[kind] {
			t.Errorf("docs/experiments has no result of %s", kind)
		}
	}
}
