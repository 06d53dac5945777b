// Package reporttest holds the results of experiments to what any result must do: go
// through files unchanged.
package reporttest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"bankai/internal/report"
)

// ReadBack checks that a result of one of the kinds, of the experiment called name,
// survives its JSON, as it is and as it is shown.
func ReadBack(t testing.TB, r report.Result, name string, kinds report.Kinds) {
	t.Helper()
	r.Head().Experiment = name
	var doc bytes.Buffer
	if err := report.WriteJSON(&doc, r); err != nil {
		t.Fatal(err)
	}
	first := doc.String()
	got, err := report.Read(&doc, kinds)
	if err != nil {
		t.Fatal(err)
	}
	var again, a, b bytes.Buffer
	if err := errors.Join(report.WriteJSON(&again, got), r.Present().WriteText(&a), got.Present().WriteText(&b)); err != nil {
		t.Fatal(err)
	}
	if again.String() != first {
		t.Error("the JSON changed by being read and written")
	}
	if a.String() != b.String() {
		t.Errorf("it is shown as\n%s\nand read back as\n%s", a.String(), b.String())
	}
	for i, table := range r.Present().Tables {
		var c, d bytes.Buffer
		if err := errors.Join(table.WriteCSV(&c), got.Present().Tables[i].WriteCSV(&d)); err != nil {
			t.Fatal(err)
		}
		if c.String() != d.String() {
			t.Errorf("%s.csv changed", table.Name)
		}
	}
	if err := report.WriteResults(&a, report.ByExperiment, got); err != nil {
		t.Error(err)
	}
}

// Put writes a file plainly.
func Put(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// SameFiles fails unless two results write the same files.
func SameFiles(t testing.TB, a, b report.Result) {
	t.Helper()
	dirs := [2]string{t.TempDir(), t.TempDir()}
	var files [2][]string
	for i, r := range []report.Result{a, b} {
		var err error
		if files[i], err = report.Save(dirs[i], r, Put); err != nil {
			t.Fatal(err)
		}
	}
	if len(files[0]) != len(files[1]) {
		t.Fatalf("wrote %v and %v", files[0], files[1])
	}
	for i := range files[0] {
		x, errX := os.ReadFile(files[0][i])
		y, errY := os.ReadFile(files[1][i])
		if errX != nil || errY != nil || !bytes.Equal(x, y) {
			t.Errorf("%s differs: %v, %v", filepath.Base(files[0][i]), errX, errY)
		}
	}
}
