package weights

import (
	"encoding/binary"
	"fmt"

	"bankai/internal/gguf"
)

// shape is what a tensor of a model must look like.
type shape struct {
	name       string
	kind       Kind
	rows, cols int
}

// outerShapes lists the tensors that belong to no layer.
func (c Config) outerShapes() []shape {
	list := []shape{
		{"token_embd.weight", OneBit, c.Vocab, c.Hidden},
		{"output_norm.weight", Float, 1, c.Hidden},
	}
	if !c.Tied {
		list = append(list, shape{"output.weight", OneBit, c.Vocab, c.Hidden})
	}
	return list
}

// layerShapes lists the tensors of layer l, in the order of the forward pass.
func (c Config) layerShapes(l int) []shape {
	heads, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	name := func(part string) string { return fmt.Sprintf("blk.%d.%s.weight", l, part) }
	return []shape{
		{name("attn_norm"), Float, 1, c.Hidden},
		{name("attn_q"), OneBit, heads, c.Hidden},
		{name("attn_k"), OneBit, kv, c.Hidden},
		{name("attn_v"), OneBit, kv, c.Hidden},
		{name("attn_q_norm"), Float, 1, c.HeadDim},
		{name("attn_k_norm"), Float, 1, c.HeadDim},
		{name("attn_output"), OneBit, c.Hidden, heads},
		{name("ffn_norm"), Float, 1, c.Hidden},
		{name("ffn_gate"), OneBit, c.FFN, c.Hidden},
		{name("ffn_up"), OneBit, c.FFN, c.Hidden},
		{name("ffn_down"), OneBit, c.Hidden, c.FFN},
	}
}

// checkTensors compares the tensors of a file with those of a dense Qwen3 model
// of its configuration: none missing, none of another shape or kind, none more
// (a bias that is ignored would be a wrong model).
func (f *File) checkTensors() error {
	known := make(map[string]bool, len(f.tensors))
	check := func(list []shape) error {
		for _, want := range list {
			if err := f.checkTensor(want); err != nil {
				return err
			}
			known[want.name] = true
		}
		return nil
	}
	if err := check(f.config.outerShapes()); err != nil {
		return err
	}
	for l := range f.config.Layers {
		if err := check(f.config.layerShapes(l)); err != nil {
			return err
		}
	}
	for _, t := range f.tensors {
		if !known[t.Name] {
			return fmt.Errorf("tensor %q is not part of a dense Qwen3 model of %d layers", t.Name, f.config.Layers)
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
