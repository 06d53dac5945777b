package cluster

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"bankai"
	"bankai/internal/durable"
	"bankai/internal/text"
)

// CacheFolder is where a machine keeps the files that it has fetched: cluster in the
// folder that BANKAI_HOME names, or else bankai/cluster in the user's folder for caches.
// What was not used for [cacheAge] is removed when something is fetched; the folder may
// be removed whenever no worker runs.
func CacheFolder() (string, error) {
	if home := os.Getenv("BANKAI_HOME"); home != "" {
		return filepath.Abs(filepath.Join(home, "cluster"))
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("there is no folder for what a worker fetches: set BANKAI_HOME to one: %w", err)
	}
	return filepath.Join(dir, "bankai", "cluster"), nil
}

// cacheAge is how long a machine keeps a file that nothing needs.
const cacheAge = 30 * 24 * time.Hour

// fileExtension is what a coordinator may have at the end of a file's name here.
var fileExtension = regexp.MustCompile(`^(\.[A-Za-z0-9]{1,16})?$`)

// File is the path of a file on this machine with the content of a digest. It is fetched
// unless it is there, and checked in any case; several processes may do so at once. Nobody
// may write to it. What the disk has no room for is not begun. ext, such as .gguf, ends its
// name.
func (o *Objects) File(ctx context.Context, d bankai.Digest, ext string, progress func(done, total int64)) (path string, err error) {
	if !fileExtension.MatchString(ext) {
		return "", fmt.Errorf("a file's name cannot end with %.40q", ext)
	}
	dir := o.cache
	if dir == "" {
		if dir, err = CacheFolder(); err != nil {
			return "", err
		}
	}
	path = filepath.Join(dir, d.String()+ext)
	switch sum, err := sumOf(ctx, path); {
	case err == nil && sum == d:
		now := time.Now()
		os.Chtimes(path, now, now) // if it cannot be noted that the file was used, it is fetched again some day
		return path, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	info, err := o.info(ctx, d)
	if err != nil {
		return "", err
	}
	removeUnused(dir, time.Now().Add(-cacheAge))
	if free, known := durable.FreeSpace(dir); known && info.Size > uint64(max(free, 0)) {
		return "", fmt.Errorf("%s has room for %s, and the file takes %s: free some, or set BANKAI_HOME to a folder elsewhere", dir, text.Size(free), text.Size(int64(min(info.Size, 1<<62))))
	}
	err = durable.Write(ctx, path, func(f durable.File) error { return o.download(ctx, d, info, f, progress) })
	if err != nil { // on Windows, nobody can replace what another process has just put there and reads
		if sum, bad := sumOf(ctx, path); bad == nil && sum == d {
			err = nil
		}
	}
	return path, err
}

// cachedFile is a name that File gives.
var cachedFile = regexp.MustCompile(`^[0-9a-f]{64}(\.[A-Za-z0-9]{1,16})?$`)

// removeUnused makes room: the files that nothing has needed since then go, if they can.
func removeUnused(dir string, then time.Time) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.Mode().IsRegular() && cachedFile.MatchString(e.Name()) && info.ModTime().Before(then) {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// sumOf is the SHA-256 of a file.
func sumOf(ctx context.Context, path string) (bankai.Digest, error) {
	f, err := os.Open(path)
	if err != nil {
		return bankai.Digest{}, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, reading{ctx, f}); err != nil {
		return bankai.Digest{}, err
	}
	return bankai.Digest(h.Sum(nil)), nil
}
