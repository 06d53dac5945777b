package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"bankai"
	"bankai/store/signature"
)

// signatureEnding ends the names of signatures.
const signatureEnding = signature.Extension

// Signature is one of a patch.
type Signature struct {
	Key  string // the id of the key that is said to have made it: 16 hexadecimal digits
	Text []byte // in minisign's format
}

// Sign keeps a signature of a patch of the library. It takes the place of an older one by
// the same key. One by a key that is trusted has to hold.
func (l *Library) Sign(ctx context.Context, patch bankai.Digest, s Signature) error {
	data, err := l.Blob(patch)
	if err != nil {
		return err
	}
	p, err := bankai.Read(bytes.NewReader(data))
	if err != nil {
		return err
	}
	if err := l.checkSigned(p, s); err != nil {
		return err
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return l.sign(ctx, patch, s)
}

// checkSigned refuses signatures that claim to be by a key that is trusted, and are not:
// they would take the place of good ones. Nothing is known of those by other keys.
func (l *Library) checkSigned(p *bankai.Patch, sigs ...Signature) error {
	if len(sigs) == 0 {
		return nil
	}
	trust, _ := l.Trust() // a key that cannot be read is not trusted
	for _, s := range sigs {
		if _, err := signature.Check(s.Text, p, trust.Keys()); errors.Is(err, signature.ErrTampered) {
			return fmt.Errorf("nothing was kept: %w", err)
		}
	}
	return nil
}

func (l *Library) sign(ctx context.Context, patch bankai.Digest, s Signature) error {
	key := strings.ToUpper(s.Key)
	switch {
	case len(key) != 16 || strings.Trim(key, "0123456789ABCDEF") != "":
		return fmt.Errorf("%q is no id of a key: want 16 hexadecimal digits", s.Key)
	case len(s.Text) > signature.MaxSize:
		return fmt.Errorf("%d bytes are too many for a signature", len(s.Text))
	}
	if err := l.folder(signatureFolder, patch.String()); err != nil {
		return err
	}
	err := write(ctx, l.at(signatureFolder, patch.String(), key+signatureEnding), s.Text)
	if err == nil {
		at := time.Now() // for those who watch the library: what changed is a folder below
		os.Chtimes(l.at(signatureFolder), at, at)
	}
	return err
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
		data, err := l.read(signature.MaxSize, signatureFolder, patch.String(), f.Name())
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

// Signatures are those of the patch that a reference means: of a file, the one beside it,
// FILE.minisig, if it is there.
func (r Reader) Signatures(ref string) ([][]byte, error) {
	if !IsPath(ref) && r.Library != nil {
		e, err := r.Library.Resolve(ref)
		if err != nil {
			return nil, notFound(ref, err)
		}
		return r.Library.Signatures(e.Patch)
	}
	sig, err := signature.ReadFile(ref + signature.Extension)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return [][]byte{sig}, err
}
