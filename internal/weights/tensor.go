package weights

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"bankai/internal/gguf"
)

// Kind tells 1-bit matrices from float vectors.
type Kind uint8

// The kinds of tensor.
const (
	Float Kind = iota
	OneBit
)

// String returns "float" or "1-bit".
func (k Kind) String() string {
	if k == OneBit {
		return "1-bit"
	}
	return "float"
}

// Tensor is a named matrix of Rows × Cols weights, row-major. A vector has one
// row.
type Tensor struct {
	Name string
	Rows int
	Cols int
	Kind Kind

	typ gguf.Type
	raw []byte // of the mapped file
}

// Blocks returns the data of a 1-bit tensor: Rows rows of Cols/128 blocks of 18
// bytes, each a float16 scale (little-endian) and the sign bits of 128 weights,
// least significant bit first. It is nil for a float tensor. The slice is the
// model's own, usually the mapped file: it must not be written to.
func (t Tensor) Blocks() []byte {
	if t.Kind != OneBit {
		return nil
	}
	return t.raw
}

// Floats returns a copy of the data of a float tensor, widened to float32. It is
// nil for a 1-bit tensor.
func (t Tensor) Floats() []float32 {
	if t.Kind != Float {
		return nil
	}
	out := make([]float32, t.Rows*t.Cols)
	switch t.typ {
	case gguf.F32:
		for i := range out {
			out[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.raw[4*i:]))
		}
	case gguf.F16:
		for i := range out {
			out[i] = fromHalf(binary.LittleEndian.Uint16(t.raw[2*i:]))
		}
	case gguf.BF16:
		for i := range out {
			out[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(t.raw[2*i:])) << 16)
		}
	}
	return out
}

// collect gathers the tensors of all parts that are of the model, sorted by name.
func collect(parts []*gguf.File, c Config) ([]Tensor, error) {
	var list []Tensor
	for _, p := range parts {
		for _, g := range p.Tensors {
			if c.ahead(g.Name) {
				continue
			}
			t, err := newTensor(g)
			if err != nil {
				return nil, err
			}
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b Tensor) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(list); i++ {
		if list[i].Name == list[i-1].Name {
			return nil, fmt.Errorf("tensor %q is in two parts of the model", list[i].Name)
		}
	}
	return list, nil
}

// newTensor sees a tensor of the file as a matrix. GGUF lists the columns first.
func newTensor(g gguf.Tensor) (Tensor, error) {
	t := Tensor{Name: g.Name, Rows: 1, Kind: Float, typ: g.Type, raw: g.Data}
	if g.Type == gguf.Q1_0 {
		t.Kind = OneBit
	}
	rows := uint64(1)
	for _, d := range g.Dims[1:] {
		rows *= d
	}
	if cols := g.Dims[0]; len(g.Dims) > 2 || max(rows, cols) > math.MaxInt32 {
		return t, fmt.Errorf("tensor %q has dimensions %v: a Qwen3 model has vectors and matrices only", g.Name, g.Dims)
	}
	t.Rows, t.Cols = int(rows), int(g.Dims[0])
	return t, nil
}
