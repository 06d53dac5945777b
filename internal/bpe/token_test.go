package bpe

import (
	"testing"
	"unicode/utf8"
)

// A token that is no text is told by its bytes, so that no two have one text.
func TestText(t *testing.T) {
	tok := newSmall(t)
	seen, parts := map[string]int32{}, 0
	for id := range int32(tok.Vocab()) {
		raw, text := tok.Bytes(id), tok.Text(id)
		if utf8.Valid(raw) && text != string(raw) {
			t.Errorf("%d is %q, its bytes %q", id, text, raw)
		}
		if len(raw) == 1 && raw[0] == 0xe2 && text != `bytes:\xe2` {
			t.Errorf("the byte e2 is %q", text)
		}
		if !utf8.Valid(raw) {
			parts++
		}
		if first, twice := seen[text]; twice && string(tok.Bytes(first)) != string(raw) {
			t.Errorf("%d and %d have one text, %q", first, id, text)
		}
		seen[text] = id
	}
	if parts < 128 {
		t.Errorf("%d tokens are parts of characters", parts)
	}
	if got := tok.Text(-1); got != "" {
		t.Errorf("no token is %q", got)
	}
}
