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
func (f *File) PlanRemove(patches ...*bankai.Patch) (*Copy, error) {
	var flips []bankai.Flip
	rest, listed := f.baked, true // without the patches; whether the file says that it has them all
	base, differ := bankai.Digest{}, false
	for _, p := range patches {
		fitted, err := p.Fit(f.Shape)
		if err != nil {
			return nil, err
		}
		list, err := fitted.Resolve(f.Shape)
		if err != nil {
			return nil, err
		}
		flips = append(flips, list...)
		if what := flipsDigest(fitted); rest.has(what) {
			rest.toggle(BakedPatch{Flips: what})
		} else {
			listed = false
		}
		if own := p.Base(); base.IsZero() {
			base = own
		} else if !own.IsZero() && own != base {
			differ = true
		}
	}
	if base.IsZero() {
		base = f.baked.Base
	}
	switch {
	case differ && !listed:
		return nil, errors.New("the patches are for different models: take out the last one that went in first, alone")
	case base.IsZero():
		return nil, errors.New("neither the patch nor the model says what the model was before: give the patch as a file that names its model")
	}
	switch result := f.digestWith(flips); {
	case result == f.baked.Base: // the original, however its patches were combined
		rest.Patches = nil
	case result == base:
	case listed && len(rest.Patches) > 0:
	default:
		return nil, mismatchError{fmt.Sprintf("not in %s: taking out what it flips gives model %.12s…, not %.12s…, which it was made for%s", f.name, result, base, f.contains()), bankai.ErrBaseMismatch}
	}
	return &Copy{Made: rest, of: f, flips: flips}, nil
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
