package bpe

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// smallMerges are the merges of the tests' vocabulary. Some are out of order on
// purpose: "ab c" outranks "a b", without which it never applies.
const smallMerges = `h e|Ġ t|Ġt he|l l|he ll|hell o|Ġ Ġ|ĠĠ ĠĠ|Ċ Ċ|č Ċ|a a|aa aa|ab c|a b|b c|' s|Ã ©|ä ½|ä½ ł|å ¥|å¥ ½|ä½ł å¥½|ï ¿|ï¿ ½|ï¿½ ï¿½|Ġ a|= =`

// Ids in the tests' vocabulary: the 256 bytes, the products of the merges, and then
// these.
const (
	mergedIDs   = 256
	endOfText   = mergedIDs + 27 // <|endoftext|>
	imEnd       = endOfText + 1  // <|im_end|>
	think       = endOfText + 2  // <think>, user-defined
	thinkMore   = endOfText + 3  // <think>more, user-defined
	padding     = endOfText + 4  // [PAD], unused
	smallTokens = endOfText + 5
)

// smallConfig is a vocabulary with all that Qwen3's has, but little of it.
func smallConfig() Config {
	c := Config{EOS: imEnd, BOS: -1, Pad: endOfText, Pre: "qwen2"}
	add := func(text string, kind int32) {
		c.Tokens = append(c.Tokens, text)
		c.Types = append(c.Types, kind)
	}
	for _, r := range alphabet.runes {
		add(string(r), typeNormal)
	}
	for _, merge := range strings.Split(smallMerges, "|") {
		add(strings.Replace(merge, " ", "", 1), typeNormal)
		c.Merges = append(c.Merges, merge)
	}
	add("<|endoftext|>", typeControl)
	add("<|im_end|>", typeControl)
	add("<think>", typeUserDefined)
	add("<think>more", typeUserDefined)
	add("[PAD]", typeUnused)
	return c
}

func newSmall(t interface{ Fatal(...any) }) *Tokenizer {
	tok, err := New(smallConfig())
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// small is a tokenizer of the tests' vocabulary with what it was made of.
type small struct {
	*Tokenizer
	config Config
}

// newSmalls are the tests' tokenizer with each of the rules of splitting.
func newSmalls(t interface{ Fatal(...any) }) (list []small) {
	for name := range splitters {
		c := smallConfig()
		c.Pre = name
		tok, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, small{tok, c})
	}
	return list
}

// id returns the id of a token by its text in the vocabulary.
func id(t testing.TB, tok *Tokenizer, text string) int32 {
	t.Helper()
	for i, token := range tok.tokens {
		if token == text {
			return int32(i)
		}
	}
	t.Fatalf("the small vocabulary has no token %q", text)
	return 0
}

// anyText draws text with much of what the rules tell apart.
func anyText() *rapid.Generator[string] {
	fragment := rapid.OneOf(
		rapid.SampledFrom([]string{
			"hello", " the", "aaaa", "abc", "你好", "é", "e\u0301", "it's", "'LL", "'ſ", "'", "==", "12", "½", "٣",
			" ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u0085", "\u3000", "!", "?!", "👩\u200d🚀", "\u0301", "가", "\u11a8",
		}),
		rapid.SampledFrom([]string{"<|im_end|>", "<|im_end|", "<think>", "<think>mor", "<think>more", "[PAD]"}),
		rapid.Map(rapid.Rune(), func(r rune) string { return string(r) }),
		rapid.StringMatching(`[ab ]{1,20}`),
	)
	return rapid.Map(rapid.SliceOfN(fragment, 0, 12), func(parts []string) string { return strings.Join(parts, "") })
}
