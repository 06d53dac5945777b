package signature

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"aead.dev/minisign"
)

// KeyID names a key. It is no secret and no proof: anyone can make a key of any id.
type KeyID uint64

// ParseKeyID reads the 16 hexadecimal digits that [KeyID.String] writes.
func ParseKeyID(s string) (KeyID, error) {
	id, err := strconv.ParseUint(s, 16, 64)
	if err != nil || len(s) != 16 {
		return 0, fmt.Errorf("%.40q is no key id: want 16 hexadecimal digits", s)
	}
	return KeyID(id), nil
}

// String returns 16 upper-case hexadecimal digits, as minisign prints them.
func (id KeyID) String() string { return fmt.Sprintf("%016X", uint64(id)) }

// MarshalText returns what String does.
func (id KeyID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what String returns.
func (id *KeyID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseKeyID(string(text))
	return err
}

// begin is how the line of a public key with this id begins: as much of it as the id
// decides.
func (id KeyID) begin() string {
	whole := binary.LittleEndian.AppendUint64([]byte("Ed"), uint64(id))
	bits := base64.StdEncoding.EncodeToString(append(whole, 0, 0))
	return bits[:len(whole)*8/6]
}

// PublicKey checks signatures.
type PublicKey struct{ key minisign.PublicKey }

// Sizes of what the lines of keys and signatures hold, in bytes.
const (
	publicSize    = 42
	secretSize    = 158
	signatureSize = 74
)

// maxKey bounds the size of the text of a key, in bytes.
const maxKey = 4 << 10

// ParsePublicKey reads a public key: a file of minisign's, or its second line alone,
// 56 characters that begin with RW.
func ParsePublicKey(text []byte) (PublicKey, error) {
	data, err := keyLine(text)
	switch {
	case err != nil:
		return PublicKey{}, fmt.Errorf("not a public key: %w", err)
	case len(data) == secretSize:
		return PublicKey{}, errors.New("a secret key, not a public one: keep it to yourself, and give the .pub file beside it")
	case len(data) == signatureSize:
		return PublicKey{}, errors.New("a signature, not a public key: give the .pub file of whoever signed")
	case len(data) != publicSize || string(data[:2]) != "Ed":
		return PublicKey{}, errors.New("not a public key: want a minisign .pub file, or the line in it that begins with RW")
	}
	var k PublicKey
	err = k.key.UnmarshalText([]byte(base64.StdEncoding.EncodeToString(data)))
	return k, err
}

// keyLine decodes the line of a key that follows its comment, which may be missing.
func keyLine(text []byte) ([]byte, error) {
	if len(text) > maxKey {
		return nil, fmt.Errorf("it has %d bytes, and a key fits into %d", len(text), maxKey)
	}
	line, rest, _ := bytes.Cut(text, []byte("\n"))
	if bytes.HasPrefix(line, []byte(untrusted)) {
		line, _, _ = bytes.Cut(rest, []byte("\n"))
	}
	return decodeLine(string(bytes.TrimSpace(line)))
}

// decodeLine decodes base64 of which there is one spelling only.
func decodeLine(line string) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(line)
	if err != nil || base64.StdEncoding.EncodeToString(data) != line {
		return nil, errors.New("a line of it is no base64: it was cut off or changed")
	}
	return data, nil
}

// ID is the key's id.
func (k PublicKey) ID() KeyID { return KeyID(k.key.ID()) }

// String is the line that others need to check signatures: 56 characters.
func (k PublicKey) String() string { return k.key.String() }

// Equal says whether two keys are the same.
func (k PublicKey) Equal(x PublicKey) bool { return k.key.Equal(x.key) }

// MarshalText returns what String does.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText is [ParsePublicKey].
func (k *PublicKey) UnmarshalText(text []byte) (err error) {
	*k, err = ParsePublicKey(text)
	return err
}

// File is the content of a file with the key, as minisign's end in .pub.
func (k PublicKey) File() []byte {
	return fmt.Appendf(nil, "%sminisign public key %v\n%v\n", untrusted, k.ID(), k)
}

// SecretKey makes signatures.
type SecretKey struct{ key minisign.PrivateKey }

// Generate makes a new key.
func Generate() (SecretKey, error) {
	_, key, err := minisign.GenerateKey(nil)
	return SecretKey{key}, err
}

// Public is the key that checks what k signs.
func (k SecretKey) Public() PublicKey { return PublicKey{k.key.Public().(minisign.PublicKey)} }

// File is the content of a file with the key, for nobody else's eyes: encrypted with
// the password, or, if that is empty, as it is. Encrypting takes a second and a
// gigabyte of memory, as it would whoever tries passwords.
func (k SecretKey) File(password string) ([]byte, error) {
	text, err := k.key.MarshalText()
	if password != "" {
		text, err = minisign.EncryptKey(password, k.key)
	}
	return append(text, '\n'), err
}

// ErrPassword says that the password of a secret key is another one. A key that was
// damaged looks the same.
var ErrPassword = errors.New("the password is wrong, or the file is damaged")

// ParseSecretKey reads what [SecretKey.File] returns, and minisign's own secret keys.
// It asks for the password if there is one.
func ParseSecretKey(text []byte, password func() (string, error)) (SecretKey, error) {
	data, err := keyLine(text)
	switch {
	case err != nil:
		return SecretKey{}, fmt.Errorf("not a secret key: %w", err)
	case len(data) == publicSize:
		return SecretKey{}, errors.New("a public key, not a secret one: only its owner can sign, with the .key file")
	case len(data) != secretSize || string(data[:2]) != "Ed":
		return SecretKey{}, errors.New("not a secret key: want a minisign secret key, as \"bankai keygen\" makes it")
	}
	line := []byte(base64.StdEncoding.EncodeToString(data))
	var k SecretKey
	if !minisign.IsEncrypted(line) {
		if err := k.key.UnmarshalText(line); err != nil {
			return SecretKey{}, fmt.Errorf("not a secret key that this program knows: %s", strings.TrimPrefix(err.Error(), "minisign: "))
		}
		return k, k.check()
	}
	given, err := password()
	if err != nil {
		return SecretKey{}, err
	}
	if k.key, err = minisign.DecryptKey(given, line); err != nil {
		return SecretKey{}, ErrPassword
	}
	return k, k.check()
}

// check refuses a key whose halves do not belong together: nobody could check what it
// signs, and signing with it would give its secret away.
func (k SecretKey) check() error {
	if !minisign.Verify(k.Public().key, nil, minisign.Sign(k.key, nil)) {
		return errors.New("the secret key is damaged: its halves do not belong together")
	}
	return nil
}
