package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"bankai"
	"bankai/engine"
	"bankai/internal/dialog"
	"bankai/server"
	"bankai/store"
	"bankai/store/signature"
)

// finder finds the patches that a server begins with.
type finder struct {
	store.Reader
	trust  signature.Trust
	unread error // why some keys cannot be read, nil if all can
	signed bool  // only those that somebody who is trusted signed
}

// given are those of files, or of other references. One that is not signed as it has to
// be is left out: requests that name it are told why.
func (f finder) given(files []namedFile) (patches []server.NamedPatch, err error) {
	for _, file := range files {
		p, err := f.Raw(file.path)
		if err != nil {
			return nil, err
		}
		sigs, err := f.Signatures(file.path)
		if err != nil {
			return nil, err
		}
		named := f.named(file.name, p, sigs)
		if named.Patch, err = f.Check(p, file.path); err != nil && named.Refused == nil {
			return nil, err
		}
		patches = append(patches, named)
	}
	return patches, nil
}

// kept tells the server of the patches of the user's library that were made for a model.
// One that cannot be read is left out, with a warning: requests that name it are told why.
func (f *serveFlags) kept(log *slog.Logger) func(*engine.Model) ([]server.NamedPatch, bool) {
	l, err := library()
	if f.no || err != nil {
		return nil
	}
	watch := l.Watch()
	warn := func(format string, args ...any) { log.Warn("in the library", "what", fmt.Sprintf(format, args...)) }
	return func(m *engine.Model) (patches []server.NamedPatch, changed bool) {
		all, changed, err := watch.Look()
		if !changed {
			return nil, false
		}
		if err != nil {
			warn("%v", err)
			for _, name := range store.Unreadable(err) {
				patches = append(patches, server.NamedPatch{Name: name.Name, Refused: within(l, name)})
			}
		}
		trust, unread := f.trust()
		from := finder{store.Reader{Library: l, Model: m.Weights(), Warn: warn}, trust, unread, f.signed}
		for _, e := range all {
			if e.Base != m.Digest() {
				continue
			}
			named, err := from.kept(e)
			if err != nil {
				warn("left out: %v", err)
				named.Refused = within(l, err)
			}
			patches = append(patches, named)
		}
		return patches, true
	}
}

// within is an error about a library for others than its user: they need not know where it is.
func within(l *store.Library, err error) error {
	if err == nil {
		return nil
	}
	return errors.New(strings.ReplaceAll(err.Error(), l.Dir()+string(filepath.Separator), ""))
}

// kept is a patch of the library.
func (f finder) kept(e store.Entry) (named server.NamedPatch, err error) {
	named.Name = e.Ref()
	p, err := f.Library.Patch(e)
	if err != nil {
		return named, err
	}
	sigs, err := f.Library.Signatures(e.Patch)
	if err != nil {
		return named, err
	}
	named = f.named(e.Name, p, sigs) // whoever is trusted with a name is with its tags
	if named.Name = e.Ref(); named.Refused == nil {
		named.Patch, err = f.Check(p, e.Ref())
	}
	return named, err
}

// named is a patch as it was read, with who signed it.
func (f finder) named(name string, p *bankai.Patch, sigs [][]byte) server.NamedPatch {
	named := server.NamedPatch{Name: name, Patch: p, Signed: &server.Signed{Patch: p, Signatures: sigs}}
	by, err := f.trust.Check(name, p, sigs)
	named.Unsigned = signature.Unread(err, f.unread)
	switch err = named.Unsigned; {
	case err == nil:
		named.Signer = &by
	case f.signed:
		f.Warn("left out: %s: %v", name, err)
		return server.NamedPatch{Name: name, Refused: err}
	case errors.Is(err, signature.ErrTampered), errors.Is(err, signature.ErrMalformed):
		f.Warn("%s: %v; served all the same, as not signed", name, err)
	}
	return named
}

// namedFile is a patch by its file, or another reference, with its name.
type namedFile struct{ name, path string }

// patchFiles are those that --patch and --library give.
func (f *serveFlags) patchFiles() (all []namedFile, err error) {
	from := map[string]string{}
	add := func(name, path string) error {
		if err := server.CheckName(name); err != nil {
			return fmt.Errorf("%s: %w: give it one with --patch NAME=FILE", path, err)
		}
		if first, there := from[name]; there {
			return fmt.Errorf("%s: the patch %s is %s already: give one of them another name with --patch NAME=FILE", path, name, first)
		}
		from[name] = path
		all = append(all, namedFile{name, path})
		return nil
	}
	for _, p := range f.patches {
		name, path, named := strings.Cut(p, "=")
		if !named {
			name, path = dialog.NameOf(p), p
		}
		if err := add(name, path); err != nil {
			return nil, err
		}
	}
	paths, err := libraryFiles(f.folder)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		if err := add(dialog.NameOf(path), path); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// libraryFiles are the patch files of a folder. What is no file of its own, such as a
// symbolic link, which may lead anywhere, is left out.
func libraryFiles(dir string) (paths []string, err error) {
	if dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Type().IsRegular() && filepath.Ext(e.Name()) == ".bankai" {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, nil
}
