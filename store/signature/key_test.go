package signature

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// A key is written as minisign writes it, and read again: as it is, or encrypted.
func TestKeyFiles(t *testing.T) {
	k := generate(t)
	plain, err := k.File("")
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseSecretKey(plain, noPassword)
	if err != nil || !again.key.Equal(k.key) {
		t.Errorf("the key changed: %v", err)
	}
	for _, text := range []string{string(k.Public().File()), k.Public().String(), " " + k.Public().String() + "\r\n", strings.ReplaceAll(string(k.Public().File()), "\n", "\r\n")} {
		if public, err := ParsePublicKey([]byte(text)); err != nil || !public.Equal(k.Public()) {
			t.Errorf("%q: %v, %v", text, public, err)
		}
	}
	if !strings.HasPrefix(k.Public().String(), k.Public().ID().begin()) || len(k.Public().ID().begin()) != 13 {
		t.Errorf("the key %v begins with %s", k.Public(), k.Public().ID().begin())
	}
}

// minisign's own keys are the ones that it prints, and are written as it wrote them.
func TestKeysOfMinisign(t *testing.T) {
	k := secretKey(t)
	if got := k.Public().ID().String(); got != "9F1202721D5F7532" {
		t.Errorf("the id is %s", got)
	}
	if got, want := k.Public().File(), golden(t, "plain.pub"); !bytes.Equal(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, err := k.File(""); err != nil || !bytes.Equal(got, golden(t, "plain.key")) {
		t.Errorf("got %s, %v", got, err)
	}
}

// An encrypted key needs its password. Each try takes a second and a gigabyte.
func TestEncryptedKey(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds and a gigabyte")
	}
	sealed := golden(t, "sealed.key")
	password := func(s string) func() (string, error) { return func() (string, error) { return s, nil } }
	k, err := ParseSecretKey(sealed, password("secret pw"))
	if err != nil || k.Public().ID().String() != "DF602EF63F9517EA" {
		t.Errorf("minisign's key: %v, %v", k.Public(), err)
	}
	if _, err := ParseSecretKey(sealed, password("secret")); !errors.Is(err, ErrPassword) {
		t.Errorf("with another password: %v", err)
	}
	if _, err := ParseSecretKey(sealed, noPassword); err == nil || err.Error() != "asked for a password" {
		t.Errorf("without a password: %v", err)
	}
}

func TestParseKeyRefuses(t *testing.T) {
	k := secretKey(t)
	secret, public := string(golden(t, "plain.key")), string(k.Public().File())
	sig := string(sign(t, k, patch(gate), ""))
	for _, c := range []struct{ text, asPublic, asSecret string }{
		{"", "want a minisign .pub file", "want a minisign secret key"},
		{"hello", "is no base64", "is no base64"},
		{secret, "a secret key, not a public one: keep it to yourself", ""},
		{public, "", "a public key, not a secret one"},
		{sig, "a signature, not a public key", "want a minisign secret key"},
		{public[:len(public)-5], "want a minisign .pub file", "want a minisign secret key"},
		{"RX" + k.Public().String()[2:], "want a minisign .pub file", "a public key"},
		{strings.Repeat("x", 5000), "it has 5000 bytes", "it has 5000 bytes"},
		{strings.Replace(secret, "RWQAAEIy", "RWQAAEJy", 1), "a secret key", "invalid hash type"},
		{strings.Replace(secret, "RWQAAEIy", "RWRTQEIy", 1), "a secret key", "invalid KDF"},
	} {
		_, err := ParsePublicKey([]byte(c.text))
		if got := said(err); !strings.Contains(got, c.asPublic) || (c.asPublic == "") != (err == nil) {
			t.Errorf("%.60q as a public key: %v", c.text, err)
		}
		_, err = ParseSecretKey([]byte(c.text), noPassword)
		if got := said(err); !strings.Contains(got, c.asSecret) || (c.asSecret == "") != (err == nil) {
			t.Errorf("%.60q as a secret key: %v", c.text, err)
		}
	}
}

func said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A secret key whose halves were changed is refused before anything is signed with it.
// A plain key has no checksum: another id makes another key of it.
func TestDamagedSecretKey(t *testing.T) {
	k := secretKey(t)
	text, err := k.File("")
	if err != nil {
		t.Fatal(err)
	}
	start := bytes.IndexByte(text, '\n') + 1
	data, err := decodeLine(string(bytes.TrimSpace(text[start:])))
	if err != nil {
		t.Fatal(err)
	}
	const id, halves, rest = 54, 62, 126
	for i := halves; i < rest; i++ {
		changed := slices.Clone(data)
		changed[i] ^= 1
		if _, err := ParseSecretKey(encodeLine(changed), noPassword); err == nil {
			t.Errorf("byte %d was changed, and the key taken", i)
		}
	}
	data[id] ^= 1
	if other, err := ParseSecretKey(encodeLine(data), noPassword); err != nil || other.Public().Equal(k.Public()) {
		t.Errorf("another id: %v, %v", other.Public(), err)
	}
}

func TestParseKeyID(t *testing.T) {
	for _, s := range []string{"0000000000000001", "FFFFFFFFFFFFFFFF", "9F1202721D5F7532"} {
		if id, err := ParseKeyID(s); err != nil || id.String() != s {
			t.Errorf("%s: %v, %v", s, id, err)
		}
	}
	for _, s := range []string{"", "1", "9F1202721D5F753", "9F1202721D5F75321", "0x1202721D5F7532", "+F1202721D5F7532", "zF1202721D5F7532"} {
		if id, err := ParseKeyID(s); err == nil {
			t.Errorf("%q became %v", s, id)
		}
	}
}
