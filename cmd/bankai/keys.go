package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"bankai/internal/terminal"
	"bankai/store"
	"bankai/store/signature"
)

// passwordVariable holds the password of the user's secret key.
const passwordVariable = "BANKAI_KEY_PASSWORD"

// password is that of a secret key: of the environment, or asked for on the terminal.
func (a *app) password(ctx context.Context, path string) (string, error) {
	if given := os.Getenv(passwordVariable); given != "" {
		return given, nil
	}
	given, err := a.ReadPassword(ctx, a.stdin, fmt.Sprintf("Password of %s: ", path))
	if errors.Is(err, terminal.ErrNoTerminal) {
		err = fmt.Errorf("%s: the key has a password, and %w: set %s", path, err, passwordVariable)
	}
	return given, err
}

// newPassword is one for a new key, which is typed twice.
func (a *app) newPassword(ctx context.Context, path string) (string, error) {
	if given := os.Getenv(passwordVariable); given != "" {
		return given, nil
	}
	first, err := a.ReadPassword(ctx, a.stdin, fmt.Sprintf("New password of %s: ", path))
	switch {
	case errors.Is(err, terminal.ErrNoTerminal):
		return "", usagef("%w: set %s, or make a key without one with --no-password", err, passwordVariable)
	case err != nil:
		return "", err
	case first == "":
		return "", errors.New("the password is empty: make a key without one with --no-password")
	}
	again, err := a.ReadPassword(ctx, a.stdin, "The same again: ")
	if err == nil && again != first {
		err = errors.New("the two passwords differ: try again; no key was written")
	}
	return first, err
}

// secretKey reads the key that the user signs with.
func (a *app) secretKey(ctx context.Context, path string) (signature.SecretKey, error) {
	own := path == ""
	if own {
		l, err := library()
		if err != nil {
			return signature.SecretKey{}, err
		}
		path = l.OwnKey()
	}
	text, err := signature.ReadFile(path)
	if own && errors.Is(err, os.ErrNotExist) {
		return signature.SecretKey{}, fmt.Errorf("%s: there is no such file: make a key with bankai keygen, or give another one with --key", path)
	}
	if err != nil {
		return signature.SecretKey{}, err
	}
	var asking error
	k, err := signature.ParseSecretKey(text, func() (password string, err error) {
		password, asking = a.password(ctx, path)
		return password, asking
	})
	if err != nil && asking == nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return k, err
}

// publicKey reads a public key: the line itself, or a file.
func publicKey(given string) (signature.PublicKey, error) {
	if k, err := signature.ParsePublicKey([]byte(given)); err == nil {
		return k, nil
	}
	text, err := signature.ReadFile(given)
	if errors.Is(err, os.ErrNotExist) {
		return signature.PublicKey{}, fmt.Errorf("%.80q is neither a file nor a public key: want a .pub file, or the line in it that begins with RW", given)
	}
	if err != nil {
		return signature.PublicKey{}, err
	}
	k, err := signature.ParsePublicKey(text)
	if err != nil {
		err = fmt.Errorf("%s: %w", given, err)
	}
	return k, err
}

// trust is whom the user trusts. What cannot be read of it is trusted with nothing.
func (a *app) trust(l *store.Library) signature.Trust {
	if l == nil {
		return nil
	}
	t, err := l.Trust()
	if err != nil {
		a.Warn("%v", err)
	}
	return t
}
