package main

import (
	"errors"
	"fmt"

	"bankai/internal/text"
	"bankai/store"
	"bankai/store/signature"
)

// kept tells of a patch of the library, and who of those that are trusted signed it, or
// else who is said to have done so.
func kept(l *store.Library, e store.Entry, trust signature.Trust) keptDoc {
	s, err := l.SignerOf(e, trust)
	return keptDoc{e, e.Ref(), signedBy(s, err), s, err}
}

// signedByText is who signed, in as few words as will do.
func (d keptDoc) signedByText() string {
	switch err := d.unsigned; {
	case d.Signer != "":
		return text.Clip(d.Signer, 30)
	case d.By != nil:
		return d.By.String()
	case len(d.Claimed) > 1:
		return fmt.Sprintf("%d keys, not trusted", len(d.Claimed))
	case len(d.Claimed) > 0:
		return d.Claimed[0].String() + ", not trusted"
	case errors.Is(err, signature.ErrLimited):
		return "not trusted with this"
	case errors.Is(err, signature.ErrTampered), errors.Is(err, signature.ErrMalformed):
		return "does not hold"
	}
	return ""
}

// signaturesOf are those of the patch that a reference means, as the library keeps them.
// Nobody checks them now: that is done whenever it counts.
func signaturesOf(a *app, ref string) (all []store.Signature, err error) {
	sigs, err := a.patches(nil).Signatures(ref)
	if err != nil {
		return nil, err
	}
	for _, text := range sigs {
		s, err := signature.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: sign the patch again, or take the file away", ref+signature.Extension, err)
		}
		all = append(all, store.Signature{Key: s.KeyID().String(), Text: s.Text()})
	}
	return all, nil
}
