package bankai

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// ToEnd as a Flip's N means: to the end of the row, however wide it is.
const ToEnd = math.MaxUint32

// GroupSize is the number of neighbouring weights of a row that share a scale.
const GroupSize = 128

// MaxFlips is the largest number of rows, runs of groups and runs of bits that
// a patch file may hold. It bounds what a hostile file can make a reader
// allocate, and is above what it takes to invert every row of an 8B model.
const MaxFlips = 1 << 22

// Flip inverts the sign bits of columns [Col, Col+N) of one row of a 1-bit
// tensor. Rows, columns and N count weights. N == [ToEnd] reaches to the end of
// the row: a whole row is {Tensor, Row, 0, ToEnd}, which can be said without
// knowing the row's width.
type Flip struct {
	Tensor string // GGUF name, as "blk.2.ffn_gate.weight"
	Row    uint32
	Col, N uint32
}

// Shape tells the size of a model's 1-bit tensors: rows, and weights per row
// (cols). ok is false for a tensor that does not exist or is not 1-bit.
type Shape func(tensor string) (rows, cols uint32, ok bool)

// Patch is a set of sign bits to invert, with the model it is meant for and
// where it comes from. It is immutable and canonical: patches of equal content
// have equal flips and equal encodings, however they were put together.
type Patch struct {
	base  Digest
	meta  Meta
	masks []mask // in the order of compareTensors, none empty
}

// New returns the patch that inverts every bit which an odd number of the flips
// covers. A zero base leaves the patch unbound. Flips need not fit any model:
// that is for [Patch.Resolve] to say.
func New(base Digest, m Meta, flips ...Flip) *Patch {
	edges := map[string][]uint64{}
	for _, f := range flips {
		start, stop := f.edges()
		edges[f.Tensor] = append(edges[f.Tensor], start, stop)
	}
	p := &Patch{base: base, meta: m.canonical()}
	for tensor, list := range edges {
		if list = cancel(list); len(list) > 0 {
			p.masks = append(p.masks, mask{tensor: tensor, edges: list})
		}
	}
	slices.SortFunc(p.masks, func(a, b mask) int { return compareTensors(a.tensor, b.tensor) })
	return p
}

// Flips returns the flips in canonical order, as a copy: the projections by
// layer, then the other tensors by name; by row; by column. No two overlap or
// touch.
func (p *Patch) Flips() []Flip {
	flips := make([]Flip, 0, p.Len())
	for _, m := range p.masks {
		flips = slices.AppendSeq(flips, m.flips())
	}
	return flips
}

// Len returns the number of flips: of separate runs of inverted bits within a
// row. A whole row is one.
func (p *Patch) Len() int {
	edges := 0
	for _, m := range p.masks {
		edges += len(m.edges)
	}
	return edges / 2
}

// Base returns the digest of the model the patch is for, zero if unbound.
func (p *Patch) Base() Digest { return p.base }

// Meta returns the patch's provenance, as a copy.
func (p *Patch) Meta() Meta { return p.meta.clone() }

// WithMeta returns the same flips with other provenance.
func (p *Patch) WithMeta(m Meta) *Patch {
	return &Patch{base: p.base, meta: m.canonical(), masks: p.masks}
}

// WithBase returns the same flips bound to another model; zero unbinds.
func (p *Patch) WithBase(base Digest) *Patch {
	return &Patch{base: base, meta: p.meta, masks: p.masks}
}

// Invert returns the patch that undoes p: the same flips, bound to the patched
// model.
func (p *Patch) Invert(patched Digest) *Patch { return p.WithBase(patched) }

// Xor returns the patch with the effect of p and q together. It has no Meta:
// what was measured of either does not hold for both. If only one is bound, the
// result is bound to its base; if both are, to different bases, the error is
// [ErrBaseMismatch]. If p and q know different widths of a tensor, or one
// reaches beyond the width the other knows, the error is a *[RangeError].
func (p *Patch) Xor(q *Patch) (*Patch, error) {
	base, err := commonBase(p, q)
	if err != nil {
		return nil, err
	}
	sum := &Patch{base: base}
	a, b := p.masks, q.masks
	for len(a) > 0 && len(b) > 0 {
		switch order := compareTensors(a[0].tensor, b[0].tensor); {
		case order < 0:
			sum.masks, a = append(sum.masks, a[0]), a[1:]
		case order > 0:
			sum.masks, b = append(sum.masks, b[0]), b[1:]
		default:
			m, err := a[0].xor(b[0])
			if err != nil {
				return nil, err
			}
			if len(m.edges) > 0 {
				sum.masks = append(sum.masks, m)
			}
			a, b = a[1:], b[1:]
		}
	}
	sum.masks = append(append(sum.masks, a...), b...)
	return sum, nil
}

// And returns the patch of the bits that both p and q invert: those that cancel in
// [Patch.Xor]. It has no Meta. Its base and its errors are those of Xor.
func (p *Patch) And(q *Patch) (*Patch, error) {
	base, err := commonBase(p, q)
	if err != nil {
		return nil, err
	}
	both := &Patch{base: base}
	other := map[string]mask{}
	for _, m := range q.masks {
		other[m.tensor] = m
	}
	for _, m := range p.masks {
		o, there := other[m.tensor]
		if !there {
			continue
		}
		m, err := m.and(o)
		if err != nil {
			return nil, err
		}
		if len(m.edges) > 0 {
			both.masks = append(both.masks, m)
		}
	}
	return both, nil
}

// commonBase is the base of what is made of two patches.
func commonBase(p, q *Patch) (Digest, error) {
	switch {
	case p.base.IsZero():
		return q.base, nil
	case !q.base.IsZero() && q.base != p.base:
		return Digest{}, fmt.Errorf("cannot combine a patch for %.12s… with one for %.12s…: %w", p.base, q.base, ErrBaseMismatch)
	}
	return p.base, nil
}

// Fit checks every flip against a model's shapes and returns the patch that
// knows them: an end at the row's width is now the same as ToEnd, [Patch.Bits]
// is known, and the encodings keep the widths. Errors are *[RangeError].
func (p *Patch) Fit(shape Shape) (*Patch, error) {
	fitted := &Patch{base: p.base, meta: p.meta}
	for _, m := range p.masks {
		rows, cols, ok := shape(m.tensor)
		if !ok || cols == 0 || cols > maxColumns {
			return nil, &RangeError{Tensor: m.tensor, What: "tensor"}
		}
		if row := uint32(m.edges[len(m.edges)-1] >> 32); row >= rows {
			return nil, &RangeError{Tensor: m.tensor, What: "row", Row: row, Got: row, Limit: rows}
		}
		m, err := m.fit(cols)
		if err != nil {
			return nil, err
		}
		if len(m.edges) > 0 {
			fitted.masks = append(fitted.masks, m)
		}
	}
	return fitted, nil
}

// Resolve checks every flip against a model's shapes, before anything is
// changed, and returns them with their true lengths: no N is ToEnd. Errors are
// *[RangeError].
func (p *Patch) Resolve(shape Shape) ([]Flip, error) {
	fitted, err := p.Fit(shape)
	if err != nil {
		return nil, err
	}
	flips := make([]Flip, 0, fitted.Len())
	for _, m := range fitted.masks {
		for f := range m.flips() {
			if f.N == ToEnd {
				f.N = m.width - f.Col
			}
			flips = append(flips, f)
		}
	}
	return flips, nil
}

// Width returns the number of weights in a row of the tensor, if the patch
// flips bits of it and knows: see [Patch.Fit].
func (p *Patch) Width(tensor string) (cols uint32, ok bool) {
	for _, m := range p.masks {
		if m.tensor == tensor {
			return m.width, m.width > 0
		}
	}
	return 0, false
}

// Bits returns the number of sign bits the patch inverts. It is not known (and
// 0) if a flip reaches to the end of a row of unknown width, as in old files;
// [Patch.Fit] makes it known.
func (p *Patch) Bits() (n uint64, known bool) {
	for _, m := range p.masks {
		for f := range m.flips() {
			if f.N == ToEnd {
				if m.width == 0 {
					return 0, false
				}
				f.N = m.width - f.Col
			}
			n += uint64(f.N)
		}
	}
	return n, true
}

// ContentDigest identifies what the patch does: a SHA-256 over the base and the
// canonical flips, and over nothing else, so that equal masks are recognised
// whatever is said about them. FORMAT.md defines the bytes. A flip that ends at
// a row's width equals one to the row's end only in a patch that knows the
// width: compare after [Patch.Fit].
func (p *Patch) ContentDigest() Digest {
	h := sha256.New()
	h.Write([]byte(contentDomain))
	h.Write(p.base[:])
	var b []byte
	for _, m := range p.masks {
		for f := range m.flips() {
			b = binary.LittleEndian.AppendUint32(b[:0], uint32(len(f.Tensor)))
			b = append(b, f.Tensor...)
			b = binary.LittleEndian.AppendUint32(b, f.Row)
			b = binary.LittleEndian.AppendUint32(b, f.Col)
			b = binary.LittleEndian.AppendUint32(b, f.N)
			h.Write(b)
		}
	}
	return Digest(h.Sum(nil))
}

// contentDomain keeps content digests apart from every other SHA-256.
const contentDomain = "bankai patch content v1\n"
