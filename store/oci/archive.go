package oci

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"

	"bankai/internal/text"
)

// archive is a layout in a tar file. What is written is kept beside it until the whole is
// encoded anew.
type archive struct {
	tar   io.ReaderAt
	there map[string]span
	added map[string][]byte
}

// span is where a file is in the tar.
type span struct{ at, size int64 }

// maxEntries bounds the files in a tar.
const maxEntries = 100_000

// maxArchive bounds a tar that is written anew, in bytes: it is held in memory.
const maxArchive = 512 << 20

// openArchive lists the files of a tar. It reads their heads alone.
func openArchive(r interface {
	io.ReadSeeker
	io.ReaderAt
},
) (*archive, error) {
	a := &archive{r, map[string]span{}, map[string][]byte{}}
	for t, n := tar.NewReader(r), 0; ; n++ {
		h, err := t.Next()
		switch {
		case err == io.EOF && n > 0:
			return a, nil
		case err != nil:
			return nil, fmt.Errorf("this is neither a folder nor a whole tar file, uncompressed, of an OCI layout: %w", err)
		case n >= maxEntries:
			return nil, fmt.Errorf("the tar file has more than %d entries", maxEntries)
		case h.Typeflag != tar.TypeReg:
			continue
		}
		at, err := r.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		a.there[path.Clean(h.Name)] = span{at, h.Size}
	}
}

// read implements layoutFiles.
func (a *archive) read(name string, most int64) ([]byte, error) {
	if data, has := a.added[name]; has {
		return data, nil
	}
	s, has := a.there[name]
	if !has {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	data, err := readAll(io.NewSectionReader(a.tar, s.at, s.size), name, most)
	if err == nil && int64(len(data)) < s.size {
		err = fmt.Errorf("%s: the tar file is cut off", name)
	}
	return data, err
}

// write implements layoutFiles.
func (a *archive) write(_ context.Context, name string, data []byte) error {
	a.added[name] = data
	return nil
}

// update implements layoutFiles.
func (a *archive) update(name string, most int64, change func([]byte) ([]byte, error)) error {
	old, err := a.read(name, most)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	data, err := change(old)
	if err == nil {
		a.added[name] = data
	}
	return err
}

// other implements layoutFiles.
func (a *archive) other() string {
	for name := range a.there {
		return name
	}
	return ""
}

// encode is the tar with what was written. Equal contents give equal bytes.
func (a *archive) encode() ([]byte, error) {
	names := map[string]bool{}
	for name := range a.there {
		names[name] = true
	}
	for name := range a.added {
		names[name] = true
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		data, err := a.read(name, maxArchive)
		if err != nil {
			return nil, err
		}
		if int64(b.Len())+int64(len(data)) > maxArchive {
			return nil, fmt.Errorf("has more than %s, which is too much for a tar file: use a folder", text.Size(maxArchive))
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), Format: tar.FormatPAX}); err != nil {
			return nil, err
		}
		if _, err := w.Write(data); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

// readArchive works on the layout in the tar file at a path. A pipe, which would be waited
// for, is none.
func readArchive(file string, work func(layout) error) error {
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
		return cmp.Or(err, errors.New("is neither a folder nor a regular file: give the path of an OCI layout"))
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	a, err := openArchive(f)
	if err != nil {
		return err
	}
	return work(layout{a})
}
