package weights

import (
	"errors"
	"fmt"
	"slices"

	"bankai"
)

// Remove writes a copy of a patched model without the patches. Where Bake made the
// patched one of a single GGUF file of 1-bit matrices, and all its patches are taken
// out, the copy is that file, to the byte. The patches must be in the model: taking
// them out must give the model that they were made for, or the file must say that it
// has them. It returns how the copy says that it was made: Base is zero for a file
// that Bake has not written. Nothing is written after an error, as with Bake.
func (f *File) Remove(out string, patches ...*bankai.Patch) (Baked, error) {
	c, err := f.PlanRemove(patches...)
	if err != nil {
		return Baked{}, err
	}
	return c.Made, c.writeFile(out)
}

// PlanRemove checks all that Remove checks, and returns what it would write.
func (f *File) PlanRemove(patches ...*bankai.Patch) (c *Copy, err error) {
	making := f.baked
	var flips []bankai.Flip
	var base bankai.Digest
	var fitted []*bankai.Patch
	for _, p := range patches {
		q, err := p.Fit(f.Shape)
		if err != nil {
			return nil, err
		}
		list, err := q.Resolve(f.Shape)
		if err != nil {
			return nil, err
		}
		if own := p.Base(); base.IsZero() {
			base = own
		} else if !own.IsZero() && own != base && !f.lists(patches) {
			return nil, errors.New("the patches are for different models: take out the last one that went in first, alone")
		}
		fitted, flips = append(fitted, q), append(flips, list...)
	}
	if base.IsZero() {
		base = making.Base
	}
	if base.IsZero() && !f.lists(patches) {
		return nil, errors.New("neither the patch nor the model says what the model was before: give the patch as a file that names its model")
	}
	if making, err = f.without(fitted, base, f.digestWith(flips)); err != nil {
		return nil, err
	}
	return &Copy{Made: making, of: f, flips: flips}, nil
}

// lists reports whether the file says that it has all of the patches.
func (f *File) lists(patches []*bankai.Patch) bool {
	return !slices.ContainsFunc(patches, func(p *bankai.Patch) bool {
		fitted, err := p.Fit(f.Shape)
		return err != nil || !f.baked.has(flipsDigest(fitted))
	})
}

// without returns how a copy is made that no longer has the patches, which were made
// for base, and whose digest is then result. It is an error if they were never in.
func (f *File) without(patches []*bankai.Patch, base, result bankai.Digest) (Baked, error) {
	making := f.baked
	listed := 0
	for _, p := range patches {
		n := len(making.Patches)
		if flips := flipsDigest(p); making.has(flips) {
			making.toggle(BakedPatch{Flips: flips})
		}
		if len(making.Patches) < n {
			listed++
		}
	}
	switch {
	case result == f.baked.Base: // the original, however its patches were combined
		making.Patches = nil
	case result == base:
	case listed == len(patches) && len(making.Patches) > 0:
	default:
		return making, mismatchError{fmt.Sprintf("not in %s: taking out what it flips gives model %.12s…, not %.12s…, which it was made for%s", f.name, result, base, f.contains()), bankai.ErrBaseMismatch}
	}
	return making, nil
}

// has reports whether the list has a patch that flips the same, see flipsDigest.
func (b Baked) has(flips bankai.Digest) bool {
	return slices.ContainsFunc(b.Patches, func(p BakedPatch) bool { return p.Flips == flips })
}

// contains says in an error which patches are in the file, if it says so.
func (f *File) contains() string {
	if len(f.baked.Patches) == 0 {
		return ""
	}
	text := "; in it are"
	for i, p := range f.baked.Patches {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf(" %s (%.12s…)", p.Name, p.Content)
	}
	return text
}
