package cluster

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"slices"
	"strings"
	"sync/atomic"
)

// identity is a worker: a key that it makes when it begins, with which it signs all that it
// says. Its id is made of the key's public half, so whoever has the token and overhears all
// of it still cannot speak in another worker's name.
type identity struct {
	id   string
	key  ed25519.PrivateKey
	said atomic.Uint64
}

func newIdentity() (*identity, error) {
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return &identity{id: idOf(public), key: key}, nil
}

// idLength is that of a NUID, as which the ids of sessions are made: no other word of a
// subject is so long. Of letters and digits these are 131 bits.
const idLength = 22

// idOf is the id of who has a public key.
func idOf(public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	digits := new(big.Int).SetBytes(sum[:]).Text(62)
	digits = strings.Repeat("0", max(0, idLength-len(digits))) + digits
	return digits[len(digits)-idLength:]
}

// saying is what a worker said.
type saying struct {
	id     string // of the worker
	number uint64 // above those of all that it said before
	data   []byte
}

// sealed is the head of a sealed message: the public key, the number, and the signature.
const sealed = ed25519.PublicKeySize + 8 + ed25519.SignatureSize

// seal signs what is said under a subject, or a key of the server's: it counts nowhere
// else.
func (w *identity) seal(subject string, data []byte) []byte {
	number := binary.LittleEndian.AppendUint64(nil, w.said.Add(1))
	signature := ed25519.Sign(w.key, signedText(subject, number, data))
	return slices.Concat(w.key.Public().(ed25519.PublicKey), number, signature, data)
}

// unseal checks what seal wrote; ok is false if nobody did under this subject.
func unseal(subject string, message []byte) (s saying, ok bool) {
	if len(message) < sealed {
		return s, false
	}
	public, number := message[:ed25519.PublicKeySize], message[ed25519.PublicKeySize:][:8]
	signature, data := message[sealed-ed25519.SignatureSize:sealed], message[sealed:]
	if !ed25519.Verify(public, signedText(subject, number, data), signature) {
		return s, false
	}
	return saying{idOf(public), binary.LittleEndian.Uint64(number), data}, true
}

// signedText is what a signature is of. The data are short, or hashed fast, by their digest.
func signedText(subject string, number, data []byte) []byte {
	sum := sha256.Sum256(data)
	return slices.Concat([]byte("bankai worker\x00"), number, sum[:], []byte(subject))
}
