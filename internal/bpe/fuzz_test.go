package bpe

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func FuzzEncode(f *testing.F) {
	for _, text := range []string{
		"", "hello the", "it's 'ſ", "a  \r\n b \t", "e\u0301\u0316", "가\u11a8", "<think>mor<|im_end|>", "\xff\xe4\xb8a\xf0\x9f",
		"你好 123 ½٣", "नमस्ते का", "1️⃣ !\u0301", "\u0301\u0903x", strings.Repeat("a", 100), "👩\u200d🚀", "\u00a0\u0085\u3000",
	} {
		f.Add(text)
	}
	tokenizers := newSmalls(f)
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 300 {
			t.Skip("the oracle is cubic")
		}
		for _, tok := range tokenizers {
			checkEncode(t, tok.Tokenizer, tok.config, text)
			checkOrdinary(t, tok.Tokenizer, tok.config, text)
		}
	})
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte("hello"))
	f.Add([]byte{0xE4, 0xBD, 0xA0, 0xF0, 0x9F, 0xFF})
	tok := newSmall(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		ids := make([]int32, len(text))
		for i, b := range text {
			// Beyond the bytes: specials, unused, and ids that there are not.
			ids[i] = int32(b)
			if b%16 == 15 {
				ids[i] = endOfText + int32(b/16) - 1
			}
		}
		checkStream(t, tok, ids)
	})
}

// FuzzNew takes apart its input at zero bytes: merges, then further tokens.
func FuzzNew(f *testing.F) {
	f.Add([]byte("h e\x00l l"), []byte("he\x00ll"), byte(1), int32(-1))
	f.Add([]byte("h e\x00he l"), []byte("he\x00hel"), byte(3), int32(-1)) // merges make control tokens
	f.Add([]byte("a"), []byte("\xff"), byte(3), int32(7))
	f.Add([]byte(" \x00  "), []byte("\x00 \x00<|im_end|>"), byte(4), int32(256))
	f.Fuzz(func(t *testing.T, merges, tokens []byte, kind byte, eos int32) {
		c := Config{EOS: eos, BOS: eos, Pad: -1, AddBOS: kind&1 == 1, Pre: "qwen2"}
		for _, r := range alphabet.runes {
			c.Tokens = append(c.Tokens, string(r))
			c.Types = append(c.Types, typeNormal)
		}
		for _, token := range bytes.Split(tokens, []byte{0}) {
			c.Tokens = append(c.Tokens, string(token))
			c.Types = append(c.Types, int32(kind))
		}
		for _, merge := range bytes.Split(merges, []byte{0}) {
			c.Merges = append(c.Merges, string(merge))
		}
		tok, err := New(c)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		text := string(merges) + string(tokens)
		tok.Decode(tok.Encode(text))
		for _, id := range tok.EncodeOrdinary(text) {
			if tok.isSpecial(id) && !slices.Contains(tok.merges.bytes[:], id) {
				t.Errorf("the special token %q comes out of %q", tok.Token(id), text)
			}
		}
	})
}
