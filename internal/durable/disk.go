package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// disk takes the steps by which files change. A test gives it a step that fails
// from a chosen point on, as if the program had been killed there, or once, as
// if the disk were full.
type disk struct {
	step    func(op string) error // called before every step; nil for none
	private bool                  // new files are readable by their owner alone
}

func (d disk) before(op string) error {
	if d.step == nil {
		return nil
	}
	return d.step(op)
}

func (d disk) create(path string, perm fs.FileMode) (*os.File, error) {
	if err := d.before("create"); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
}

// write puts data at an offset. A failing step leaves the first half there, as a
// kill or a full disk can.
func (d disk) write(f *os.File, data []byte, at int64) error {
	if err := d.before("write"); err != nil {
		f.WriteAt(data[:len(data)/2], at)
		return err
	}
	_, err := f.WriteAt(data, at)
	return err
}

func (d disk) truncate(f *os.File, size int64) error {
	if err := d.before("truncate"); err != nil {
		return err
	}
	return f.Truncate(size)
}

func (d disk) sync(f *os.File) error {
	if err := d.before("sync"); err != nil {
		return err
	}
	return f.Sync()
}

func (d disk) rename(from, to string) error {
	if err := d.before("rename"); err != nil {
		return err
	}
	return os.Rename(from, to)
}

func (d disk) link(from, to string) error {
	if err := d.before("link"); err != nil {
		return err
	}
	return os.Link(from, to)
}

func (d disk) remove(path string) error {
	if err := d.before("remove"); err != nil {
		return err
	}
	return os.Remove(path)
}

// syncFolder makes the names in the folder of path survive a power failure, where
// the system can do that: Windows and WebAssembly cannot, and some file systems
// refuse.
func (d disk) syncFolder(path string) error {
	if err := d.before("sync folder"); err != nil {
		return err
	}
	if runtime.GOOS == "windows" || runtime.GOARCH == "wasm" {
		return nil
	}
	f, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil // a folder that may be written to but not be read
	}
	defer f.Close()
	err = f.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}
