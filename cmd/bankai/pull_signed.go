package main

import (
	"errors"
	"fmt"
	"strings"

	"bankai"
	"bankai/internal/text"
	"bankai/store"
	"bankai/store/oci"
	"bankai/store/signature"
)

// worthKeeping are the signatures of a patch that was pulled which do not take the place
// of better ones: the library has one for each key, and anybody can send one that names
// somebody else's.
func (a *app) worthKeeping(l *store.Library, n arrival, p *bankai.Patch, sigs [][]byte) (keep []store.Signature, err error) {
	there, err := l.Signatures(n.patch)
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
		_, err = trust.Check(n.name, p, [][]byte{text})
		switch id := s.KeyID(); {
		case errors.Is(err, signature.ErrTampered):
			a.Warn("%s: %v; that signature was left out", n.ref, err)
		case err == nil, !have[id]:
			have[id] = true
			keep = append(keep, store.Signature{Key: id.String(), Text: text})
		}
	}
	return keep, nil
}

// checkSent refuses signatures that are not of the patch which they are sent with: by keys
// that the user has or trusts, and by others if they say themselves that they are of
// another one. Those that nobody here can check are named.
func (a *app) checkSent(sent oci.Artifact, p *bankai.Patch, from string) error {
	keys := a.knownKeys()
	var unchecked []string
	for _, sig := range sent.Signatures {
		s, err := signature.Parse(sig)
		if err != nil {
			return fmt.Errorf("%s: %w", from, err)
		}
		unknown := new(signature.UnknownKeyError)
		if _, err = signature.Check(sig, p, keys); errors.As(err, &unknown) {
			unchecked = append(unchecked, s.KeyID().String())
			err = s.Agrees(p)
		}
		if err != nil {
			return fmt.Errorf("%s, signed with %v: %w; nothing was sent: sign it again with bankai patch sign, or take the signature away", from, s.KeyID(), err)
		}
	}
	if len(unchecked) > 0 {
		a.Note("%s: signed with %s, which is not trusted here: not checked", from, text.Listed(unchecked))
	}
	return nil
}

// knownKeys are those that the user trusts, and the user's own.
func (a *app) knownKeys() []signature.PublicKey {
	l, err := library()
	if err != nil {
		return nil // without a library nobody is trusted
	}
	keys := a.trust(l).Keys()
	if own, err := publicKey(strings.TrimSuffix(l.OwnKey(), secretEnding) + publicEnding); err == nil {
		keys = append(keys, own)
	}
	return keys
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
