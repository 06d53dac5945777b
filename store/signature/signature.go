package signature

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"aead.dev/minisign"

	"bankai"
	"bankai/internal/text"
)

// Extension follows the name of a patch file in that of its signature, as minisign has
// it: fix.bankai.minisig.
const Extension = ".minisig"

// MaxSize bounds the text of a signature, in bytes.
const MaxSize = 16 << 10

// How the lines of minisign's files begin that are for people.
const (
	untrusted = "untrusted comment: "
	trusted   = "trusted comment: "
)

var (
	// ErrUnsigned says that a patch has no signature.
	ErrUnsigned = errors.New("the patch is not signed")
	// ErrMalformed says that a text is no whole signature.
	ErrMalformed = errors.New("not a minisign signature")
	// ErrTampered says that a patch, or what is said of it, is not what was signed.
	ErrTampered = errors.New("the signature is not of this patch")
)

// UnknownKeyError says that none of the keys that were asked for made a signature.
type UnknownKeyError struct{ ID KeyID }

// Error names the key that it was, and how its public part begins.
func (e *UnknownKeyError) Error() string {
	return fmt.Sprintf("signed by another key, %v (%s…)", e.ID, e.ID.begin())
}

// Sign signs a patch: its compact form, and a comment, whose Base and Content become those
// of the patch. Equal arguments give equal bytes. The error is that the note is none, see
// [CheckNote], or that the patch cannot be encoded.
func Sign(k SecretKey, p *bankai.Patch, c Comment) ([]byte, error) {
	if err := CheckNote(c.Note); err != nil {
		return nil, err
	}
	data, err := p.Encode()
	if err != nil {
		return nil, err
	}
	c.Base, c.Content, c.Name = p.Base(), p.ContentDigest(), text.Clip(c.Name, maxName)
	r := minisign.NewReader(bytes.NewReader(data))
	if _, err := new(bytes.Buffer).ReadFrom(r); err != nil {
		return nil, err
	}
	return r.SignWithComments(k.key, c.String(), fmt.Sprintf("signature of a bankai patch by the key %v", k.Public().ID())), nil
}

// Signature is one as it was read: nobody has checked it yet.
type Signature struct{ sig minisign.Signature }

// Parse reads a signature. It reads what minisign reads: lines may end in CR LF, and
// what follows the fourth is ignored. The bits that base64 leaves over must be zero,
// so that a signature has one spelling. Errors are ErrMalformed.
func Parse(sig []byte) (Signature, error) {
	refuse := func(format string, args ...any) (Signature, error) {
		return Signature{}, fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
	}
	if len(sig) > MaxSize {
		return refuse("it has %d bytes, and one fits into %d", len(sig), MaxSize)
	}
	lines := strings.SplitN(string(sig), "\n", 5)
	if len(lines) < 4 {
		return refuse("it has %s, and one has 4: it was cut off, or is another file", text.Count(len(lines)-1, "whole line"))
	}
	for i := range lines[:4] {
		lines[i] = strings.TrimRight(lines[i], "\r")
	}
	switch {
	case !strings.HasPrefix(lines[0], untrusted):
		return refuse("its first line does not begin with %q", untrusted)
	case !strings.HasPrefix(lines[2], trusted):
		return refuse("its third line does not begin with %q", trusted)
	case strings.ContainsRune(lines[0]+lines[2], 0):
		return refuse("a comment of it has a zero byte")
	}
	for i, size := range [4]int{1: signatureSize, 3: ed25519.SignatureSize} {
		if data, err := decodeLine(lines[i]); size > 0 && (err != nil || len(data) != size) {
			return refuse("its line %d is not base64 of %d bytes: it was cut off or changed", i+1, size)
		}
	}
	var s Signature
	if err := s.sig.UnmarshalText([]byte(strings.Join(lines[:4], "\n"))); err != nil {
		return refuse("%s", strings.TrimPrefix(err.Error(), "minisign: invalid signature: "))
	}
	return s, nil
}

// ReadFile reads a file that should be a signature, whatever it is: at most as much of it
// as Parse needs to refuse it.
func ReadFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxSize+1))
}

// KeyID is the id of the key that is said to have signed.
func (s Signature) KeyID() KeyID { return KeyID(s.sig.KeyID) }

// Comment is the trusted comment, which is to be trusted once the signature is checked.
func (s Signature) Comment() string { return s.sig.TrustedComment }

// Agrees refuses a patch that the comment says it is not about, as ErrTampered: whoever
// made the signature. That it agrees proves nothing, and a comment that is another
// program's agrees with all.
func (s Signature) Agrees(p *bankai.Patch) error {
	c, ours, err := parseComment(s.Comment())
	if err == nil && ours {
		err = c.agree(p)
	}
	return err
}

// Text is the signature as a file holds it, without what Parse ignored.
func (s Signature) Text() []byte { return []byte(s.sig.String()) }

// Signed is a signature that was found to be good.
type Signed struct {
	Key     PublicKey // that made it
	Line    string    // the trusted comment
	Comment *Comment  // what it says; nil if it is of another program, which then says nothing of the patch
}

// Check finds out which of the keys signed a patch. What the signature says of the patch
// must be so. Errors are ErrMalformed, *UnknownKeyError and ErrTampered. Signatures of
// minisign's are good, too, of the hash of a patch as of the patch itself.
func Check(sig []byte, p *bankai.Patch, keys []PublicKey) (Signed, error) {
	s, err := Parse(sig)
	if err != nil {
		return Signed{}, err
	}
	data, err := p.Encode()
	if err != nil {
		return Signed{}, err
	}
	k, err := s.by(data, keys)
	if err != nil {
		return Signed{}, err
	}
	c, ours, err := parseComment(s.Comment())
	if err != nil {
		return Signed{}, fmt.Errorf("signed by the key %v: %w", k.ID(), err)
	}
	signed := Signed{Key: k, Line: s.Comment()}
	if ours {
		signed.Comment, err = &c, c.agree(p)
	}
	return signed, err
}

// by is the key that signed data.
func (s Signature) by(data []byte, keys []PublicKey) (PublicKey, error) {
	var err error = &UnknownKeyError{s.KeyID()}
	for _, k := range keys {
		if k.ID() != s.KeyID() {
			continue
		}
		if minisign.Verify(k.key, data, s.Text()) {
			return k, nil
		}
		err = s.broken(k)
	}
	return PublicKey{}, err
}

// broken says what is wrong with a signature that claims to be of a key, and is not
// good: the key also signed the signature together with its comment.
func (s Signature) broken(k PublicKey) error {
	raw, err := base64.StdEncoding.DecodeString(k.String())
	if err != nil {
		return err
	}
	public := ed25519.PublicKey(raw[publicSize-ed25519.PublicKeySize:])
	if ed25519.Verify(public, append(s.sig.Signature[:], s.Comment()...), s.sig.CommentSignature[:]) {
		return fmt.Errorf("%w: the patch was changed after the key %v signed it, or the signature is of another: get both again from whoever signed", ErrTampered, k.ID())
	}
	return fmt.Errorf("%w: the signature or its comment was changed after the key %v made it, or another key of this id did, or this key's line was mistyped: get all of it again from whoever signed", ErrTampered, k.ID())
}
