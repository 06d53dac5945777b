package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"bankai"
	"bankai/internal/text"
	"bankai/internal/weights"
)

// Reader reads patches for a model.
type Reader struct {
	Library *Library                         // where names are looked up; nil: only files are read
	Model   *weights.File                    // each patch is checked against it; nil: none is checked
	Force   bool                             // take patches that were made on another arithmetic, without what was measured of them, and such as conflict
	Warn    func(format string, args ...any) // is told what a user should know and what is no error; nil: nobody is
}

func (r Reader) warn(format string, args ...any) {
	if r.Warn != nil {
		r.Warn(format, args...)
	}
}

// CheckRefs refuses patches that cannot be read, before a model is opened for them.
func (r Reader) CheckRefs(refs []string) error {
	for _, ref := range refs {
		if info, err := os.Stat(ref); err == nil && !info.Mode().IsRegular() {
			continue // a pipe can be read once only
		}
		if _, err := r.Raw(ref); err != nil {
			return err
		}
	}
	return nil
}

// Raw reads one patch as it is, without a look at the model.
func (r Reader) Raw(ref string) (*bankai.Patch, error) {
	if IsPath(ref) || r.Library == nil {
		return bankai.ReadFile(ref)
	}
	e, err := r.Library.Resolve(ref)
	if err != nil {
		return nil, notFound(ref, err)
	}
	return r.Library.Patch(e)
}

// notFound says of what is no file why it is no patch of the library either.
func notFound(ref string, err error) error {
	unknown := new(UnknownError)
	switch _, wrong := ParseRef(ref); {
	case errors.As(err, &unknown):
		return fmt.Errorf("%s: there is no such file, and %w", ref, unknown)
	case wrong != nil:
		return fmt.Errorf("%s: %w, and no name of the library (%w): check the path", ref, fs.ErrNotExist, wrong)
	}
	return err
}

// Read reads one patch and checks it, as Check does.
func (r Reader) Read(ref string) (*bankai.Patch, error) {
	p, err := r.Raw(ref)
	if err != nil {
		return nil, err
	}
	return r.Check(p, ref)
}

// Check checks a patch that was read by a reference against the model. The patch it
// returns knows the model's shapes. The error is bankai.ErrBaseMismatch or
// bankai.ErrArithmeticMismatch for a patch of another model.
func (r Reader) Check(p *bankai.Patch, ref string) (*bankai.Patch, error) {
	if r.Model == nil {
		return p, nil
	}
	fitted, err := r.Model.Fit(p)
	if errors.Is(err, bankai.ErrArithmeticMismatch) && r.Force {
		r.warn("%s: %v; taken because of --force, without what was measured of it", ref, err)
		meta := p.Meta()
		meta.Arithmetic, meta.Claims = r.Model.Arithmetic(), nil
		fitted, err = r.Model.Fit(p.WithMeta(meta))
	}
	if errors.Is(err, bankai.ErrArithmeticMismatch) {
		err = fmt.Errorf("%w, or take the patch all the same with --force", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	if p.Base().IsZero() {
		r.warn("%s does not say which model it was made for%s; its shape fits", ref, inBrackets(p.Meta().BaseModel))
	}
	return fitted, nil
}

// inBrackets puts a name behind something, nothing where there is none.
func inBrackets(name string) string {
	if name = strings.TrimSpace(name); name == "" {
		return ""
	}
	return fmt.Sprintf(" (%s)", name)
}

// Combine reads patches and returns them, each with a name, and their XOR. The same
// patch twice is an error, since it would do nothing, and so are patches that declare a
// conflict, unless Force is set; other patches that cancel are only warned of.
func (r Reader) Combine(refs []string) (all []*bankai.Patch, sum *bankai.Patch, err error) {
	sum = bankai.New(bankai.Digest{}, bankai.Meta{})
	first := map[bankai.Digest]string{} // by what a patch flips: its reference
	for _, ref := range refs {
		p, err := r.Read(ref)
		if err != nil {
			return nil, nil, err
		}
		flips := p.WithBase(bankai.Digest{}).ContentDigest()
		if same, there := first[flips]; there && p.Len() > 0 {
			if same == ref {
				return nil, nil, fmt.Errorf("%s: is given twice, and both together do nothing: give it once", ref)
			}
			return nil, nil, fmt.Errorf("%s: flips what %s flips, so that both together do nothing: give one of them", ref, same)
		}
		first[flips] = ref
		for i, before := range all {
			if err := r.CheckTogether(before, p, refs[i], ref); err != nil {
				return nil, nil, err
			}
		}
		if sum, err = sum.Xor(p); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", ref, err)
		}
		all = append(all, p.WithMeta(titled(p.Meta(), ref)))
	}
	switch {
	case sum.Len() > 0, len(refs) == 0:
	case len(refs) == 1:
		r.warn("%s flips nothing: the model stays as it is", refs[0])
	default:
		r.warn("%s cancel to nothing: the model stays as it is", text.Listed(refs))
	}
	return all, sum, nil
}

// CheckTogether refuses two patches of which one says that it must not be combined with
// the other. With Force it only warns.
func (r Reader) CheckTogether(p, q *bankai.Patch, refP, refQ string) error {
	c, declared := bankai.ConflictOf(p, q)
	switch {
	case !declared:
		return nil
	case r.Force:
		r.warn("%s: must not be combined with %s%s; both are taken because of --force", refQ, refP, inBrackets(text.Printable(c.Why)))
		return nil
	}
	return fmt.Errorf("%s: must not be combined with %s%s: leave one of them out, or take both all the same with --force", refQ, refP, inBrackets(text.Printable(c.Why)))
}

// Sum is the XOR of patches, bound to the model, which must not be nil. Of no patches
// it is one without flips.
func (r Reader) Sum(refs []string) (*bankai.Patch, error) {
	_, sum, err := r.Combine(refs)
	if err != nil {
		return nil, err
	}
	return sum.WithBase(r.Model.Digest()), nil
}

// Compose is the XOR of patches as a patch of its own. It names their model where all
// name the same one, and the arithmetic of that. Patches of models that compute in
// different ways are an error, unless Force is set. What was measured of the parts
// does not hold for the whole and is left out; what must not be combined with a part must
// not be with the whole. Licence and author stay where all parts have the same.
func (r Reader) Compose(refs []string) (*bankai.Patch, error) {
	all, sum, err := r.Combine(refs)
	if err != nil {
		return nil, err
	}
	meta := MetaOfSum(all)
	for i, p := range all {
		if meta.Arithmetic, err = r.together(meta.Arithmetic, p, refs[i]); err != nil {
			return nil, err
		}
	}
	return sum.WithMeta(meta), nil
}

// MetaOfSum is what is known of the XOR of patches by what is said of them: see
// [Reader.Compose]. It names no arithmetic.
func MetaOfSum(all []*bankai.Patch) bankai.Meta {
	meta := bankai.Meta{Description: "the XOR of " + text.Count(len(all), "patch file")}
	for i, p := range all {
		own := p.Meta()
		for _, f := range []struct{ all, own *string }{{&meta.BaseModel, &own.BaseModel}, {&meta.License, &own.License}, {&meta.Author, &own.Author}} {
			if i == 0 {
				*f.all = *f.own
			} else if *f.all != *f.own {
				*f.all = ""
			}
		}
		meta.Conflicts = append(meta.Conflicts, own.Conflicts...)
	}
	return meta
}

// together is the arithmetic of the model that a further patch is for, too.
func (r Reader) together(before bankai.Arithmetic, p *bankai.Patch, ref string) (bankai.Arithmetic, error) {
	own, none := p.Meta().Arithmetic, bankai.Arithmetic{}
	switch how := own.Changes(before); {
	case own == none:
		return before, nil
	case before == none || how == "" || r.Force:
		return own, nil
	default:
		return none, fmt.Errorf("%s: made for a model that computes otherwise than that of the patches before (%s): combine patches of one model, or all the same with --force", ref, how)
	}
}

// titled is a provenance with a name.
func titled(meta bankai.Meta, path string) bankai.Meta {
	if meta.Name == "" {
		meta.Name = Title(path)
	}
	return meta
}
