package anatomy

import (
	"time"

	"bankai"
	"bankai/measure"
)

// Patch is what there is to say of a patch file.
type Patch struct {
	Kind        string             `json:"kind"` // "patch"
	File        string             `json:"file"`
	Flips       int                `json:"flips"`
	Rows        int                `json:"rows"` // flips of a whole row
	Bits        *uint64            `json:"bits"` // null if the file does not say how wide a row is
	Bytes       int64              `json:"bytes"`
	Content     int64              `json:"content_bytes"` // without provenance, in the compact form
	Base        *bankai.Digest     `json:"base"`          // null if the patch does not name its model
	Digest      bankai.Digest      `json:"digest"`        // of what the patch does
	Name        string             `json:"name"`
	Description string             `json:"description"`
	BaseModel   string             `json:"base_model"`
	Arithmetic  *bankai.Arithmetic `json:"arithmetic"` // of its model; null if the patch does not say
	Created     *time.Time         `json:"created"`
	Tool        string             `json:"tool"`
	Command     string             `json:"command"`
	Metric      string             `json:"metric"`
	License     string             `json:"license"` // "" if the patch does not say
	Author      string             `json:"author"`
	Claims      []bankai.Claim     `json:"claims"`
	Conflicts   []bankai.Conflict  `json:"conflicts"` // patches that it must not be combined with
	Tensors     []TensorFlips      `json:"tensors"`
}

// NewPatch looks at a patch that takes size bytes in the file called path.
func NewPatch(path string, size int64, p *bankai.Patch) (Patch, error) {
	meta := p.Meta()
	info := Patch{
		Kind: "patch", File: path, Flips: p.Len(), Bits: KnownBits(p), Bytes: size, Digest: p.ContentDigest(),
		Name: meta.Name, Description: meta.Description, BaseModel: meta.BaseModel, Tool: meta.Tool,
		Command: meta.Command, Metric: meta.Metric, License: meta.License, Author: meta.Author,
		Claims: meta.Claims, Conflicts: meta.Conflicts, Tensors: FlipsByTensor(p),
	}
	if info.Conflicts == nil {
		info.Conflicts = []bankai.Conflict{}
	}
	if info.Claims == nil {
		info.Claims = []bankai.Claim{}
	}
	info.Base = BoundTo(p)
	if meta.Arithmetic != (bankai.Arithmetic{}) {
		info.Arithmetic = &meta.Arithmetic
	}
	if !meta.Created.IsZero() {
		info.Created = &meta.Created
	}
	for _, t := range info.Tensors {
		info.Rows += t.Rows
	}
	var err error
	info.Content, err = p.ContentSize()
	return info, err
}

// BoundTo is the digest of the model a patch is for, nil if it is unbound.
func BoundTo(p *bankai.Patch) *bankai.Digest {
	base := p.Base()
	if base.IsZero() {
		return nil
	}
	return &base
}

// TensorFlips is what a patch does to one tensor.
type TensorFlips struct {
	Tensor string  `json:"tensor"`
	Layer  *int    `json:"layer"` // null for the embedding and the head
	Proj   string  `json:"proj"`
	Flips  int     `json:"flips"`
	Rows   int     `json:"rows"` // flips of a whole row
	Bits   *uint64 `json:"bits"` // null if the patch does not know how wide a row is
}

// FlipsByTensor counts a patch's flips, in the order of the tensors.
func FlipsByTensor(p *bankai.Patch) []TensorFlips {
	list := []TensorFlips{}
	for _, c := range measure.Cells(p) {
		list = append(list, newTensorFlips(c))
	}
	return list
}

func newTensorFlips(c measure.FlipCell) TensorFlips {
	t := TensorFlips{Tensor: c.Tensor, Proj: c.Projection, Flips: c.Flips, Rows: c.Rows}
	if c.Layer >= 0 {
		t.Layer = &c.Layer
	}
	if c.Weights > 0 {
		t.Bits = &c.Weights
	}
	return t
}

// KnownBits is the number of bits that a patch inverts, nil if it is unknown.
func KnownBits(p *bankai.Patch) *uint64 {
	if n, known := p.Bits(); known {
		return &n
	}
	return nil
}
