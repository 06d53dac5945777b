package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"

	"bankai"
	"bankai/store"
	"bankai/store/signature"
)

// worthKeeping are the signatures of a patch that was pulled which do not take the place
// of better ones: the library has one for each key, and anybody can send one that names
// somebody else's.
func (a *app) worthKeeping(l *store.Library, ref, name string, p *bankai.Patch, sigs [][]byte) (keep []store.Signature, err error) {
	var encoded bytes.Buffer
	if _, err := p.WriteTo(&encoded); err != nil {
		return nil, err
	}
	there, err := l.Signatures(sha256.Sum256(encoded.Bytes()))
	if err != nil {
		return nil, err
	}
	have := map[signature.KeyID]bool{}
	for _, text := range there {
		if s, err := signature.Parse(text); err == nil {
			have[s.KeyID()] = true
		}
	}
	trust := a.trust(l)
	for _, text := range sigs {
		s, err := signature.Parse(text)
		if err != nil {
			return nil, err
		}
		_, err = trust.Check(name, p, [][]byte{text})
		switch id := s.KeyID(); {
		case errors.Is(err, signature.ErrTampered):
			a.Warn("%s: %v; that signature was left out", ref, err)
		case err == nil, !have[id]:
			have[id] = true
			keep = append(keep, store.Signature{Key: id.String(), Text: text})
		}
	}
	return keep, nil
}

// signedText says who signed a patch, or why nobody did who is trusted.
func signedText(by signature.Signer, unsigned error) string {
	switch unknown := new(signature.UntrustedError); {
	case unsigned == nil:
		return by.String()
	case errors.Is(unsigned, signature.ErrUnsigned):
		return "nobody"
	case errors.As(unsigned, &unknown):
		return strings.TrimPrefix(unknown.Error(), "signed by ")
	}
	return "nobody who is trusted: " + unsigned.Error()
}
