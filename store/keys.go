package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"bankai/store/signature"
)

const (
	keyEnding  = ".json"
	maxKeyFile = 1 << 20 // bytes
)

// OwnKey is where the user's own secret key is looked for, and where it is put. The
// public one lies beside it, and ends in .pub.
func (l *Library) OwnKey() string { return l.at(ownKeys[0]) }

// Trust is whom the library's user trusts, by the ids of their keys. The error names
// what cannot be read; the rest is there all the same.
func (l *Library) Trust() (trust signature.Trust, err error) {
	files, err := l.entries(keyFolder)
	if err != nil {
		return nil, err
	}
	var faults []error
	for _, f := range files {
		if !isKeyFile(f) {
			continue
		}
		t, err := l.trusted(f.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		trust = append(trust, t)
	}
	return trust, errors.Join(faults...)
}

// isKeyFile says whether the library made what the folder of keys holds.
func isKeyFile(e fs.DirEntry) bool {
	id, ok := strings.CutSuffix(e.Name(), keyEnding)
	_, err := signature.ParseKeyID(id)
	return ok && err == nil && id == strings.ToUpper(id) && e.Type().IsRegular()
}

func (l *Library) trusted(file string) (signature.Trusted, error) {
	data, err := l.read(maxKeyFile, keyFolder, file)
	if err != nil {
		return signature.Trusted{}, err
	}
	t, err := signature.ParseTrusted(data)
	if err == nil && t.Key.ID().String()+keyEnding != file {
		err = fmt.Errorf("holds the key %v", t.Key.ID())
	}
	if err != nil {
		return t, fmt.Errorf("%s: %w: %w: take the file away, and trust the key again", l.at(keyFolder, file), ErrDamaged, err)
	}
	return t, nil
}

// TrustKey trusts a key from now on, and returns what it is trusted with. Of a key that is
// trusted already, what t does not say stays: a name that is empty, and limits that are
// nil (empty ones end them), so that nothing is widened by saying less. Another key of the
// same id is refused: one of the two is a fake.
func (l *Library) TrustKey(ctx context.Context, t signature.Trusted) (signature.Trusted, error) {
	if err := t.Check(); err != nil {
		return t, err
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return t, err
	}
	defer unlock()
	file := t.Key.ID().String() + keyEnding
	old, err := l.trusted(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return t, err
	case !old.Key.Equal(t.Key):
		return t, fmt.Errorf("another key with the id %v is trusted already, as %v: find out which of them is whose, and take the wrong one away with bankai library trust --remove", t.Key.ID(), old)
	default:
		t = keep(old, t)
	}
	if err := l.folder(keyFolder); err != nil {
		return t, err
	}
	data, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return t, err
	}
	return t, write(ctx, l.at(keyFolder, file), append(data, '\n'))
}

// keep is a key as it is trusted now: what is not said of it is as it was.
func keep(old, t signature.Trusted) signature.Trusted {
	t.Name, t.Added = cmp.Or(t.Name, old.Name), old.Added
	if t.Bases == nil {
		t.Bases = old.Bases
	}
	if t.Names == nil {
		t.Names = old.Names
	}
	return t
}

// DistrustKey trusts a key no more. The error is fs.ErrNotExist if nobody did.
func (l *Library) DistrustKey(ctx context.Context, id signature.KeyID) error {
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	path := l.at(keyFolder, id.String()+keyEnding)
	if err := isOwnFolder(filepath.Dir(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := isOwnFile(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Remove(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the key %v is not trusted, and so stays: bankai library trust lists those that are: %w", id, fs.ErrNotExist)
	} else if err != nil {
		return l.unusable(err)
	}
	return nil
}

// SignerOf is who of those that are trusted signed a patch of the library. Errors are
// those of signature.Trust.Check, and of files that cannot be read.
func (l *Library) SignerOf(e Entry, trust signature.Trust) (signature.Signer, error) {
	sigs, err := l.Signatures(e.Patch)
	if err != nil {
		return signature.Signer{}, err
	}
	if len(sigs) == 0 {
		return signature.Signer{}, signature.ErrUnsigned
	}
	p, err := l.Patch(e)
	if err != nil {
		return signature.Signer{}, err
	}
	return trust.Check(e.Name, p, sigs)
}
