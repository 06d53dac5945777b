package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bankai"
	"bankai/internal/dialog"
	"bankai/server"
	"bankai/store"
	"bankai/store/signature"
)

// finder finds the patches that a server begins with.
type finder struct {
	store.Reader
	trust  signature.Trust
	signed bool // only those that somebody who is trusted signed
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
		if named.Refused == nil {
			if named.Patch, err = f.Check(p, file.path); err != nil {
				return nil, err
			}
		}
		patches = append(patches, named)
	}
	return patches, nil
}

// ofLibrary are the patches of the library that were made for the reader's model, but for
// the names that files have. One that cannot be read is left out, with a warning.
func (f finder) ofLibrary(files []namedFile) (patches []server.NamedPatch) {
	if f.Library == nil {
		return nil
	}
	all, err := f.Library.List()
	if err != nil {
		f.Warn("%v", err)
	}
	for _, e := range all {
		taken := slices.ContainsFunc(files, func(file namedFile) bool { return file.name == e.Name })
		if e.Tag != store.Latest || e.Base != f.Model.Digest() || taken {
			continue
		}
		named, err := f.kept(e)
		if err != nil {
			f.Warn("left out: %v", err)
			continue
		}
		patches = append(patches, named)
	}
	return patches
}

// kept is a patch of the library.
func (f finder) kept(e store.Entry) (named server.NamedPatch, err error) {
	p, err := f.Library.Patch(e)
	if err != nil {
		return named, err
	}
	sigs, err := f.Library.Signatures(e.Patch)
	if err != nil {
		return named, err
	}
	if named = f.named(e.Name, p, sigs); named.Refused == nil {
		named.Patch, err = f.Check(p, e.Name)
	}
	return named, err
}

// named is a patch as it was read, with who signed it.
func (f finder) named(name string, p *bankai.Patch, sigs [][]byte) server.NamedPatch {
	by, err := f.trust.Check(name, p, sigs)
	switch {
	case err == nil:
		return server.NamedPatch{Name: name, Patch: p, Signer: &by}
	case f.signed:
		f.Warn("left out: %s: %v", name, err)
		return server.NamedPatch{Name: name, Refused: err}
	case errors.Is(err, signature.ErrTampered), errors.Is(err, signature.ErrMalformed):
		f.Warn("%s: %v; served all the same, as not signed", name, err)
	}
	return server.NamedPatch{Name: name, Patch: p}
}

// namedFile is a patch by its file, or another reference, with its name.
type namedFile struct{ name, path string }

// patchFiles are those that --patch and --library give.
func (f *serveFlags) patchFiles() (all []namedFile, err error) {
	from := map[string]string{}
	add := func(name, path string) error {
		if err := store.CheckName(name); err != nil {
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
