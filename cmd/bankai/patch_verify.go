package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"bankai"
	"bankai/internal/anatomy"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/internal/weights"
	"bankai/store"
	"bankai/store/signature"

	"github.com/spf13/cobra"
)

// verifyFlags are those of `patch verify`.
type verifyFlags struct {
	model     string
	keys      []string
	signature string
}

func verifyCommand(a *app) *cobra.Command {
	f := &verifyFlags{}
	var cmd *cobra.Command
	cmd = &cobra.Command{
		Use:   "verify P [MODEL]",
		Short: "check that a patch is whole, fits a model, and who signed it",
		Long: `Checks that a patch file is undamaged, that it was made for this model, and that
every flip is in range. If not, the exit status is 1. A patch that does not name
its model (old JSON files) is checked by shape alone: ok is true, bound false. A
JSON file of another tool has no digest, so that damage to it cannot be told.

A patch also says with which settings its model computes (rope, scaling, epsilon,
heads), and is refused by a model of the same weights with other ones, where what
was measured of it does not hold; --force takes it all the same.

With --key it must have been signed with that key, or with one of several: its
signature is the file P.minisig, or what --signature names, or in the library.
No model is opened then, unless one is named. Without --key it says who signed
the patch, if it is somebody whom you trust ("bankai library trust"). A
signature by anybody else proves nothing, and is named as such; one that does
not hold fails.`,
		Example: `  bankai patch verify fix.bankai --model demo
  bankai patch verify both.bankai --key mine.pub`,
		Args: arguments(1, 2, "one patch, and the model if --model does not name it"),
		RunE: a.do(func(_ context.Context, args []string) error {
			model, err := oneModel(cmd, args[1:])
			if err != nil {
				return err
			}
			if len(f.keys) > 0 && len(args) == 1 && !cmd.Flags().Changed("model") {
				model = ""
			}
			return f.verify(a, args[0], model)
		}),
	}
	modelFlag(cmd, &f.model)
	cmd.Flags().StringArrayVar(&f.keys, "key", nil, "`KEY` that must have signed it: a .pub file, or the line in it that begins with RW; may be repeated, one will do")
	cmd.Flags().StringVar(&f.signature, "signature", "", "`FILE` of the signature, instead of P.minisig")
	forceFlag(cmd)
	return cmd
}

// verifiedDoc is what was found of a patch.
type verifiedDoc struct {
	OK     bool             `json:"ok"`
	Reason string           `json:"reason,omitempty"`
	Bound  bool             `json:"bound"`
	Flips  int              `json:"flips"`
	Bits   *uint64          `json:"bits"`
	Model  *source.ModelRef `json:"model"` // null if it was not looked at
	signedPart
}

// signedPart is what a document says of who signed a patch.
type signedPart struct {
	By      *signature.KeyID  `json:"signed_by"`                // null unless it was checked
	Signer  string            `json:"signer,omitempty"`         // whose key it is, as the user says
	Comment string            `json:"signed_comment,omitempty"` // what was signed with the patch
	Claimed []signature.KeyID `json:"claimed_by,omitempty"`     // of signatures that could not be checked
}

// signedBy is the part about a signer, or, if nobody is who is trusted, about those who
// are said to have signed.
func signedBy(s signature.Signer, unsigned error) (part signedPart) {
	unknown := new(signature.UntrustedError)
	switch {
	case unsigned == nil:
		id := s.Key.ID()
		part = signedPart{By: &id, Signer: s.Name, Comment: s.Signed.Line}
	case errors.As(unsigned, &unknown):
		part.Claimed = unknown.By
	}
	return part
}

func (f *verifyFlags) verify(a *app, ref, model string) error {
	var keys signature.Trust
	for _, given := range f.keys {
		k, err := publicKey(given)
		if err != nil {
			return err
		}
		keys = append(keys, signature.Trusted{Key: k})
	}
	return a.withWeights(model, func(file *weights.File) error {
		doc := verifiedDoc{}
		if file != nil {
			of := source.RefOf(model, file)
			doc.Model = &of
		}
		p, by, failed := f.check(a, a.patches(file), ref, keys)
		if doc.signedPart = by.part; failed == nil {
			doc.OK, doc.Bound, doc.Flips, doc.Bits = true, !p.Base().IsZero(), p.Len(), anatomy.KnownBits(p)
		} else {
			doc.Reason = explain(failed)
		}
		if failed != nil && !a.JSON {
			return failed
		}
		err := a.Print(doc, func(w io.Writer) {
			fmt.Fprintf(w, "%s: ok, %s, %s bits%s\n", text.Line(ref), text.Count(doc.Flips, "flip"), bitsText(doc.Bits), forModel(doc.Model, model))
			if by.words != "" {
				fmt.Fprintf(w, "%s: %s\n", text.Line(ref), text.Line(by.words))
			}
		})
		if err == nil {
			err = failed
		}
		return err
	})
}

func forModel(of *source.ModelRef, model string) string {
	if of == nil {
		return ""
	}
	return fmt.Sprintf(", for %s (%s)", model, short(of.Digest))
}

// signedWords is who signed a patch, for programs and for people.
type signedWords struct {
	part  signedPart
	words string
}

// check reads a patch, and checks its signature and that it fits the reader's model.
func (f *verifyFlags) check(a *app, from store.Reader, ref string, keys signature.Trust) (p *bankai.Patch, by signedWords, err error) {
	if p, err = from.Raw(ref); err != nil {
		return nil, by, err
	}
	if by, err = f.signer(a, from, ref, p, keys); err != nil {
		return nil, by, fmt.Errorf("%s: %w", ref, err)
	}
	p, err = from.Check(p, ref)
	return p, by, err
}

// signer is who signed a patch: one of the keys, if there are any.
func (f *verifyFlags) signer(a *app, from store.Reader, ref string, p *bankai.Patch, keys signature.Trust) (by signedWords, err error) {
	sigs, err := f.signatures(from, ref)
	if err != nil {
		return by, err
	}
	trusted := keys
	if len(keys) == 0 {
		trusted = a.trust(from.Library)
	}
	s, err := trusted.Check(store.Title(ref), p, sigs)
	unknown := new(signature.UntrustedError)
	switch untrusted := errors.As(err, &unknown); {
	case err == nil:
		return signedWords{signedBy(s, nil), signerText(s)}, nil
	case len(keys) > 0 && untrusted:
		return by, fmt.Errorf("signed by %s, and not by one that --key gives", unknown.Keys())
	case len(keys) > 0 && errors.Is(err, signature.ErrUnsigned):
		return by, fmt.Errorf("%w: there is no %s: say where its signature is with --signature", err, ref+signature.Extension)
	case errors.Is(err, signature.ErrUnsigned):
		return by, nil
	case untrusted:
		return signedWords{signedBy(s, err), "its signature names " + strings.TrimPrefix(err.Error(), "signed by ")}, nil
	case errors.Is(err, signature.ErrLimited):
		return signedWords{words: err.Error()}, nil
	}
	return by, err
}

// signatures are those of a patch.
func (f *verifyFlags) signatures(from store.Reader, ref string) ([][]byte, error) {
	if f.signature == "" {
		return from.Signatures(ref)
	}
	sig, err := signature.ReadFile(f.signature)
	return [][]byte{sig}, err
}

// signerText is who signed a patch, when, and what else was signed.
func signerText(s signature.Signer) string {
	said := "signed by " + s.String()
	switch c := s.Signed.Comment; {
	case c == nil:
		said += ": " + strconv.Quote(s.Signed.Line)
	case c.Note != "":
		said += ", " + c.Time.Format(text.TimeLayout) + ": " + strconv.Quote(c.Note)
	default:
		said += ", " + c.Time.Format(text.TimeLayout)
	}
	return said
}
