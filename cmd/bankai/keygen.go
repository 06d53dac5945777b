package main

import (
	"context"
	"io"
	"os"
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
"bankai patch sign" looks for yours. minisign's own keys do as well.

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
	doc := keyDoc{k.Public().ID(), k.Public(), !plain, []string{secret.Path, public.Path}}
	return a.Print(doc, func(w io.Writer) {
		terminal.WriteFacts(w,
			terminal.Fact{"secret key", secret.Path + ": for nobody else's eyes; keep a copy"},
			terminal.Fact{"public key", public.Path + ": for everybody"},
			terminal.Fact{"its line", doc.Public.String()},
			terminal.Fact{"key id", doc.Key.String()})
	})
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
