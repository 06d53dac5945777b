package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"bankai"
	"bankai/internal/durable"
	"bankai/internal/text"
	"bankai/store"
	"bankai/store/signature"

	"github.com/spf13/cobra"
)

// signFlags are those of `patch sign`.
type signFlags struct{ key, comment string }

func signCommand(a *app) *cobra.Command {
	f := &signFlags{}
	cmd := &cobra.Command{
		Use:   "sign P...",
		Short: "sign patches, so that others can tell that they are yours",
		Long: `Signs patches with your secret key ("bankai keygen" makes one), in minisign's
format: the signature of fix.bankai is fix.bankai.minisig beside it, and that of
a patch of the library is kept in the library. Whoever has your public key can
check it with "bankai patch verify --key", or with minisign itself:

  minisign -Vm fix.bankai -p mine.pub

What is signed is the compact form of a patch. So a signature holds of the .json
form of the same patch, too, but minisign checks it with the .bankai file alone;
"bankai patch convert" writes that. Signed with it is a comment that names the
model, the flips, the patch and the time, and ends with the text of --comment.`,
		Example: `  bankai patch sign fix.bankai
  bankai patch sign both.bankai --key mine.key --comment 'tried on the 8B'`,
		Args: arguments(1, -1, "one or more patches"),
		RunE: a.do(func(ctx context.Context, args []string) error { return f.sign(ctx, a, args) }),
	}
	cmd.Flags().StringVar(&f.key, "key", "", "`FILE` of the secret key, instead of bankai.key of the library's folder")
	cmd.Flags().StringVar(&f.comment, "comment", "", "`TEXT` that is signed, too")
	cmd.Flags().Bool(forceName, false, "replace signatures by other keys")
	return cmd
}

// signedDoc is a signature that was made.
type signedDoc struct {
	Patch     string `json:"patch"`
	Signature string `json:"signature,omitempty"` // the file; the library has it if there is none
}

// signing is a patch that is to be signed, and where its signature goes.
type signing struct {
	ref   string
	patch *bankai.Patch
	file  *durable.Output // nil for a patch of the library
	entry store.Entry
}

func (f *signFlags) sign(ctx context.Context, a *app, refs []string) error {
	if err := signature.CheckNote(f.comment); err != nil {
		return usagef("--comment: %w", err)
	}
	k, err := a.secretKey(ctx, f.key)
	if err != nil {
		return err
	}
	at, err := store.Now()
	if err != nil {
		return err
	}
	var all []signing
	for _, ref := range refs {
		s, err := toSign(a, ref, k.Public().ID())
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	doc := struct {
		Key    signature.KeyID `json:"signed_by"`
		Signed []signedDoc     `json:"signed"`
	}{Key: k.Public().ID()}
	for _, s := range all {
		path, err := s.sign(ctx, a, k, at, f.comment)
		if err != nil {
			return err
		}
		doc.Signed = append(doc.Signed, signedDoc{s.ref, path})
	}
	return a.Print(doc, func(w io.Writer) {
		for _, s := range doc.Signed {
			fmt.Fprintf(w, "%s: signed by %v, %s\n", text.Line(s.Patch), doc.Key, cmp.Or(s.Signature, "in the library"))
		}
	})
}

// toSign reads a patch, and refuses what its signature must not replace.
func toSign(a *app, ref string, key signature.KeyID) (s signing, err error) {
	from := a.patches(nil)
	if s.patch, err = from.Raw(ref); err != nil {
		return s, err
	}
	s.ref = ref
	if !store.IsPath(ref) && from.Library != nil {
		s.entry, err = from.Library.Resolve(ref)
		return s, err
	}
	s.file = a.Derived(ref+signature.Extension, signatureBy(key))
	return s, s.file.Check()
}

// signatureBy knows signatures that a key is said to have made, which can be made again.
func signatureBy(key signature.KeyID) func(path string) (string, bool) {
	return func(path string) (string, bool) {
		text, err := signature.ReadFile(path)
		if err != nil {
			return "", false
		}
		sig, err := signature.Parse(text)
		if err != nil {
			return "no signature", false
		}
		return fmt.Sprintf("a signature by the key %v", sig.KeyID()), sig.KeyID() == key
	}
}

// sign signs one patch, and says in which file the signature is.
func (s signing) sign(ctx context.Context, a *app, k signature.SecretKey, at time.Time, comment string) (path string, err error) {
	sig, err := signature.Sign(k, s.patch, signature.Comment{Name: cmp.Or(s.patch.Meta().Name, store.Title(s.ref)), Time: at, Note: comment})
	if err != nil {
		return "", err
	}
	if s.file != nil {
		return s.file.Path, a.putBytes(ctx, s.file, sig)
	}
	l, err := library()
	if err != nil {
		return "", err
	}
	return "", l.Sign(ctx, s.entry.Patch, store.Signature{Key: k.Public().ID().String(), Text: sig})
}
