package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"bankai"
)

// maxBlob bounds what a library keeps in one piece, in bytes.
const maxBlob = 512 << 20

// ErrDamaged says that a file of the library is not what it was when it was added.
var ErrDamaged = errors.New("it was changed or is damaged")

// BlobPath is the file that keeps, or would keep, the bytes of a digest.
func (l *Library) BlobPath(d bankai.Digest) string { return l.at(blobFolder, hashFolder, d.String()) }

// Blob reads bytes by their digest: a patch, a probe set, a report. The error is
// fs.ErrNotExist where the library has none, and ErrDamaged where they are others.
func (l *Library) Blob(d bankai.Digest) ([]byte, error) {
	data, err := l.read(maxBlob, blobFolder, hashFolder, d.String())
	if err != nil {
		return nil, err
	}
	if bankai.Digest(sha256.Sum256(data)) != d {
		return nil, fmt.Errorf("%s: %w: add again what it was", l.BlobPath(d), ErrDamaged)
	}
	return data, nil
}

// keep stores bytes, unless they are there.
func (l *Library) keep(ctx context.Context, data []byte) (bankai.Digest, error) {
	d := bankai.Digest(sha256.Sum256(data))
	if len(data) > maxBlob {
		return d, fmt.Errorf("%d bytes are more than the %d MiB that the library keeps in one piece", len(data), maxBlob>>20)
	}
	if err := l.folder(blobFolder, hashFolder); err != nil {
		return d, err
	}
	if _, err := l.Blob(d); err == nil {
		return d, nil
	} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrDamaged) {
		return d, err
	}
	path := l.BlobPath(d)
	os.Chmod(path, 0o644) // a damaged one is replaced
	if err := write(ctx, path, data); err != nil {
		return d, err
	}
	return d, os.Chmod(path, 0o444) // nobody has to change it
}
