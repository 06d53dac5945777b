package bpe

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Bytes returns what a token contributes to a text, which may be a part of a character.
// Of a control or unused token it is the name, which is no part of a text; of an id that
// there is not it is nil.
func (t *Tokenizer) Bytes(id int32) []byte {
	if id < 0 || int(id) >= len(t.tokens) {
		return nil
	}
	switch t.types[id] {
	case typeNormal, typeByte:
		return alphabet.appendBytes(nil, t.tokens[id])
	}
	return []byte(t.tokens[id])
}

// Text is what a token contributes to a text, or its bytes as OpenAI writes them,
// "bytes:\xe2\x82", if they are no text: so no two tokens of different bytes have one text.
func (t *Tokenizer) Text(id int32) string {
	raw := t.Bytes(id)
	if utf8.Valid(raw) {
		return string(raw)
	}
	var b strings.Builder
	b.WriteString("bytes:")
	for _, c := range raw {
		fmt.Fprintf(&b, `\x%02x`, c)
	}
	return b.String()
}
