package weights

import (
	"encoding/binary"
	"fmt"

	"bankai/internal/gguf"
)

// checkTensors compares the tensors of a file with those of a model of its
// architecture and configuration: none missing, none of another shape or kind, none
// more (a bias that is ignored would be a wrong model).
func (f *File) checkTensors() error {
	for _, t := range f.tensors {
		if _, ok := f.config.spec(t.Name); !ok {
			return f.config.notPart(t.Name)
		}
	}
	for want := range f.config.shapes() {
		if err := f.checkTensor(want); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) checkTensor(want shape) error {
	t, ok := f.Tensor(want.name)
	switch {
	case !ok:
		return fmt.Errorf("tensor %q is missing", want.name)
	case t.Rows != want.rows || t.Cols != want.cols:
		return fmt.Errorf("tensor %q is %d × %d, want %d × %d", t.Name, t.Rows, t.Cols, want.rows, want.cols)
	case t.Kind != want.kind && want.kind == OneBit:
		return fmt.Errorf("tensor %q has type %v, want 1-bit (Q1_0): every matrix of a true 1-bit model is", t.Name, t.typ)
	case t.Kind != want.kind:
		return fmt.Errorf("tensor %q has type %v, want a float type", t.Name, t.typ)
	}
	return nil
}

// checkFinite refuses a model with a scale or float weight that is infinite or
// not a number: every result that it touches would be none.
func (f *File) checkFinite() error {
	errs := make([]error, len(f.tensors))
	f.each("check", func(i int, t Tensor) { errs[i] = t.checkFinite() })
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// checkDecay refuses a memory that would grow with every token: the hybrid's decay is the
// exponential of a number that is not above 0.
func (f *File) checkDecay() error {
	for l := range f.config.Layers {
		if !f.config.Has(DeltaNet, l) {
			continue
		}
		t, _ := f.Tensor(f.config.Find(DeltaNet, "a").In(l)) // checkTensors found it
		for i, a := range t.Floats() {
			if a > 0 {
				return fmt.Errorf("tensor %q: weight %d is %v, but the decay of a memory, of which this is the logarithm, is at most 1", t.Name, i, a)
			}
		}
	}
	return nil
}

func (t Tensor) checkFinite() error {
	const halfExponent = 0x7c00
	blocks := t.Blocks()
	for i := 0; i < len(blocks); i += gguf.BlockBytes {
		if binary.LittleEndian.Uint16(blocks[i:])&halfExponent == halfExponent {
			group, perRow := i/gguf.BlockBytes, t.Cols/gguf.BlockWeights
			return fmt.Errorf("tensor %q: the scale of row %d, group %d is not a finite number", t.Name, group/perRow, group%perRow)
		}
	}
	for i, x := range t.Floats() {
		if x-x != 0 {
			return fmt.Errorf("tensor %q: weight %d is not a finite number", t.Name, i)
		}
	}
	return nil
}
