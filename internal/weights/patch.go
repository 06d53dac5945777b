package weights

import (
	"fmt"
	"strings"

	"bankai"
)

// Shape returns the size of a 1-bit tensor: rows, and weights per row. ok is
// false if there is no such tensor or it is not 1-bit.
func (f *File) Shape(tensor string) (rows, cols uint32, ok bool) {
	t, ok := f.Tensor(tensor)
	if !ok || t.Kind != OneBit {
		return 0, 0, false
	}
	return uint32(t.Rows), uint32(t.Cols), true
}

// Arithmetic returns what decides the model's answers beside its tensors.
func (f *File) Arithmetic() bankai.Arithmetic {
	c := f.config
	a := bankai.Arithmetic{Heads: c.Heads, KVHeads: c.KVHeads, HeadDim: c.HeadDim, RMSEps: c.RMSEps, RopeTheta: c.RopeTheta}
	if c.Rotary != c.HeadDim {
		a.Rotary = c.Rotary
	}
	if y := c.Yarn; y != nil {
		a.Scaling = bankai.RopeScaling{
			Factor: y.Factor, AttnFactor: y.AttnFactor, ExtFactor: y.ExtFactor,
			Original: y.Original, BetaFast: y.BetaFast, BetaSlow: y.BetaSlow,
		}
	}
	return a
}

// Fit checks that a patch is for this model and returns it with the model's shapes.
// A patch that names its model must name this one, a patch that says how its model
// computes must say what holds for this one, and every flip must be in range. The
// error is bankai.ErrBaseMismatch, bankai.ErrArithmeticMismatch, or a
// *bankai.RangeError that names tensor and row. A patch that says neither is checked
// by shape alone, and whether that deserves a warning is the caller's affair: see
// Patch.Base. Where the patch names a model, the digest is computed.
func (f *File) Fit(p *bankai.Patch) (*bankai.Patch, error) {
	fitted, err := p.Fit(f.Shape)
	if base := p.Base(); !base.IsZero() && base != f.Digest() {
		return nil, f.mismatch(p)
	}
	if err != nil {
		return nil, err
	}
	if p.Base().IsZero() && f.baked.has(flipsDigest(fitted)) {
		return nil, errInIt
	}
	if made := p.Meta().Arithmetic; made != (bankai.Arithmetic{}) {
		if how := f.Arithmetic().Changes(made); how != "" {
			return nil, mismatchError{fmt.Sprintf("made for a model of the same weights that computes differently (%s): give that model", how), bankai.ErrArithmeticMismatch}
		}
	}
	return fitted, nil
}

// Check is Fit for those who apply the patch: it returns the flips with their true
// lengths (no N is ToEnd), those of one row next to each other.
func (f *File) Check(p *bankai.Patch) ([]bankai.Flip, error) {
	fitted, err := f.Fit(p)
	if err != nil {
		return nil, err
	}
	return fitted.Resolve(f.Shape)
}

// mismatchError tells in words which of the errors about another model it is.
type mismatchError struct {
	text string
	is   error
}

func (e mismatchError) Error() string { return e.text }
func (e mismatchError) Unwrap() error { return e.is }

var errInIt = mismatchError{"is in this model already: take it out with bankai patch remove", bankai.ErrBaseMismatch}

// mismatch is the error for a patch that names another model than this one.
func (f *File) mismatch(p *bankai.Patch) error {
	base := p.Base()
	var text string
	flips, err := p.Resolve(f.Shape)
	switch {
	case err == nil && f.digestWith(flips) == base:
		return errInIt
	case f.baked.Base == base:
		text = fmt.Sprintf("made for model %.12s…, which this one was before %s: give that one, or take out with bankai patch remove what was baked in", base, f.baked.whatHappened())
	default:
		return OtherModelError{Base: base, Name: p.Meta().BaseModel, Model: f.Digest()}
	}
	return mismatchError{text, bankai.ErrBaseMismatch}
}

// OtherModelError says that a patch was made for another model than the one at hand. It is
// a bankai.ErrBaseMismatch.
type OtherModelError struct {
	Base  bankai.Digest // of the model that the patch was made for
	Name  string        // of that model, as the patch has it; "" if it does not say
	Model bankai.Digest // of the model at hand
}

// Error tells what to do where files are given.
func (e OtherModelError) Error() string {
	return fmt.Sprintf("made for model %.12s…%s, but this one is %.12s…: give the model it was made for", e.Base, inBrackets(e.Name), e.Model)
}

// Unwrap is bankai.ErrBaseMismatch.
func (e OtherModelError) Unwrap() error { return bankai.ErrBaseMismatch }

// inBrackets is a name behind what it names, nothing where there is none.
func inBrackets(name string) string {
	if name = strings.TrimSpace(name); name == "" {
		return ""
	}
	return " (" + name + ")"
}
