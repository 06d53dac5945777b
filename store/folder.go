package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"bankai/internal/durable"
)

// Folders and files of a library.
const (
	blobFolder      = "blobs"
	hashFolder      = "sha256" // of blobFolder: what its files are named by
	nameFolder      = "names"
	signatureFolder = "signatures"
	keyFolder       = "keys"
	lockFile        = "lock"
)

// at is the path of a part of the library.
func (l *Library) at(parts ...string) string {
	return filepath.Join(append([]string{l.dir}, parts...)...)
}

// Usable refuses a library whose folder is something else than a folder. It need not be
// there.
func (l *Library) Usable() error {
	info, err := os.Stat(l.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return l.unusable(err)
	case !info.IsDir():
		return l.unusable(fmt.Errorf("it is no folder, but %s", kindOf(info)))
	}
	return nil
}

// lock waits until this process alone may change the library, whose folder it makes.
// Readers need no lock: what they read is replaced whole.
func (l *Library) lock(ctx context.Context) (unlock func(), err error) {
	if err := l.Usable(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(l.dir, 0o777); err != nil {
		return nil, l.unusable(err)
	}
	if err := isOwnFile(l.at(lockFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// It is opened to be written so that what can only be read is found out now.
	f := flock.New(l.at(lockFile), flock.SetFlag(os.O_CREATE|os.O_RDWR))
	switch _, err := f.TryLockContext(ctx, 5*time.Millisecond); {
	case errors.Is(err, errors.ErrUnsupported): // a system without locks has one process
		return func() {}, nil
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, l.unusable(err)
	}
	return func() { f.Close() }, nil
}

// unusable says that the library's folder cannot be used.
func (l *Library) unusable(err error) error {
	return fmt.Errorf("%s: the library cannot be used: %w: choose another folder with %s", l.dir, cause(err), HomeVariable)
}

// cause takes the system call and the path off an error about a file.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// isOwnFile refuses what is no file of its own, such as a symbolic link, which may lead
// anywhere. The error is fs.ErrNotExist if there is nothing.
func isOwnFile(path string) error {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: is no file of the library, but %s: take it away", path, kindOf(info))
	}
	return nil
}

// isOwnFolder is isOwnFile of a folder.
func isOwnFolder(path string) error {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s: is no folder of the library, but %s: take it away", path, kindOf(info))
	}
	return nil
}

func kindOf(info fs.FileInfo) string {
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		return "a symbolic link"
	case info.IsDir():
		return "a folder"
	case info.Mode().IsRegular():
		return "a file"
	}
	return "a device or pipe"
}

// folder makes a folder of the library, unless it is there.
func (l *Library) folder(parts ...string) error {
	path := l.dir
	for _, p := range parts {
		path = filepath.Join(path, p)
		switch err := isOwnFolder(path); {
		case err == nil:
			continue
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
		if err := os.Mkdir(path, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return l.unusable(err)
		}
	}
	return nil
}

// read reads a file of the library, which has at most most bytes. The file and the folders
// that lead to it must be the library's own.
func (l *Library) read(most int64, parts ...string) ([]byte, error) {
	if err := l.Usable(); err != nil {
		return nil, err
	}
	folder := l.dir
	for _, p := range parts[:len(parts)-1] {
		folder = filepath.Join(folder, p)
		if err := isOwnFolder(folder); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(folder, parts[len(parts)-1])
	if err := isOwnFile(path); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s: has more than %d bytes: this is no file of the library", path, most)
	}
	return data, err
}

// write writes a file of the library, whole or not at all.
func write(ctx context.Context, path string, data []byte) error {
	if err := isOwnFile(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return durable.Write(ctx, path, func(f durable.File) error {
		_, err := f.Write(data)
		return err
	})
}

// entries are what a folder of the library holds; nothing if it is not there.
func (l *Library) entries(parts ...string) ([]fs.DirEntry, error) {
	if err := l.Usable(); err != nil {
		return nil, err
	}
	path := l.dir
	for _, p := range parts {
		path = filepath.Join(path, p)
		if err := isOwnFolder(path); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
	}
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}
