package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"bankai"
)

// signatureEnding ends the names of signatures.
const signatureEnding = ".minisig"

// maxSignature bounds a signature, in bytes.
const maxSignature = 64 << 10

// Signature is one of a patch.
type Signature struct {
	Key  string // the id of the key that is said to have made it: 16 hexadecimal digits
	Text []byte // in minisign's format
}

// Sign keeps a signature of a patch. It takes the place of an older one by the same key.
func (l *Library) Sign(ctx context.Context, patch bankai.Digest, s Signature) error {
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return l.sign(ctx, patch, s)
}

func (l *Library) sign(ctx context.Context, patch bankai.Digest, s Signature) error {
	key := strings.ToUpper(s.Key)
	switch {
	case len(key) != 16 || strings.Trim(key, "0123456789ABCDEF") != "":
		return fmt.Errorf("%q is no id of a key: want 16 hexadecimal digits", s.Key)
	case len(s.Text) > maxSignature:
		return fmt.Errorf("%d bytes are too many for a signature", len(s.Text))
	}
	if err := l.folder(signatureFolder, patch.String()); err != nil {
		return err
	}
	return write(ctx, l.at(signatureFolder, patch.String(), key+signatureEnding), s.Text)
}

// Signatures are those of a patch, by the ids of their keys. What is there proves nothing
// before it is checked.
func (l *Library) Signatures(patch bankai.Digest) (all [][]byte, err error) {
	files, err := l.entries(signatureFolder, patch.String())
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if !f.Type().IsRegular() || !strings.HasSuffix(f.Name(), signatureEnding) {
			continue
		}
		data, err := l.read(maxSignature, signatureFolder, patch.String(), f.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}
