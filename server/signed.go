package server

import (
	"encoding/base64"
	"errors"
	"net/http"

	"bankai"
	"bankai/store/signature"
)

// signatureHeader is where a request that puts a patch has its signature: the text of a
// minisign file in base64.
const signatureHeader = "Bankai-Signature"

// signer is who signed a patch that a request puts under a name, and is trusted with it;
// nil for nobody. The error is that it must be somebody, or that the signature does not
// hold.
func (x *exchange) signer(name string, p *bankai.Patch) (*signature.Signer, error) {
	var sigs [][]byte
	for _, value := range x.r.Header.Values(signatureHeader) {
		sig, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return nil, invalid(signatureHeader, "the header %s is not base64 with padding: %v", signatureHeader, err)
		}
		sigs = append(sigs, sig)
	}
	by, err := x.s.trust().Check(name, p, sigs)
	switch {
	case err == nil:
		return &by, nil
	case x.s.o.RequireSigned, errors.Is(err, signature.ErrTampered), errors.Is(err, signature.ErrMalformed):
		return nil, unsigned(err)
	}
	return nil, nil
}

// trust is whom the server trusts now.
func (s *Server) trust() signature.Trust {
	if s.o.Trust == nil {
		return nil
	}
	trust, err := s.o.Trust()
	if err != nil {
		s.log.Warn("keys are not trusted that cannot be read", "error", err)
	}
	return trust
}

// notSigned refuses a patch that was not signed as it has to be.
func notSigned(param, message string) *failure {
	return &failure{status: http.StatusForbidden, kind: kindPermission, param: param, code: "patch_not_signed", message: message, never: true}
}

// refused is why a patch is none that requests can name.
func (s *Server) refused(p NamedPatch) error {
	if s.o.RequireSigned && p.Signer == nil && p.Refused == nil {
		return signature.ErrUnsigned
	}
	return p.Refused
}

// unsigned is notSigned of a patch that was put, and of its signature.
func unsigned(why error) *failure {
	message := why.Error()
	if errors.Is(why, signature.ErrUnsigned) {
		message += ", and this server takes only patches that are: send the signature in the header " + signatureHeader + ", in base64"
	}
	return notSigned(signatureHeader, message)
}

// signedPart is what answers say of who signed a patch.
type signedPart struct {
	By     *signature.KeyID `json:"signed_by"`        // of those that are trusted; null for none
	Signer string           `json:"signer,omitempty"` // whose key it is, as the server's owner says
}

// signed is the part for patches together: all of them have to be signed by one key.
func signed(patches ...*patch) (part signedPart) {
	for i, p := range patches {
		if p.By == nil || i > 0 && !p.By.Key.Equal(patches[0].By.Key) {
			return signedPart{}
		}
		id := p.By.Key.ID()
		part = signedPart{&id, p.By.Name}
	}
	return part
}

// signerOf is a signer for the log.
func signerOf(by *signature.Signer) string {
	if by == nil {
		return ""
	}
	return by.Key.ID().String()
}
