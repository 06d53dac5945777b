package main

import (
	"fmt"

	"bankai/internal/text"
	"bankai/store"
	"bankai/store/signature"
)

// kept tells of a patch of the library, and who of those that are trusted signed it. A
// patch whose signature does not hold is not signed; "bankai patch verify" says why.
func kept(l *store.Library, e store.Entry, trust signature.Trust) keptDoc {
	doc := keptDoc{Entry: e, Ref: e.Ref()}
	if s, err := l.SignerOf(e, trust); err == nil {
		by := signedBy(s)
		doc.By, doc.Signer = by.By, by.Signer
	}
	return doc
}

// signedByText is who signed, in as few words as will do.
func (d keptDoc) signedByText() string {
	switch {
	case d.By == nil:
		return ""
	case d.Signer != "":
		return text.Clip(d.Signer, 30)
	}
	return d.By.String()
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
