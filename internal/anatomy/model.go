// Package anatomy tells what a model or a patch holds, as documents that are printed and
// served as JSON.
package anatomy

import (
	"bankai"
	"bankai/internal/weights"
)

// Model is what there is to say of a model file.
type Model struct {
	Kind         string            `json:"kind"` // "model"
	File         string            `json:"file"`
	Name         string            `json:"name"`
	Architecture string            `json:"architecture"`
	Layers       int               `json:"layers"`
	Hidden       int               `json:"hidden"`
	FFN          int               `json:"ffn"`
	Heads        int               `json:"heads"`
	KVHeads      int               `json:"kv_heads"`
	HeadDim      int               `json:"head_dim"`
	Rotary       int               `json:"rotary"`    // weights of a head that turn with the position
	Delta        *Delta            `json:"delta_net"` // null: every layer has attention
	Vocab        int               `json:"vocab"`
	Context      int               `json:"context"`
	Tied         bool              `json:"tied"`
	RopeTheta    float64           `json:"rope_theta"`
	Yarn         *Yarn             `json:"yarn"` // null: positions are not scaled
	Parameters   int64             `json:"parameters"`
	OneBit       int64             `json:"one_bit_parameters"`
	Coverage     float64           `json:"coverage"` // share of the parameters that are 1-bit
	BitsPer      float64           `json:"bits_per_weight"`
	Bytes        int64             `json:"bytes"`
	Shapes       map[string][2]int `json:"shapes"` // rows and columns of each kind of 1-bit matrix
	Digest       bankai.Digest     `json:"digest"`
	Fingerprint  bankai.Digest     `json:"fingerprint"` // of the arithmetic
	PackedFrom   string            `json:"packed_from"` // float type of the matrices in the file, "" if they are 1-bit there
	Base         *bankai.Digest    `json:"base"`        // of the model without the patches in it; null if it is not a copy
	ConvertedAs  string            `json:"converted_from"`
	Patches      []Baked           `json:"patches"` // in the file, as it says

	Tensors []Tensor `json:"-"`
}

// Delta is what a hybrid has in the layers without attention.
type Delta struct {
	Layers     []int `json:"delta_layers"`
	KeyHeads   int   `json:"key_heads"`
	ValueHeads int   `json:"value_heads"`
	HeadDim    int   `json:"delta_dim"` // width of a head
	Taps       int   `json:"taps"`      // tokens that its convolution reads
}

// Tensor is a tensor of a model, or one that several of its layers have.
type Tensor struct {
	weights.TensorSpec
	Copies int
}

// Baked is a patch that is in a patched copy.
type Baked struct {
	Name   string        `json:"name"`
	Digest bankai.Digest `json:"digest"` // of what the patch does
}

// Yarn is how far positions are stretched beyond the context that was trained.
type Yarn struct {
	Factor   float64 `json:"factor"`
	Original int     `json:"original_context"`
}

// NewModel looks at an open model file that is called path on the command line.
func NewModel(path string, f *weights.File) Model {
	c := f.Config()
	m := Model{
		Kind: "model", File: path, Name: c.Name, Architecture: c.Architecture,
		Layers: c.Layers, Hidden: c.Hidden, FFN: c.FFN, Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim,
		Vocab: c.Vocab, Context: c.Context, Tied: c.Tied, RopeTheta: c.RopeTheta,
		Bytes: f.Size(), Shapes: map[string][2]int{}, Digest: f.Digest(),
		Fingerprint: f.Arithmetic().Fingerprint(), Patches: []Baked{}, Tensors: tensors(c), Rotary: c.Rotary, Delta: newDelta(c),
	}
	if c.Yarn != nil {
		m.Yarn = &Yarn{c.Yarn.Factor, c.Yarn.Original}
	}
	if typ, ok := f.Packed(); ok {
		m.PackedFrom = typ.String()
	}
	if b, ok := f.Baked(); ok {
		m.Base, m.ConvertedAs = &b.Base, b.From
		for _, p := range b.Patches {
			m.Patches = append(m.Patches, Baked{p.Name, p.Content})
		}
	}
	for _, t := range f.Tensors() {
		n := int64(t.Rows) * int64(t.Cols)
		m.Parameters += n
		if t.Kind == weights.OneBit {
			m.OneBit += n
		}
	}
	for _, t := range m.Tensors {
		if t.Kind == weights.OneBit {
			m.Shapes[t.Base()] = [2]int{t.Rows, t.Cols}
		}
	}
	m.Coverage = float64(m.OneBit) / float64(m.Parameters)
	m.BitsPer = 8 * float64(m.Bytes) / float64(m.Parameters)
	if m.PackedFrom != "" { // the size of the file says nothing of the model
		m.BitsPer = (float64(1.125*float64(m.OneBit)) + float64(32*float64(m.Parameters-m.OneBit))) / float64(m.Parameters)
	}
	return m
}

// tensors lists what a model has, with the number of layers that have it.
func tensors(c weights.Config) (list []Tensor) {
	for _, s := range c.Tensors() {
		t := Tensor{s, 1}
		if s.Layered() {
			t.Copies = len(layersWith(c, s.Part))
		}
		if t.Copies > 0 {
			list = append(list, t)
		}
	}
	return list
}

// layersWith lists the layers that have a part.
func layersWith(c weights.Config, part weights.Part) (layers []int) {
	for l := range c.Layers {
		if c.Has(part, l) {
			layers = append(layers, l)
		}
	}
	return layers
}

// newDelta is nil for a model without delta-nets.
func newDelta(c weights.Config) *Delta {
	d := c.Delta
	if d == nil {
		return nil
	}
	return &Delta{append([]int{}, layersWith(c, weights.DeltaNet)...), d.KeyHeads, d.ValueHeads, d.HeadDim, d.Taps}
}
