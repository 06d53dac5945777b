package weights

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"bankai"
	"bankai/internal/atomicfile"
	"bankai/internal/gguf"
)

// Bake writes a copy of the model in which the bits of the patches are inverted,
// as one GGUF file (version 3) even where the model is split or an MLX folder. The
// metadata and the order of the tensors are kept. All patches are checked before
// anything is written, as Check does; they must all be for this model. The copy is
// written beside out under another name and renamed when it is complete, so that
// out is never half a file; on any error nothing is left behind. out must not be
// the model itself.
func (f *File) Bake(out string, patches ...*bankai.Patch) error {
	var flips []bankai.Flip
	for _, p := range patches {
		list, err := f.Check(p)
		if err != nil {
			return err
		}
		flips = append(flips, list...)
	}
	if f.isPart(out) {
		return fmt.Errorf("%s: is the model itself: choose another file for the patched copy", out)
	}
	return atomicfile.Write(out, func(file *os.File) error { return f.writeBaked(file, flips) })
}

// writer is what writeBaked needs of a file.
type writer interface {
	io.Writer
	io.WriterAt
}

// writeBaked writes the whole model and then inverts the bits in the file.
func (f *File) writeBaked(w writer, flips []bankai.Flip) error {
	kvs := slices.DeleteFunc(slices.Clone(f.parts[0].KVs), func(kv gguf.KV) bool { return strings.HasPrefix(kv.Key, "split.") })
	var tensors []gguf.Tensor
	for _, p := range f.parts {
		tensors = append(tensors, p.Tensors...)
	}
	if err := gguf.Write(countedWriter{w, f.counter("copy")}, kvs, tensors); err != nil {
		return err
	}
	_, offsets, err := gguf.Header(kvs, tensors)
	if err != nil {
		return err
	}
	start := make(map[string]int64, len(tensors))
	for i, t := range tensors {
		start[t.Name] = offsets[i]
	}
	return f.flipRows(w, start, flips)
}

// flipRows overwrites the rows that the flips touch. start is where each tensor
// begins in w.
func (f *File) flipRows(w io.WriterAt, start map[string]int64, flips []bankai.Flip) error {
	slices.SortStableFunc(flips, compareRows)
	var row []byte
	for i, flip := range flips {
		t, _ := f.Tensor(flip.Tensor) // Check found it
		size := t.Cols / gguf.BlockWeights * gguf.BlockBytes
		at := int(flip.Row) * size
		if i == 0 || compareRows(flips[i-1], flip) != 0 {
			row = append(row[:0], t.raw[at:at+size]...)
		}
		flipBits(row, int(flip.Col), int(flip.N))
		if i+1 < len(flips) && compareRows(flip, flips[i+1]) == 0 {
			continue
		}
		if _, err := w.WriteAt(row, start[t.Name]+int64(at)); err != nil {
			return err
		}
	}
	return nil
}
