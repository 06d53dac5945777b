// Package durable changes files so that nothing is lost: not by a kill, a full
// disk, a power failure, a second process or a mistyped name.
//
// [Write] makes a file whole or not at all. [Output] is the policy about what is
// already there. [Journal] is a file of records that is only ever appended to, by
// one process at a time.
package durable

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// File is a file that is being written.
type File interface {
	io.Writer
	io.WriterAt
}

// Write makes the file at path of what write puts into f: under another name in
// the same folder, synced, then renamed, so that path is never half a file and
// an older one stays if anything fails. The file keeps the older one's mode. When
// ctx ends, f takes no more. Errors name path, and tell ctx's end from others by
// [errors.Is].
//
// A program that is killed leaves a file named bankai-XXXXXXXX.tmp behind, which
// the next one that writes into the folder removes.
func Write(ctx context.Context, path string, write func(f File) error) error {
	return disk{}.replace(ctx, path, nil, write)
}

// Update replaces the file at path by what change makes of its content, which is empty
// if there is none. Updates of one file by several processes follow one another. What
// is no file of its own, such as a symbolic link, is refused.
func Update(path string, change func(old []byte) ([]byte, error)) error {
	d := disk{}
	unlock, err := d.lockFolder(path)
	if err != nil {
		return Unwritable(path, err)
	}
	defer unlock()
	var old []byte
	if info, err := os.Lstat(path); err == nil {
		if err := isFile(path, info); err != nil {
			return err
		}
		if old, err = os.ReadFile(path); err != nil {
			return Unwritable(path, err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return Unwritable(path, err)
	}
	text, err := change(old)
	if err != nil {
		return err
	}
	return d.replace(context.Background(), path, nil, func(f File) error {
		_, err := f.Write(text)
		return err
	})
}

// replace is Write. What is in the way is kept under the next free number if keep,
// which may be nil, says so; a file of the same bytes is then left as it is.
func (d disk) replace(ctx context.Context, path string, keep func(old fs.FileInfo) bool, write func(f File) error) error {
	t, err := d.temp(path)
	if err != nil {
		return Unwritable(path, err)
	}
	defer t.discard()
	if err := write(guarded{ctx, t.File}); err != nil {
		return Unwritable(path, err)
	}
	if err := d.sync(t.File); err != nil { // a full disk may show only now
		return Unwritable(path, err)
	}
	if keep != nil {
		// From the look at what is there until it is replaced, nobody else may replace it.
		unlock, err := d.lockFolder(path)
		if err != nil {
			return Unwritable(path, err)
		}
		defer unlock()
		if old, err := os.Lstat(path); err == nil && keep(old) {
			if equal, err := sameBytes(t.File, path); err != nil || equal {
				return Unwritable(path, err)
			}
			if _, err := d.keep(path); err != nil {
				return Unwritable(path, err)
			}
		}
	}
	return Unwritable(path, t.place(path))
}

// lockFolder waits until no other process is replacing a file in the folder of path.
// Where a folder cannot be locked, it does nothing.
func (d disk) lockFolder(path string) (unlock func(), err error) {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return func() {}, nil
	}
	for {
		if err := d.before("lock"); err != nil {
			folder.Close()
			return nil, err
		}
		if locked, err := tryLock(folder); locked || err != nil {
			return func() { folder.Close() }, nil
		}
		time.Sleep(time.Millisecond)
	}
}

// guarded is a file that takes no more when ctx ends.
type guarded struct {
	ctx context.Context
	f   *os.File
}

// piece bounds what is written at once, in bytes, so that the end of ctx is soon
// noticed.
const piece = 4 << 20

func (g guarded) Write(p []byte) (n int, err error) {
	for {
		if err := g.ctx.Err(); err != nil {
			return n, err
		}
		k, err := g.f.Write(p[:min(len(p), piece)])
		n += k
		if p = p[k:]; err != nil || len(p) == 0 {
			return n, err
		}
	}
}

func (g guarded) WriteAt(p []byte, at int64) (int, error) {
	if err := g.ctx.Err(); err != nil {
		return 0, err
	}
	return g.f.WriteAt(p, at)
}

// temp is a file under a name that tells that it is unfinished. It is locked as
// long as its writer lives.
type temp struct {
	*os.File
	disk disk
	name string
	gone bool // renamed or removed
}

// tempPattern is how unfinished files are called: with 8 hexadecimal digits.
var tempPattern = "bankai-" + strings.Repeat("[0-9a-f]", 8) + ".tmp"

// renamesOpen says that a file can be renamed while it is open.
const renamesOpen = runtime.GOOS != "windows"

// unfinished are the files that this process is writing. When it ends them they
// are removed, and no more are put in their places.
var unfinished struct {
	sync.Mutex
	names map[string]bool
	ended bool
}

// End removes what this process has not finished writing, and keeps it from
// finishing anything: the program is about to exit. A file that was in its place
// when End returns is whole.
func End() {
	unfinished.Lock()
	defer unfinished.Unlock()
	unfinished.ended = true
	for name := range unfinished.names {
		os.Remove(name)
	}
}

var errEnded = errors.New("the program ends")

// temp makes a file to be placed at path, with the mode of the one that is there.
// It removes those of dead processes in the folder.
func (d disk) temp(path string) (*temp, error) {
	dir := filepath.Dir(path)
	d.sweep(dir)
	perm, old := fs.FileMode(0o666), false
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
		perm, old = info.Mode().Perm(), true
	}
	if d.private {
		perm, old = 0o600, false
	}
	for {
		// Not os.CreateTemp: its files are readable by their owner alone.
		name := filepath.Join(dir, fmt.Sprintf("bankai-%08x.tmp", rand.Uint32()))
		f, err := d.create(name, perm|0o200)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		locked, err := tryLock(f)
		if err == nil && (!locked || !isAt(f, name)) { // swept before it was locked
			f.Close()
			continue
		}
		if old {
			f.Chmod(perm) // the umask took bits away
		}
		unfinished.Lock()
		if unfinished.names == nil {
			unfinished.names = map[string]bool{}
		}
		unfinished.names[name] = true
		unfinished.Unlock()
		return &temp{File: f, disk: d, name: name}, nil
	}
}

// sweep removes the unfinished files that processes left which are dead: whoever
// lives has theirs locked, or, on Windows, open. What cannot be removed stays.
func (d disk) sweep(dir string) {
	names, _ := filepath.Glob(filepath.Join(escapeGlob(dir), tempPattern))
	for _, name := range names {
		if info, err := os.Lstat(name); err != nil || !info.Mode().IsRegular() {
			continue
		}
		if runtime.GOOS == "windows" {
			d.remove(name)
			continue
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if locked, err := tryLock(f); err == nil && locked && isAt(f, name) {
			d.remove(name)
		}
		f.Close()
	}
}

// place renames the file, which is synced, to path.
func (t *temp) place(path string) error {
	if !renamesOpen {
		if err := t.Close(); err != nil {
			return err
		}
	}
	if err := t.disk.before("place"); err != nil {
		return err
	}
	unfinished.Lock()
	err := errEnded
	if !unfinished.ended {
		err = os.Rename(t.name, path)
	}
	if err == nil {
		t.gone = true
		delete(unfinished.names, t.name)
	}
	unfinished.Unlock()
	if err != nil {
		return err
	}
	return t.disk.syncFolder(path)
}

// discard closes the file, and removes it unless it was placed.
func (t *temp) discard() {
	if !t.gone {
		if !renamesOpen {
			t.Close()
		}
		t.disk.remove(t.name)
		t.gone = true
		unfinished.Lock()
		delete(unfinished.names, t.name)
		unfinished.Unlock()
	}
	t.Close()
}

// isAt reports whether path still names the open file.
func isAt(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Lstat(path)
	return err == nil && os.SameFile(a, b)
}

// Unwritable says of an error about writing a file which file it is, whatever temporary
// name was written to. It is nil if err is.
func Unwritable(path string, err error) error {
	var onPath *fs.PathError
	var onLink *os.LinkError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &onPath):
		err = onPath.Err
	case errors.As(err, &onLink):
		err = onLink.Err
	}
	return fmt.Errorf("%s: cannot write the file: %w", path, err)
}
