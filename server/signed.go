package server

import (
	"encoding/base64"
	"errors"
	"net/http"
	"reflect"

	"bankai"
	"bankai/store/signature"
)

// signatureHeader is where a request that puts a patch has its signature: the text of a
// minisign file in base64.
const signatureHeader = "Bankai-Signature"

// named is a patch that a request puts under a name, with who signed it, and what is to be
// checked again. The error is that it must be somebody who is trusted with it, or that the
// signature does not hold.
func (x *exchange) named(name string, p *bankai.Patch) (named NamedPatch, err error) {
	named = NamedPatch{Name: name, Patch: p}
	var sigs [][]byte
	for _, value := range x.r.Header.Values(signatureHeader) {
		sig, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			return named, invalid(signatureHeader, "the header %s is not base64 with padding: %v", signatureHeader, err)
		}
		sigs = append(sigs, sig)
	}
	if len(sigs) > 0 || x.s.o.RequireSigned {
		named.Signed = &Signed{p, sigs}
	}
	named.Signer, named.Unsigned = x.s.trust().signer(name, &Signed{p, sigs})
	why := named.Unsigned
	if why != nil && (x.s.o.RequireSigned || errors.Is(why, signature.ErrTampered) || errors.Is(why, signature.ErrMalformed)) {
		return named, unsigned(why)
	}
	return named, nil
}

// trusted is whom the server trusts, and what of it could not be read.
type trusted struct {
	trust  signature.Trust
	unread string // "" for nothing
}

// trust is whom the server trusts now.
func (s *Server) trust() (t trusted) {
	if s.o.Trust == nil {
		return t
	}
	trust, err := s.o.Trust()
	if t.trust = trust; err != nil {
		t.unread = err.Error()
	}
	return t
}

// signer is who signed a patch that is to have a name. The error is one of
// signature.Trust.Check.
func (t trusted) signer(name string, p *Signed) (*signature.Signer, error) {
	by, err := t.trust.Check(name, p.Patch, p.Signatures)
	if err == nil {
		return &by, nil
	}
	if t.unread != "" {
		err = signature.Unread(err, errors.New(t.unread))
	}
	return nil, err
}

// recheck finds out again who signed what was put and given, if trust is another than when
// that was done last. Where a signature is required, a patch that lost its trust is withheld
// until it has it again; requests that run keep it.
func (s *Server) recheck(r *registry) {
	now := s.trust()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.checked != nil && reflect.DeepEqual(now, *r.checked) {
		return
	}
	if now.unread != "" && (r.checked == nil || now.unread != r.checked.unread) {
		s.log.Warn("keys are not trusted that cannot be read", "error", now.unread)
	}
	r.checked = &now
	for name, p := range r.withheld {
		by, err := now.signer(name, p.signed)
		if r.refused[name] = err; err == nil {
			delete(r.withheld, name)
			delete(r.refused, name)
			r.named[name] = p.signedBy(by, nil)
			s.log.Info("a patch is trusted again", "name", name, "digest", p.Digest.String(), "signed_by", signerOf(by))
		}
	}
	for name, p := range r.named {
		if p.signed == nil {
			continue
		}
		by, err := now.signer(name, p.signed)
		if err == nil || !s.o.RequireSigned {
			r.named[name] = p.signedBy(by, err)
			continue
		}
		delete(r.named, name)
		r.withheld[name], r.refused[name] = p, err
		s.log.Warn("a patch is trusted no more", "name", name, "digest", p.Digest.String(), "why", err.Error())
	}
}

// signedBy is the patch with who signed it, nil for nobody who is trusted, and why that is.
func (p *patch) signedBy(by *signature.Signer, why error) *patch {
	same := *p
	same.By, same.unsigned = by, why
	return &same
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
