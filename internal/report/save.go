package report

import (
	"io"
	"path/filepath"
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
