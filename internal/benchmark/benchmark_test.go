package benchmark

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bankai/internal/report"
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
		r, err := report.Read(bytes.NewReader(data), Kinds)
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

// The pictures and tables in docs/experiments are those of the results beside them.
func TestPublishedFilesAreCurrent(t *testing.T) {
	results, err := filepath.Glob("../../docs/experiments/*/*.json")
	if err != nil || len(results) < 20 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	for _, name := range results {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := report.Read(f, Kinds)
		f.Close()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_, err = report.Save(filepath.Dir(name), r, func(path string, write func(io.Writer) error) error {
			if ext := filepath.Ext(path); ext != ".svg" && ext != ".csv" {
				return nil
			}
			var b bytes.Buffer
			if err := write(&b); err != nil {
				return err
			}
			if published, err := os.ReadFile(path); err != nil || !bytes.Equal(published, b.Bytes()) {
				t.Errorf("%s is not what %s gives: %v", path, name, err)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
