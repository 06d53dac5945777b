package engine

import (
	"math/bits"
	"slices"
	"sync"

	"bankai"
	"bankai/internal/kernel"
)

// Overlay is a patched view of a model that leaves the shared weights alone:
// sequences with different overlays run in one batch. It corrects the outputs of
// the touched rows. A nil *Overlay is the model as it is.
type Overlay struct {
	model   *Model // without an Elsewhere
	version int    // of the model's weights
	patch   *bankai.Patch
	digest  func() bankai.Digest
	tensors map[*kernel.Matrix]*patchedRows
}

// patchedRows are the rows of one matrix that an overlay changes.
type patchedRows struct {
	// negated rows, ascending, are flipped whole: their output is 0 − y, exactly.
	negated []int
	// mixed rows, ascending, are flipped in part; weights holds them as flipped,
	// row i of it being row mixed[i] of the matrix.
	mixed   []int
	weights *kernel.Matrix
}

// Bytes is the memory that the overlay takes, but for small change.
func (o *Overlay) Bytes() (n int64) {
	if o == nil {
		return 0
	}
	for _, p := range o.tensors {
		n += int64(len(p.negated)+len(p.mixed)) * (bits.UintSize / 8)
		if p.weights != nil {
			n += int64(p.weights.Bytes())
		}
	}
	return n
}

// checkOverlay refuses an overlay that is not of the model as it is now.
func (m *Model) checkOverlay(o *Overlay) error {
	if o == nil {
		return nil
	}
	if m = m.here(); o.model != m {
		return &OtherModelError{"overlay"}
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if o.version != m.version {
		return ErrStaleOverlay
	}
	return nil
}

// Overlay checks p against the model and prepares it. An empty patch gives nil.
func (m *Model) Overlay(p *bankai.Patch) (*Overlay, error) {
	flips, err := m.file.Check(p)
	if err != nil || len(flips) == 0 {
		return nil, err
	}
	m = m.here()
	m.mu.RLock()
	defer m.mu.RUnlock()
	o := &Overlay{model: m, version: m.version, patch: p, tensors: map[*kernel.Matrix]*patchedRows{}}
	applied := m.applied
	o.digest = sync.OnceValue(func() bankai.Digest { return m.digestOf(append(slices.Clip(applied), p)) })
	for w, flips := range byMatrix(m, flips) {
		o.tensors[w] = newPatchedRows(w, flips)
	}
	return o, nil
}

// Digest identifies what keys, values and logits under o are made with: it is the
// [bankai.Patch.ContentDigest] of the patch, fitted to the model's shapes and bound to
// [Model.Digest], whose bytes FORMAT.md defines. So overlays of equal patches have equal
// digests, whether or not the patches name their model, and those of other flips or
// other models do not. In a workbench the flips are those of the patch and of what is
// applied there, together; its adapter does not count. A nil *Overlay knows no model and
// has the zero Digest: the base alone is identified by Model.Digest. The first call may
// read the model's whole file.
func (o *Overlay) Digest() bankai.Digest {
	if o == nil {
		return bankai.Digest{}
	}
	return o.digest()
}

// digestOf is the content digest of patches together, which were found to fit.
func (m *Model) digestOf(patches []*bankai.Patch) bankai.Digest {
	sum := bankai.New(m.Digest(), bankai.Meta{})
	for _, p := range patches {
		fitted, err := p.Fit(m.file.Shape)
		if err == nil {
			sum, err = sum.Xor(fitted)
		}
		if err != nil {
			panic(err)
		}
	}
	return sum.ContentDigest()
}

func byMatrix(m *Model, flips []bankai.Flip) map[*kernel.Matrix][]bankai.Flip {
	out := map[*kernel.Matrix][]bankai.Flip{}
	for _, f := range flips {
		w := m.matrices[f.Tensor]
		out[w] = append(out[w], f)
	}
	return out
}

// newPatchedRows takes the flips of one matrix in canonical order: by row.
func newPatchedRows(w *kernel.Matrix, flips []bankai.Flip) *patchedRows {
	p := new(patchedRows)
	var partial []bankai.Flip
	for _, f := range flips {
		row := int(f.Row)
		if f.Col == 0 && int(f.N) == w.Cols {
			p.negated = append(p.negated, row)
			continue
		}
		partial = append(partial, f)
		if n := len(p.mixed); n == 0 || p.mixed[n-1] != row {
			p.mixed = append(p.mixed, row)
		}
	}
	if len(p.mixed) > 0 {
		p.weights = w.Extract(p.mixed)
		for _, f := range partial {
			i, _ := slices.BinarySearch(p.mixed, int(f.Row))
			p.weights.Flip(i, int(f.Col), int(f.N))
		}
	}
	return p
}

// of returns what o changes in w, nil for nothing.
func (o *Overlay) of(w *kernel.Matrix) *patchedRows {
	if o == nil {
		return nil
	}
	return o.tensors[w]
}

// correction is what an overlay changes in a product: the tokens of a region, and the
// rows flipped in part, which are computed apart.
type correction struct {
	region
	patch *patchedRows
	first int       // token of the first of rows
	rows  []float32 // [tokens, patch.weights.Rows], with room for whole blocks
}

// corrections lists what the regions' overlays change in y = w·acts. Their weights,
// which no other sequence reads, come from memory while the product is computed.
func (b *Batch) corrections(w *kernel.Matrix, overlaid []region) []correction {
	b.fixes, b.fixed = b.fixes[:0], b.fixed[:0]
	n := 0
	for _, r := range overlaid {
		if patch := r.overlay.of(w); patch != nil {
			b.fixes = append(b.fixes, correction{region: r, patch: patch})
			n += patch.room(r)
			if patch.weights != nil {
				b.model.kernel.Fetch(patch.weights)
			}
		}
	}
	b.fixed = resize(b.fixed, n)
	at := 0
	for i := range b.fixes {
		f := &b.fixes[i]
		n := f.patch.room(f.region)
		f.rows, at = b.fixed[at:at+n], at+n
	}
	return b.fixes
}

// room is the number of floats that a correction of a region's tokens may take.
func (p *patchedRows) room(r region) int {
	if p.weights == nil {
		return 0
	}
	return kernel.PartTokens(r.hi-r.lo) * p.weights.Rows
}

// compute multiplies the rows that are flipped in part.
func (c *correction) compute(k *kernel.Set, x *kernel.Acts, part *kernel.Part) {
	if c.patch.weights == nil {
		return
	}
	k.Part(part, x, c.lo, c.hi)
	c.first = part.First
	k.MatMulPart(c.rows, c.patch.weights, part)
}

// apply replaces the outputs of the touched rows in y, [tokens, rows].
func (c *correction) apply(y []float32, rows int) {
	for t := c.lo; t < c.hi; t++ {
		row := y[t*rows : (t+1)*rows]
		for _, r := range c.patch.negated {
			row[r] = 0 - row[r] // not −y: in place, a zero sum stays +0
		}
		if c.patch.weights == nil {
			continue
		}
		fixed := c.rows[(t-c.first)*c.patch.weights.Rows:]
		for i, r := range c.patch.mixed {
			row[r] = fixed[i]
		}
	}
}

// embed writes row id of the embedding as the overlay sees it; a nil p changes
// nothing.
func (p *patchedRows) embed(dst []float32, w *kernel.Matrix, id int) {
	if p == nil {
		w.Row(dst, id)
		return
	}
	if i, mixed := slices.BinarySearch(p.mixed, id); mixed {
		p.weights.Row(dst, i)
		return
	}
	w.Row(dst, id)
	if _, negated := slices.BinarySearch(p.negated, id); negated {
		for j, v := range dst {
			dst[j] = -v // a weight of −0 is what flipping its bit gives
		}
	}
}
