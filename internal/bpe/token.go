package bpe

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
