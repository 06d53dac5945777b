package durable

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// keep gives the file at path, which is about to be replaced, a second name: path
// with the next free number, path.1 at first. It returns the name, "" if there is
// no such file. At no time is the file without a name, and a file that has a
// number already gets no second one.
func (d disk) keep(path string) (string, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	for n := 1; ; n++ {
		name := path + "." + strconv.Itoa(n)
		err := d.link(path, name)
		switch {
		case err == nil:
			return name, d.syncFolder(path)
		case errors.Is(err, fs.ErrExist):
			if other, err := os.Lstat(name); err == nil && os.SameFile(info, other) {
				return name, nil
			}
		case errors.Is(err, errors.ErrUnsupported), errors.Is(err, fs.ErrPermission):
			return d.keepMoved(path, n) // a file system without hard links
		default:
			return "", err
		}
	}
}

// keepMoved renames the file to the first free number from n on.
func (d disk) keepMoved(path string, n int) (string, error) {
	for ; ; n++ {
		name := path + "." + strconv.Itoa(n)
		f, err := d.create(name, 0o666) // nobody else takes the name meanwhile
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		f.Close()
		if err := d.rename(path, name); err != nil {
			d.remove(name)
			return "", err
		}
		return name, d.syncFolder(path)
	}
}

// sameBytes reports whether the file at path holds what f does.
func sameBytes(f *os.File, path string) (bool, error) {
	old, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	defer old.Close()
	a, err := f.Stat()
	if err != nil {
		return false, err
	}
	b, err := old.Stat()
	if err != nil || a.Size() != b.Size() {
		return false, err
	}
	x, y := bufio.NewReaderSize(io.NewSectionReader(f, 0, a.Size()), 1<<16), bufio.NewReaderSize(old, 1<<16)
	for {
		p, errX := x.ReadByte()
		q, errY := y.ReadByte()
		switch {
		case errX == io.EOF && errY == io.EOF:
			return true, nil
		case errX != nil || errY != nil:
			return false, errors.Join(errX, errY)
		case p != q:
			return false, nil
		}
	}
}

// escapeGlob keeps filepath.Glob from reading patterns into a folder's name.
func escapeGlob(dir string) string {
	if filepath.Separator == '\\' {
		return dir // there is no way to escape; a name with brackets is not swept
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}
