package hub

import (
	"context"
	"os"
	"path/filepath"
	"time"
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
	f, err := os.OpenFile(filepath.Join(dir, etag+".lock"), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	for told := false; ; told = true {
		locked, err := tryLock(f)
		if locked || err != nil { // without locks two processes may do the same work twice
			return func() { f.Close() }, nil
		}
		if !told {
			c.Watcher.Note("%s: another process is downloading it: waiting", f.Name())
		}
		if err := sleep(ctx, lockEvery); err != nil {
			f.Close()
			return nil, err
		}
	}
}
