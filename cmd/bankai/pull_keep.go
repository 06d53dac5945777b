package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"bankai"
	"bankai/internal/outputs"
	"bankai/internal/text"
	"bankai/store"
	"bankai/store/signature"
)

// arrival is a patch that was pulled, on its way into the library.
type arrival struct {
	ref       string // it was pulled by
	name, tag string // that it is to have
	patch     bankai.Digest
	unsigned  error                    // why nobody who is trusted is its signer; nil if somebody is
	isSource  func(source string) bool // whether an earlier patch came from where it did
}

// mayMove finds what the tag is now. It refuses to move it from a patch that came from
// elsewhere, and from one that somebody signed who is trusted to one that nobody did,
// unless that is wanted.
func (a *app) mayMove(l *store.Library, n arrival) (before store.Entry, err error) {
	before, err = l.Resolve(n.name + ":" + n.tag)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return before, nil
	case err != nil:
		return before, err
	case before.Patch == n.patch || a.Force:
		return before, nil
	}
	const instead = "give this one another name with --name, or move the name with --force"
	if !n.isSource(before.Source) {
		return before, fmt.Errorf("%s: %s:%s is another patch already, which came from %s: %s", n.ref, n.name, n.tag, text.Line(before.Source), instead)
	}
	if by, err := l.SignerOf(before, a.trust(l)); err == nil && n.unsigned != nil {
		return before, fmt.Errorf("%s: %s:%s is signed by %s, and what came is not (%w): %s", n.ref, n.name, n.tag, by, n.unsigned, instead)
	}
	return before, nil
}

// tellLatest says that a name without a tag is still another patch than the one that
// came under a tag.
func (a *app) tellLatest(l *store.Library, e store.Entry) {
	if latest, err := l.Resolve(e.Name); err == nil && latest.Patch != e.Patch {
		a.Note("%s is still sha256:%.12s…: \"bankai library add %s --name %s --force\" makes it this one", e.Name, latest.Patch, e.Ref(), e.Name)
	}
}

// writePulled writes a patch that was pulled into a file, and its signature, which may be
// nil, beside it. What is there already, and is something else, stays under a number.
func (a *app) writePulled(ctx context.Context, path string, p *bankai.Patch, sig []byte) (outputs.Written, error) {
	if err := checkPatchName(path); err != nil {
		return outputs.Written{}, err
	}
	o, beside := a.Found(path, holds(p)), a.Found(path+signature.Extension, hasBytes(sig))
	if err := o.Check(); err != nil {
		return outputs.Written{}, err
	}
	if sig != nil {
		if err := beside.Check(); err != nil {
			return outputs.Written{}, err
		}
	}
	written, err := a.PutPatch(ctx, o, p)
	if err != nil || sig == nil {
		return written, err
	}
	return written, a.Put(ctx, beside, func(w io.Writer) error {
		_, err := w.Write(sig)
		return err
	})
}

// holds knows files that hold a patch and all that is said of it, in either form.
func holds(p *bankai.Patch) outputs.Known {
	return func(path string) (string, bool) {
		old, err := bankai.ReadFile(path)
		if err != nil {
			return outputs.Content(path), false
		}
		was, err := old.Encode()
		if err != nil {
			return "a patch", false
		}
		is, err := p.Encode()
		return "another patch", err == nil && bytes.Equal(was, is)
	}
}

// hasBytes knows files of some bytes.
func hasBytes(data []byte) outputs.Known {
	return func(path string) (string, bool) {
		old, err := os.ReadFile(path)
		return "another signature", err == nil && bytes.Equal(old, data)
	}
}
