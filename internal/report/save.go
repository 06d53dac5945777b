package report

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Save writes a result into a folder: as JSON, as a page, each of its tables as
// CSV and each of its charts as SVG, each by a call of put. It returns the files'
// names.
func Save(dir string, r Result, put func(path string, write func(io.Writer) error) error) ([]string, error) {
	p := r.Present()
	name := r.Head().Experiment
	var files []string
	write := func(name string, write func(io.Writer) error) error {
		path := filepath.Join(dir, name)
		if err := put(path, write); err != nil {
			return err
		}
		files = append(files, path)
		return nil
	}
	if err := write(name+".json", func(w io.Writer) error { return WriteJSON(w, r) }); err != nil {
		return files, err
	}
	for _, t := range p.Tables {
		if err := write(t.Name+".csv", t.WriteCSV); err != nil {
			return files, err
		}
	}
	for _, c := range p.Charts {
		if err := write(c.Name+".svg", c.SVG); err != nil {
			return files, err
		}
	}
	err := write(name+".html", func(w io.Writer) error { return WriteResults(w, ByExperiment, r) })
	return files, err
}

// Unchanged tells of each file that [Save] would write whether it is there as the result
// gives it. The figures of another file may have been changed by hand.
func Unchanged(dir string, r Result) map[string]bool {
	same := map[string]bool{}
	Save(dir, r, func(path string, write func(io.Writer) error) error {
		var b bytes.Buffer
		data, err := os.ReadFile(path)
		same[path] = err == nil && write(&b) == nil && bytes.Equal(data, b.Bytes())
		return nil
	})
	return same
}

// Tables are the names of the files in a folder that may be tables and pictures of an
// experiment, whatever result they are of.
func Tables(dir, experiment string) (names []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		switch base := strings.TrimSuffix(e.Name(), ext); {
		case ext != ".csv" && ext != ".svg":
		case base == experiment || strings.HasPrefix(base, experiment+"-"):
			names = append(names, e.Name())
		}
	}
	return names
}
