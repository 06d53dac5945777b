package weights

import (
	"context"
	"fmt"
	"io"
	"slices"

	"bankai"
	"bankai/internal/durable"
	"bankai/internal/gguf"
)

// Bake writes a copy of the model in which the bits of the patches are inverted,
// as one GGUF file, even where the model is split, an MLX folder, or unpacked to
// floats. The order of the tensors is kept, and so is the metadata, to which the
// copy adds what it was made of: see Baked. All patches are checked before anything
// is written, as Check does; they must all be for this model. The copy is written
// beside out under another name and renamed when it is complete, so that out is
// never half a file; on any error nothing is left behind. out must not be the model
// itself.
func (f *File) Bake(out string, patches ...*bankai.Patch) error {
	c, err := f.PlanBake(patches...)
	if err != nil {
		return err
	}
	return c.writeFile(out)
}

// Copy is a copy of a model that can be written.
type Copy struct {
	Made  Baked // how the copy says that it was made
	of    *File
	flips []bankai.Flip
}

// PlanBake checks all that Bake checks, and returns what it would write.
func (f *File) PlanBake(patches ...*bankai.Patch) (*Copy, error) {
	c := &Copy{Made: f.making(), of: f}
	for _, p := range patches {
		fitted, err := f.Fit(p)
		if err != nil {
			return nil, err
		}
		list, err := fitted.Resolve(f.Shape)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			c.Made.toggle(bakedPatch(p, fitted))
		}
		c.flips = append(c.flips, list...)
	}
	return c, nil
}

// writeFile writes the copy, whole or not at all.
func (c *Copy) writeFile(out string) error {
	if c.of.isPart(out) {
		return fmt.Errorf("%s: is the model itself: choose another file for the copy", out)
	}
	return durable.Write(context.Background(), out, c.Write)
}

// Write writes the copy to a file that is open and empty. After an error it is left
// half written.
func (c *Copy) Write(w durable.File) error { return c.of.writeBaked(w, c.Made, c.flips) }

// writeBaked writes the whole model and then inverts the bits in the file. What
// comes from one GGUF file of 1-bit matrices stays as it is but for the metadata.
func (f *File) writeBaked(w durable.File, making Baked, flips []bankai.Flip) error {
	kvs, err := f.metadata(making, flips)
	if err != nil {
		return err
	}
	counted := countedWriter{w, f.counter("copy")}
	if f.origin == "" {
		offsets, err := f.parts[0].Rewrite(counted, kvs)
		if err != nil {
			return err
		}
		return f.flipRows(w, f.parts[0].Tensors, offsets, flips)
	}
	var tensors []gguf.Tensor
	for _, p := range f.parts {
		tensors = append(tensors, p.Tensors...)
	}
	if err := gguf.Write(counted, kvs, tensors); err != nil {
		return err
	}
	_, offsets, err := gguf.Header(kvs, tensors)
	if err != nil {
		return err
	}
	return f.flipRows(w, tensors, offsets, flips)
}

// flipRows overwrites the rows that the flips touch. offsets are where the tensors
// begin in w.
func (f *File) flipRows(w io.WriterAt, tensors []gguf.Tensor, offsets []int64, flips []bankai.Flip) error {
	start := make(map[string]int64, len(tensors))
	for i, t := range tensors {
		start[t.Name] = offsets[i]
	}
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
