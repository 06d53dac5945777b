package weights

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"bankai/internal/gguf"
	"bankai/internal/safetensors"
)

// checkVocab checks that the embedding has a row for every token, so that the file
// is as large as the vocabulary that it claims.
func (s *mlxSource) checkVocab(vocab int) error {
	const name = "model.embed_tokens.weight"
	t, ok := s.index[name]
	if !ok {
		return fmt.Errorf("tensor %q is missing", name)
	}
	if len(t.Shape) != 2 || t.Shape[0] != uint64(vocab) || t.Shape[1] == 0 {
		return fmt.Errorf("tensor %q has shape %v, but vocab_size in config.json is %d", name, t.Shape, vocab)
	}
	return nil
}

// mlxPart is a tensor of an MLX model: a vector of floats, or one of the three
// that make up a 1-bit matrix.
type mlxPart struct {
	name   string
	packed bool // the sign bits, 32 to a U32; otherwise floats of any width
	shape  []uint64
}

// mlxParts lists the tensors that make up one of GGUF's. Of a matrix, bit j%32 of
// word j/32 is the sign of weight j, and a set bit stands for scale + bias, a
// clear one for bias. In a folder of floats, a matrix is one tensor like a vector.
func (s *mlxSource) parts(want shape) []mlxPart {
	name, rows, cols := want.mlx, uint64(want.rows), uint64(want.cols)
	if want.kind == Float {
		return []mlxPart{{want.mlxFloats(), false, s.floatShape(want)}}
	}
	if s.floats {
		return []mlxPart{{name + ".weight", false, []uint64{rows, cols}}}
	}
	groups := []uint64{rows, cols / gguf.BlockWeights}
	return []mlxPart{
		{name + ".weight", true, []uint64{rows, cols / 32}},
		{name + ".scales", false, groups},
		{name + ".biases", false, groups},
	}
}

// mlxFloats is the name of a tensor of floats in a folder. Where GGUF does not say that it
// holds weights, neither does MLX.
func (s shape) mlxFloats() string {
	if strings.HasSuffix(s.name, ".weight") {
		return s.mlx + ".weight"
	}
	return s.mlx
}

// floatShape is the shape of a tensor of floats. A convolution has one more dimension,
// which is before its taps where the folder has it as it was trained.
func (s *mlxSource) floatShape(want shape) []uint64 {
	rows, cols := uint64(want.rows), uint64(want.cols)
	general, _ := outOfLayer(want.name)
	switch t := s.index[want.mlxFloats()]; {
	case rows == 1:
		return []uint64{cols}
	case general != "blk.%d.ssm_conv1d.weight":
		return []uint64{rows, cols}
	case len(t.Shape) == 3 && t.Shape[1] == 1:
		return []uint64{rows, 1, cols}
	}
	return []uint64{rows, cols, 1}
}

// tensors converts all tensors of a model of that configuration, in parallel,
// after checking that none is missing, misshapen or too many.
func (s *mlxSource) tensors(c Config) ([]gguf.Tensor, error) {
	if c.Delta != nil {
		c.Delta.FloatGates = s.floats || !s.packedGates(c)
	}
	form := s.hybridForm(c)
	if form != nil {
		if err := form.check(); err != nil {
			return nil, err
		}
	}
	known := map[string]bool{}
	var shapes []shape
	for want := range c.shapes() {
		for _, part := range s.parts(want) {
			if err := s.check(part); err != nil {
				return nil, err
			}
			known[part.name] = true
		}
		shapes = append(shapes, want)
	}
	for _, name := range slices.Sorted(maps.Keys(s.index)) {
		if !known[name] {
			return nil, fmt.Errorf("%w%s", c.notPart(name), tiedHint(c, name))
		}
	}
	var list []gguf.Tensor
	var err error
	if s.floats {
		list, err = s.pack(c, form, shapes)
	} else {
		list, err = s.convert(form, shapes)
	}
	if err != nil || form == nil {
		return list, err
	}
	for i, want := range shapes {
		form.reorder(want, list[i].Data)
	}
	return list, nil
}

// packedGates reports whether the projections alpha and beta of the hybrid's delta-nets are
// 1-bit in this folder. Where they are floats, they may be packed like those of any other
// file.
func (s *mlxSource) packedGates(c Config) bool {
	for want := range c.shapes() {
		if _, packed := s.index[want.mlx+".scales"]; c.isGate(want.name) && !packed {
			return false
		}
	}
	return true
}

// tiedHint explains a head that is too many.
func tiedHint(c Config, name string) string {
	untied := c
	untied.Tied = false
	if c.Tied && strings.HasPrefix(name, untied.Find(Head, "head").MLX) {
		return " whose head is the embedding (tie_word_embeddings in config.json)"
	}
	return ""
}

// check compares a tensor with what it must be.
func (s *mlxSource) check(want mlxPart) error {
	t, ok := s.index[want.name]
	switch {
	case !ok:
		return fmt.Errorf("tensor %q is missing", want.name)
	case want.packed && t.DType != safetensors.U32:
		return fmt.Errorf("tensor %q has dtype %s, want U32: every matrix of a true 1-bit model is packed", t.Name, t.DType)
	case s.floats && t.DType == safetensors.U32:
		return fmt.Errorf("tensor %q has dtype %s, want a float type: config.json has no quantization that says how it is packed", t.Name, t.DType)
	case !want.packed && !isFloat(t.DType):
		return fmt.Errorf("tensor %q has dtype %s, want a float type", t.Name, t.DType)
	case !slices.Equal(t.Shape, want.shape):
		return fmt.Errorf("tensor %q has shape %v, want %v", t.Name, t.Shape, want.shape)
	}
	return nil
}

// pack packs the matrices of a folder of floats, and converts its vectors. The tensors
// have been checked.
func (s *mlxSource) pack(c Config, form *hybridForm, shapes []shape) ([]gguf.Tensor, error) {
	types := map[safetensors.DType]gguf.Type{safetensors.F16: gguf.F16, safetensors.BF16: gguf.BF16, safetensors.F32: gguf.F32}
	list := make([]gguf.Tensor, len(shapes))
	names := make(map[string]string, len(shapes))
	for i, want := range shapes {
		if want.kind == Float {
			list[i] = s.vector(form, want)
			continue
		}
		names[want.name] = want.mlx + ".weight"
		t := s.index[names[want.name]]
		list[i] = gguf.Tensor{Name: want.name, Dims: []uint64{uint64(want.cols), uint64(want.rows)}, Type: types[t.DType], Data: t.Data}
	}
	from, packed, err := packMatrices(list, c.packs, func(name string) string { return names[name] }, s.evict)
	if packed {
		s.packed = from
	}
	return list, err
}

// vector converts a vector, or another tensor of floats.
func (s *mlxSource) vector(form *hybridForm, want shape) gguf.Tensor {
	t := s.index[want.mlxFloats()]
	out := gguf.Tensor{Name: want.name, Dims: []uint64{uint64(want.cols)}, Type: gguf.F32, Data: widened(t, want.rows*want.cols)}
	if want.rows > 1 {
		out.Dims = append(out.Dims, uint64(want.rows))
	}
	if form != nil {
		form.floats(want, t, out.Data)
	}
	return out
}

// convert converts tensors that have been checked.
func (s *mlxSource) convert(form *hybridForm, shapes []shape) ([]gguf.Tensor, error) {
	sizes := make([]int, len(shapes))
	for i, want := range shapes {
		sizes[i] = want.rows * want.cols
	}
	list := make([]gguf.Tensor, len(shapes))
	errs := make([]error, len(shapes))
	inParallel(sizes, func(i int) {
		want := shapes[i]
		name := want.mlx
		if want.kind == Float {
			list[i] = s.vector(form, want)
			return
		}
		list[i] = gguf.Tensor{Name: want.name, Dims: []uint64{uint64(want.cols), uint64(want.rows)}, Type: gguf.Q1_0}
		list[i].Data, errs[i] = blocks(s.index[name+".weight"], s.index[name+".scales"], s.index[name+".biases"])
	})
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// blocks packs a matrix as Q1_0. That a set bit means +d and a clear one -d takes
// scale = 2d and bias = -d, and a block has room for d where it is a float16.
func blocks(weight, scales, biases safetensors.Tensor) ([]byte, error) {
	const bitBytes = gguf.BlockBytes - 2
	groups := len(weight.Data) / bitBytes
	out := make([]byte, groups*gguf.BlockBytes)
	for g := range groups {
		scale, bias := float(scales, g), float(biases, g)
		d, exact := toHalf(-bias)
		if scale != -2*bias || !exact {
			perRow := int(scales.Shape[1])
			return nil, fmt.Errorf("tensor %q: row %d, group %d has scale %g and bias %g, which is not scale 2d and bias -d for a float16 d: its weights are not +d and -d", weight.Name, g/perRow, g%perRow, scale, bias)
		}
		if d == minusZero { // a bias of zero
			d = 0
		}
		block := out[g*gguf.BlockBytes:][:gguf.BlockBytes]
		binary.LittleEndian.PutUint16(block, d)
		copy(block[2:], weight.Data[g*bitBytes:][:bitBytes]) // words are little-endian, so the bits are in order
	}
	return out, nil
}

// widened returns n floats as float32.
func widened(t safetensors.Tensor, n int) []byte {
	out := make([]byte, 0, 4*n)
	for i := range n {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float(t, i)))
	}
	return out
}

func isFloat(d safetensors.DType) bool {
	return d == safetensors.F16 || d == safetensors.BF16 || d == safetensors.F32
}

// float returns element i of a float tensor.
func float(t safetensors.Tensor, i int) float32 {
	switch t.DType {
	case safetensors.F16:
		return fromHalf(binary.LittleEndian.Uint16(t.Data[2*i:]))
	case safetensors.BF16:
		return math.Float32frombits(uint32(binary.LittleEndian.Uint16(t.Data[2*i:])) << 16)
	}
	return math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
}
