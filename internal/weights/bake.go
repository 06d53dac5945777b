package weights

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"bankai"
	"bankai/internal/durable"
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
	if f.isPart(out) {
		return fmt.Errorf("%s: is the model itself: choose another file for the patched copy", out)
	}
	flips, err := f.checkAll(patches)
	if err != nil {
		return err
	}
	return durable.Write(context.Background(), out, func(file durable.File) error { return f.writeBaked(file, flips) })
}

// BakeInto is Bake for a file that is open, is empty, and may be left half written
// on errors.
func (f *File) BakeInto(w durable.File, patches ...*bankai.Patch) error {
	flips, err := f.checkAll(patches)
	if err != nil {
		return err
	}
	return f.writeBaked(w, flips)
}

// checkAll checks patches, and lists their flips.
func (f *File) checkAll(patches []*bankai.Patch) (flips []bankai.Flip, err error) {
	for _, p := range patches {
		list, err := f.Check(p)
		if err != nil {
			return nil, err
		}
		flips = append(flips, list...)
	}
	return flips, nil
}

// writeBaked writes the whole model and then inverts the bits in the file.
func (f *File) writeBaked(w durable.File, flips []bankai.Flip) error {
	kvs := slices.DeleteFunc(slices.Clone(f.parts[0].KVs), func(kv gguf.KV) bool { return strings.HasPrefix(kv.Key, "split.") })
	var tensors []gguf.Tensor
	for _, p := range f.parts {
		tensors = append(tensors, p.Tensors...)
	}
	if err := gguf.Write(w, kvs, tensors); err != nil {
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
