package experiment

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"bankai"
	"bankai/engine"
)

// NamedPatch is a patch with the name by which a result refers to it.
type NamedPatch struct {
	Name  string
	Patch *bankai.Patch
}

// PatchSize says which patch was measured, and how large it is.
type PatchSize struct {
	Name   string        `json:"name"`
	Flips  int           `json:"flips"`  // separate runs of inverted bits
	Bits   uint64        `json:"bits"`   // inverted
	Bytes  int64         `json:"bytes"`  // as a .bankai file without provenance
	Digest bankai.Digest `json:"digest"` // of the content
}

// fitPatches checks patches against the model and returns them bound to it, so
// that equal content has equal digests. Fewer patches than least are an error.
func fitPatches(m *engine.Model, patches []NamedPatch, least int) ([]*bankai.Patch, []PatchSize, error) {
	if len(patches) < least {
		return nil, nil, fmt.Errorf("%d patches: give at least %d", len(patches), least)
	}
	var fitted []*bankai.Patch
	var sizes []PatchSize
	names := map[string]bool{}
	for _, n := range patches {
		if names[n.Name] {
			return nil, nil, fmt.Errorf("two patches are called %q: give them different names", n.Name)
		}
		names[n.Name] = true
		p, err := m.Weights().Fit(n.Patch)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", n.Name, err)
		}
		if p.Len() == 0 {
			return nil, nil, fmt.Errorf("%s: flips nothing: there is nothing to measure", n.Name)
		}
		p = p.WithBase(m.Digest()).WithMeta(bankai.Meta{})
		bytes, err := p.ContentSize()
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", n.Name, err)
		}
		bits, _ := p.Bits() // known of a patch that fits
		fitted, sizes = append(fitted, p), append(sizes, PatchSize{n.Name, p.Len(), bits, bytes, p.ContentDigest()})
	}
	return fitted, sizes, nil
}

// noPatch leaves the model as it is.
func noPatch(m *engine.Model) *bankai.Patch { return bankai.New(m.Digest(), bankai.Meta{}) }

// xorOf is what patches do together.
func xorOf(m *engine.Model, patches ...*bankai.Patch) (*bankai.Patch, error) {
	sum := noPatch(m)
	var err error
	for _, p := range patches {
		if sum, err = sum.Xor(p); err != nil {
			return nil, err
		}
	}
	return sum, nil
}

// coveredBits counts the bits that at least least of the patches invert.
func coveredBits(m *engine.Model, least int, patches ...*bankai.Patch) (bits uint64, err error) {
	type edge struct {
		tensor string
		at     uint64 // row<<32 | column
		step   int    // +1 where inverting begins, −1 where it ends
	}
	var edges []edge
	for _, p := range patches {
		flips, err := p.Resolve(m.Weights().Shape)
		if err != nil {
			return 0, err
		}
		for _, f := range flips {
			at := uint64(f.Row)<<32 | uint64(f.Col)
			edges = append(edges, edge{f.Tensor, at, 1}, edge{f.Tensor, at + uint64(f.N), -1})
		}
	}
	slices.SortFunc(edges, func(a, b edge) int {
		return cmp.Or(cmp.Compare(a.tensor, b.tensor), cmp.Compare(a.at, b.at))
	})
	inverting := 0
	for i, e := range edges {
		if inverting >= least { // so it began in the same row
			bits += e.at - edges[i-1].at
		}
		inverting += e.step
	}
	return bits, nil
}

// inPlace applies patches to the workbench in an order of their indices, calls work,
// and takes them off again in the same order; also after an error.
func inPlace(w *engine.Workbench, patches []*bankai.Patch, order []int, work func() error) (err error) {
	applied := make([]bool, len(patches))
	defer func() {
		for _, i := range order {
			if applied[i] {
				err = errors.Join(err, w.Apply(patches[i]))
			}
		}
	}()
	for _, i := range order {
		if err := w.Apply(patches[i]); err != nil {
			return err
		}
		applied[i] = true
	}
	return work()
}
