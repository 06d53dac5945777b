package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"bankai/internal/durable"
	"bankai/internal/outputs"
	"bankai/internal/terminal"
	"bankai/store/signature"

	"github.com/spf13/cobra"
)

const (
	secretEnding = ".key"
	publicEnding = ".pub"
)

func keygenCommand(a *app) *cobra.Command {
	var out string
	var plain bool
	cmd := &cobra.Command{
		Use:   "keygen",
		Short: "make a key to sign patches with",
		Long: `Makes a pair of keys in minisign's format: NAME.key, with which you sign, for
nobody else's eyes, and NAME.pub, with which others check what you signed.
Without -o they are bankai.key and bankai.pub in the library's folder, where
"bankai patch sign" looks for yours, and the library trusts what they sign, as
that of "me". minisign's own keys do as well.

The secret key is encrypted with a password, which is asked for twice, or is
that of BANKAI_KEY_PASSWORD. Encrypting takes a second and a gigabyte of memory,
as does every signing: that is what guessing costs, too. --no-password leaves it
readable for whoever gets the file.

A key that is there is replaced only with --force, and stays under the next free
number: without it nothing more can be signed in its name.`,
		Example: `  bankai keygen --no-password
  bankai keygen -o mine.key --no-password`,
		Args: arguments(0, 0, "none"),
		RunE: a.do(func(ctx context.Context, _ []string) error { return keygen(ctx, a, out, plain) }),
	}
	outFlag(cmd, &out, "NAME.key; the public key becomes NAME.pub")
	cmd.Flags().BoolVar(&plain, "no-password", false, "do not encrypt the secret key")
	cmd.Flags().Bool(forceName, false, "replace a key that is there, which is kept under a number")
	return cmd
}

// keyDoc is a new pair of keys.
type keyDoc struct {
	Key       signature.KeyID     `json:"key_id"`
	Public    signature.PublicKey `json:"public_key"` // for others
	Encrypted bool                `json:"encrypted"`
	Files     []string            `json:"files"`
	TrustedAs string              `json:"trusted_as,omitempty"` // the name of whom the library trusts with it
}

func keygen(ctx context.Context, a *app, out string, plain bool) error {
	secret, public, err := keyPair(a, out)
	if err != nil {
		return err
	}
	password := ""
	if !plain {
		if password, err = a.newPassword(ctx, secret.Path); err != nil {
			return err
		}
	}
	k, err := signature.Generate()
	if err != nil {
		return err
	}
	text, err := k.File(password)
	if err != nil {
		return err
	}
	if err := a.putBytes(ctx, secret, text); err != nil {
		return err
	}
	if err := a.putBytes(ctx, public, k.Public().File()); err != nil {
		return err
	}
	doc := keyDoc{Key: k.Public().ID(), Public: k.Public(), Encrypted: !plain, Files: []string{secret.Path, public.Path}}
	if out == "" {
		if doc.TrustedAs, err = trustOwn(ctx, a, k.Public()); err != nil {
			return fmt.Errorf("%s and %s were written, but the library does not trust them: %w", secret.Path, public.Path, err)
		}
	}
	return a.Print(doc, func(w io.Writer) { doc.write(w) })
}

// write says what was made, and what to do with it.
func (d keyDoc) write(w io.Writer) {
	sign, trusted := "bankai patch sign P", fmt.Sprintf("in this library, as %s: bankai library trust --remove %[1]s ends that", d.TrustedAs)
	if d.TrustedAs == "" {
		sign += " --key " + d.Files[0]
		trusted = "not yet: bankai library trust " + d.Files[1]
	}
	terminal.WriteFacts(w,
		terminal.Fact{"secret key", d.Files[0] + ": for nobody else's eyes; keep a copy"},
		terminal.Fact{"public key", d.Files[1] + ": for everybody"},
		terminal.Fact{"its line", d.Public.String()},
		terminal.Fact{"", "give it to whoever is to trust what you sign, not by the way of the patches"},
		terminal.Fact{"key id", d.Key.String()},
		terminal.Fact{"trusted", trusted},
		terminal.Fact{"to sign", sign})
}

// trustOwn trusts the user's own new key, as me, or, if an older one is called so, as
// me-2 and so on: what that signed goes on to count.
func trustOwn(ctx context.Context, a *app, k signature.PublicKey) (name string, err error) {
	l, err := library()
	if err != nil {
		return "", err
	}
	trust := a.trust(l)
	name = "me"
	for n := 2; slices.ContainsFunc(trust, func(t signature.Trusted) bool { return t.Name == name }); n++ {
		name = fmt.Sprint("me-", n)
	}
	_, err = trustNow(ctx, l, signature.Trusted{Key: k, Name: name})
	return name, err
}

// keyPair are the files of a new pair of keys, which may be written: the secret one is
// out, or else the user's own.
func keyPair(a *app, out string) (secret, public *durable.Output, err error) {
	if out == "" {
		l, err := library()
		if err != nil {
			return nil, nil, err
		}
		if err := os.MkdirAll(l.Dir(), 0o777); err != nil {
			return nil, nil, err
		}
		out = l.OwnKey()
	}
	name, ok := strings.CutSuffix(out, secretEnding)
	if !ok || name == "" || os.IsPathSeparator(name[len(name)-1]) {
		return nil, nil, usagef("-o %s: the name of a secret key ends in .key", out)
	}
	secret = &durable.Output{Path: out, Keep: true, Private: true, Force: a.Force}
	public = &durable.Output{Path: name + publicEnding, Keep: true, Force: a.Force}
	return secret, public, outputs.Check(secret, public)
}

// putBytes writes an output whose bytes are known.
func (a *app) putBytes(ctx context.Context, o *durable.Output, data []byte) error {
	return a.Put(ctx, o, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}
