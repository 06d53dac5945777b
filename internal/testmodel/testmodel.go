// Package testmodel makes tiny, deterministic 1-bit Qwen3 models for tests
// and for measuring speed.
//
// The weights are random, so such a model says nothing sensible; but it has the
// layout, the types and the metadata of a real one, and equal arguments give
// equal bytes on every machine. A test that needs a broken or unusual file makes
// a Model, changes its metadata or tensors, and takes the bytes. One that needs
// answers that make sense takes a Scripted model, which has them by heart.
package testmodel

import (
	"bytes"
	"fmt"
	"os"
	"slices"

	"bankai/internal/gguf"
)

// Shape is the size of a Qwen3 model. Hidden, FFN and Heads·HeadDim must be
// multiples of 128, HeadDim even, and Heads a multiple of KVHeads; Vocab must be
// at least 320.
type Shape struct {
	Layers, Hidden, FFN, Heads, KVHeads, HeadDim, Vocab int
	Tied                                                bool // the embedding is also the output head

	Hybrid *Hybrid // nil: dense Qwen3
}

// Hybrid is what a Qwen3.5 model has beside: a gated delta-net in place of attention in
// all layers but every fourth. ValueHeads must be a multiple of KeyHeads, ValueHeads·State
// a multiple of 128, and Rotary even and at most HeadDim.
type Hybrid struct {
	KeyHeads, ValueHeads, State, Rotary int

	FloatGates bool // ssm_alpha and ssm_beta are floats
	Ahead      int  // blocks behind the layers that guess further tokens
}

// TinyHybrid is the Qwen3.5 shape for tests that do not care: 4 layers, 3 of them with a
// delta-net.
var TinyHybrid = Shape{
	Layers: 4, Hidden: 128, FFN: 256, Heads: 2, KVHeads: 1, HeadDim: 64, Vocab: 320,
	Hybrid: &Hybrid{KeyHeads: 2, ValueHeads: 4, State: 64, Rotary: 16},
}

// Tiny is the shape for tests that do not care: 2 layers, 60 KB.
var Tiny = Shape{Layers: 2, Hidden: 128, FFN: 256, Heads: 2, KVHeads: 1, HeadDim: 64, Vocab: 320, Tied: true}

// Model is the content of a GGUF file before it is written.
type Model struct {
	KVs     []gguf.KV
	Tensors []gguf.Tensor
}

// New makes a model of the given shape. The seed decides the weights alone.
func New(s Shape, seed uint64) *Model {
	m := &Model{Tensors: tensors(s, seed)}
	for _, kv := range metadata(s) {
		m.Set(kv.Key, kv.Value)
	}
	return m
}

// Published makes a model of the given shape with the metadata of the published
// Bonsai 8B, or, of a hybrid, of Bonsai 27B: no token begins a text. In the 8B positions
// are stretched (YaRN) 4 times from 16,384, and its vocabulary has 151,669 tokens, 5 more
// than a multiple of 16; so should the shape's.
func Published(s Shape, seed uint64) *Model {
	m := New(s, seed)
	m.Unset("tokenizer.ggml.bos_token_id")
	m.Set("general.type", gguf.String("model"))
	m.Set("general.quantization_version", gguf.Uint32(2))
	m.Set("general.sampling.temp", gguf.Float32(0.5))
	m.Set("tokenizer.chat_template", gguf.String("{%- if tools %}"))
	if s.Hybrid != nil {
		m.Set("qwen35.context_length", gguf.Uint32(262144))
		m.Set("qwen35.rope.freq_base", gguf.Float32(1e7))
		return m
	}
	m.Set("qwen3.context_length", gguf.Uint32(65536))
	m.Set("qwen3.rope.scaling.type", gguf.String("yarn"))
	m.Set("qwen3.rope.scaling.factor", gguf.Float32(4))
	m.Set("qwen3.rope.scaling.original_context_length", gguf.Uint32(16384))
	return m
}

// Unpack turns every 1-bit matrix into floats of the type F16, BF16 or F32, as
// converters and trainers of 1-bit models have them: every weight of a group is plus
// or minus its scale. A scale that a BF16 has no room for is rounded towards zero.
func (m *Model) Unpack(typ gguf.Type) {
	for i := range m.Tensors {
		if m.Tensors[i].Type == gguf.Q1_0 {
			m.UnpackTensor(m.Tensors[i].Name, typ)
		}
	}
}

// UnpackTensor turns a 1-bit matrix into floats, as Unpack does.
func (m *Model) UnpackTensor(name string, typ gguf.Type) {
	t := m.Tensor(name)
	t.Type, t.Data = typ, floats(t.Data, typ)
}

// Set adds a metadata key or replaces its value.
func (m *Model) Set(key string, v gguf.Value) {
	for i := range m.KVs {
		if m.KVs[i].Key == key {
			m.KVs[i].Value = v
			return
		}
	}
	m.KVs = append(m.KVs, gguf.KV{Key: key, Value: v})
}

// Unset removes a metadata key.
func (m *Model) Unset(key string) {
	m.KVs = slices.DeleteFunc(m.KVs, func(kv gguf.KV) bool { return kv.Key == key })
}

// Tensor returns the tensor of that name for reading or changing, nil if there
// is none.
func (m *Model) Tensor(name string) *gguf.Tensor {
	for i := range m.Tensors {
		if m.Tensors[i].Name == name {
			return &m.Tensors[i]
		}
	}
	return nil
}

// Remove removes a tensor.
func (m *Model) Remove(name string) {
	m.Tensors = slices.DeleteFunc(m.Tensors, func(t gguf.Tensor) bool { return t.Name == name })
}

// Bytes returns the model as a GGUF file. It panics on a model that no GGUF file
// can hold, which is a mistake in the test.
func (m *Model) Bytes() []byte {
	var b bytes.Buffer
	if err := gguf.Write(&b, m.KVs, m.Tensors); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// Write writes the model to a GGUF file.
func (m *Model) Write(path string) error { return os.WriteFile(path, m.Bytes(), 0o666) }

// WriteSplit writes the model as several files, prefix-00001-of-0000N.gguf and
// so on, as llama.cpp's gguf-split does: the first holds the metadata, and the
// tensors follow in order. It returns the paths.
func (m *Model) WriteSplit(prefix string, parts int) ([]string, error) {
	var paths []string
	for i := range parts {
		part := &Model{}
		if i == 0 {
			part.KVs = slices.Clone(m.KVs)
		}
		part.Set("split.no", gguf.Uint16(uint16(i)))
		part.Set("split.count", gguf.Uint16(uint16(parts)))
		part.Set("split.tensors.count", gguf.Int32(int32(len(m.Tensors))))
		part.Tensors = m.Tensors[i*len(m.Tensors)/parts : (i+1)*len(m.Tensors)/parts]
		path := fmt.Sprintf("%s-%05d-of-%05d.gguf", prefix, i+1, parts)
		if err := part.Write(path); err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// Bytes returns a model of the given shape as a GGUF file.
func Bytes(s Shape, seed uint64) []byte { return New(s, seed).Bytes() }

// Write writes a model of the given shape to a GGUF file.
func Write(path string, s Shape, seed uint64) error { return New(s, seed).Write(path) }
