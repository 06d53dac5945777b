package signature

import (
	"encoding/base64"
	"encoding/binary"
	"testing"

	"aead.dev/minisign"
)

// encodeLine is the line of a key.
func encodeLine(data []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(data)) }

// signLine signs data as another program would, with any comment.
func signLine(k SecretKey, data []byte, comment string) []byte {
	return minisign.SignWithComments(k.key, data, comment, "by another program")
}

// withID is a key with another id.
func withID(t testing.TB, k SecretKey, id KeyID) SecretKey {
	t.Helper()
	text, err := k.File("")
	if err != nil {
		t.Fatal(err)
	}
	data, err := keyLine(text)
	if err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint64(data[54:], uint64(id))
	other, err := ParseSecretKey(encodeLine(data), noPassword)
	if err != nil {
		t.Fatal(err)
	}
	return other
}
