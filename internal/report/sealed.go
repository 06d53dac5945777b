package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
)

// Sealed is a document whose JSON begins with a checksum of the rest: a result of an
// experiment, or of eval. A figure that is changed later is found when it is read.
type Sealed struct{ Doc any }

// resultFormat begins what the checksum is of. It changes when results do, in a way
// that what is here cannot read: a result of another format has another checksum.
const resultFormat = "bankai result 1\n"

// MarshalJSON implements json.Marshaler. The document must be an object.
func (s Sealed) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s.Doc); err != nil {
		return nil, err
	}
	rest := bytes.TrimSpace(b.Bytes())
	return append([]byte(`{"checksum":"`+checksum(rest)+`",`), rest[1:]...), nil
}

// checksum is the SHA-256 of an object's JSON without white space, in hex.
func checksum(object []byte) string {
	sum := sha256.Sum256(append([]byte(resultFormat), object...))
	return hex.EncodeToString(sum[:])
}

var sealHead = regexp.MustCompile(`^\{"checksum":"([0-9a-f]{64})",`)

// checkSeal refuses a document that is not as it was written. White space may change.
func checkSeal(data []byte) error {
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		return fmt.Errorf("is no whole JSON document (%w)", err)
	}
	head := sealHead.FindSubmatch(b.Bytes())
	if head == nil {
		return errors.New("does not begin with a checksum, so it was written by hand or by an older version")
	}
	if rest := append([]byte{'{'}, b.Bytes()[len(head[0]):]...); checksum(rest) != string(head[1]) {
		return errors.New("does not match its checksum, so it was changed or was written by another version")
	}
	return nil
}

// ReadSealed reads a [Sealed] document that is as it was written into doc.
func ReadSealed(data []byte, doc any) error {
	if err := checkSeal(data); err != nil {
		return err
	}
	if err := json.Unmarshal(data, doc); err != nil {
		return fmt.Errorf("is of another version (%w)", err)
	}
	return nil
}
