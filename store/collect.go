package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Freed is what was collected.
type Freed struct {
	Blobs int   `json:"blobs"` // patches, sets and reports that no name had
	Bytes int64 `json:"bytes"`
}

// GC removes what no name has: blobs and signatures. A library in which a name cannot be
// read is left as it is, since what that name had would be lost.
func (l *Library) GC(ctx context.Context) (freed Freed, err error) {
	if err := isOwnFolder(l.dir); errors.Is(err, fs.ErrNotExist) {
		return freed, nil
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return freed, err
	}
	defer unlock()
	all, err := l.List()
	if err != nil {
		return freed, fmt.Errorf("nothing was collected: %w", err)
	}
	used := map[string]bool{}
	for _, e := range all {
		if _, err := l.Patch(e); err != nil { // what it should be may be there, without a name
			return freed, fmt.Errorf("nothing was collected: %w", err)
		}
		used[e.Patch.String()] = true
		for _, f := range e.Files {
			used[f.Digest.String()] = true
		}
	}
	blobs, err := l.entries(blobFolder, hashFolder)
	if err != nil {
		return freed, err
	}
	for _, b := range blobs {
		if ctx.Err() != nil {
			return freed, ctx.Err()
		}
		if !isDigest(b.Name()) || !b.Type().IsRegular() || used[b.Name()] {
			continue
		}
		info, err := b.Info()
		if err != nil {
			return freed, err
		}
		if err := os.Remove(l.at(blobFolder, hashFolder, b.Name())); err != nil {
			return freed, err
		}
		freed.Blobs++
		freed.Bytes += info.Size()
	}
	return freed, l.collectSignatures(used)
}

// collectSignatures removes the signatures of what is gone.
func (l *Library) collectSignatures(used map[string]bool) error {
	of, err := l.entries(signatureFolder)
	if err != nil {
		return err
	}
	for _, d := range of {
		if !isDigest(d.Name()) || !d.IsDir() || used[d.Name()] {
			continue
		}
		files, err := l.entries(signatureFolder, d.Name())
		if err != nil {
			return err
		}
		for _, f := range files {
			if f.Type().IsRegular() && strings.HasSuffix(f.Name(), signatureEnding) {
				if err := os.Remove(l.at(signatureFolder, d.Name(), f.Name())); err != nil {
					return err
				}
			}
		}
		os.Remove(l.at(signatureFolder, d.Name())) // stays if something strange is in it
	}
	return nil
}
