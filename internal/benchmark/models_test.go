package benchmark

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"bankai/engine"
	"bankai/internal/report"
)

// plainLogProbs is ln p of every token behind each of ids, from the logits of one
// pass, in float64 loops.
func plainLogProbs(t *testing.T, m *engine.Model, ids []int32) [][]float64 {
	t.Helper()
	b := m.NewBatch(0)
	seq := b.NewSeq(nil)
	defer seq.Release()
	out, err := b.Step(t.Context(), []engine.Input{{Seq: seq, Tokens: ids, Logits: len(ids)}})
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]float64
	for logits := range slices.Chunk(out[0], m.Config().Vocab) {
		top, sum := float64(slices.Max(logits)), 0.0
		for _, l := range logits {
			sum += math.Exp(float64(l) - top)
		}
		row := make([]float64, len(logits))
		for i, l := range logits {
			row[i] = float64(l) - top - math.Log(sum)
		}
		rows = append(rows, row)
	}
	return rows
}

// readBack checks that a result survives its JSON, as it is and as it is shown.
func readBack(t *testing.T, r report.Result, name string) {
	t.Helper()
	r.Head().Experiment = name
	var doc bytes.Buffer
	if err := report.WriteJSON(&doc, r); err != nil {
		t.Fatal(err)
	}
	first := doc.String()
	got, err := report.Read(&doc, Kinds)
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

// putFile writes a file plainly.
func putFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// sameFiles fails unless two results write the same files.
func sameFiles(t *testing.T, a, b report.Result) {
	t.Helper()
	dirs := [2]string{t.TempDir(), t.TempDir()}
	var files [2][]string
	for i, r := range []report.Result{a, b} {
		var err error
		if files[i], err = report.Save(dirs[i], r, putFile); err != nil {
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
