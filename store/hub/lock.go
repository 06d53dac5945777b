package hub

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// lockEvery is the time between two attempts to get a lock.
const lockEvery = 100 * time.Millisecond

// lock waits until no other process, of ours or of Python's, is downloading a blob. The
// file that is locked lies where Python's does, and stays.
func (c *Client) lock(ctx context.Context, r *repository, etag string) (unlock func(), err error) {
	dir := filepath.Join(r.folder, ".locks", r.name)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	f := flock.New(filepath.Join(dir, etag+".lock"), flock.SetFlag(os.O_RDWR|os.O_CREATE), flock.SetPermissions(0o666))
	for told := false; ; told = true {
		locked, err := f.TryLock()
		opening := new(fs.PathError)
		if errors.As(err, &opening) && !errors.Is(err, errors.ErrUnsupported) {
			return nil, err
		}
		if locked || err != nil { // without locks two processes may do the same work twice
			return func() { f.Close() }, nil
		}
		if !told {
			c.Watcher.Note("%s: another process is downloading it: waiting", f.Path())
		}
		if err := sleep(ctx, lockEvery); err != nil {
			f.Close()
			return nil, err
		}
	}
}
