package bpe

import "slices"

// Config is what a GGUF file says about its tokenizer, under the keys
// tokenizer.ggml.*.
type Config struct {
	Tokens []string // text of each token by id, bytes spelt in GPT-2's alphabet
	Types  []int32  // GGUF's type of each token: 1 normal, 3 control, 4 user-defined, …
	Merges []string // "left right", in order of rank

	EOS, BOS, Pad int32 // ids of these tokens, -1 for none
	AddBOS        bool  // whether a text begins with BOS

	Pre string // name of the rules of splitting: "qwen2" or "qwen35"
}

// Tokenizer turns text into token ids and back. It does not change once made and is
// safe for concurrent use.
type Tokenizer struct {
	tokens   []string
	types    []int32
	merges   merges
	ordinary merges // those that make no special token
	specials specials
	eos, pad int32
	bos      int32 // -1 unless every text begins with it
	ends     []int32
}

// New makes a tokenizer. It refuses a vocabulary that is incomplete, contradicts
// itself, or asks for other rules of splitting than Qwen2's and Qwen3.5's.
func New(c Config) (*Tokenizer, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	ids, err := c.index()
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{tokens: c.Tokens, types: c.Types, eos: c.EOS, pad: c.Pad, bos: -1}
	if c.AddBOS {
		t.bos = c.BOS
	}
	t.merges.split = splitters[c.Pre]
	if t.merges.bytes, err = c.byteTokens(ids); err != nil {
		return nil, err
	}
	if t.merges.rank, t.merges.whole, err = c.ranks(ids); err != nil {
		return nil, err
	}
	t.specials = newSpecials(c.specials())
	t.ordinary = t.merges.without(t.specials.sorted)
	t.ends = c.ends(ids)
	return t, nil
}

// Encode returns the ids of a text. Tokens of type control and user-defined are
// recognised by their text wherever they occur in it; of several that begin at one
// place the longest. Malformed UTF-8 counts as U+FFFD. No ids are added, but for the
// BOS token where the vocabulary asks for it. A text of n bytes takes O(n log n)
// steps; one word or run of symbols may have up to 2 GiB.
func (t *Tokenizer) Encode(text string) []int32 {
	ids := make([]int32, 0, len(text)/3+4)
	if t.bos >= 0 {
		ids = append(ids, t.bos)
	}
	m := merger{merges: &t.merges}
	for text = replaceMalformed(text); text != ""; {
		at, found := t.specials.next(text)
		ids = m.appendText(ids, text[:at])
		if found.text != "" {
			ids = append(ids, found.id)
		}
		text = text[at+len(found.text):]
	}
	return ids
}

// EncodeOrdinary returns the ids of a text that somebody else wrote, the content of a
// message say, in which <|im_end|> is no end but ten characters: special tokens are
// spelt out like any other text, and their ids never come out, unless the vocabulary has
// no other token for a single byte. In all else it is Encode, but no BOS is added: what
// it returns goes between the ids of a template.
func (t *Tokenizer) EncodeOrdinary(text string) []int32 {
	m := merger{merges: &t.ordinary}
	return m.appendText(make([]int32, 0, len(text)/3+4), replaceMalformed(text))
}

// Vocab returns the number of tokens.
func (t *Tokenizer) Vocab() int { return len(t.tokens) }

// Token returns a token's text as the vocabulary spells it, and "" for an id that
// there is not.
func (t *Tokenizer) Token(id int32) string {
	if id < 0 || int(id) >= len(t.tokens) {
		return ""
	}
	return t.tokens[id]
}

// EOS returns the id of the token that ends a text, or -1.
func (t *Tokenizer) EOS() int32 { return t.eos }

// Pad returns the id of the token that fills up a batch, or -1.
func (t *Tokenizer) Pad() int32 { return t.pad }

// IsEnd tells whether a generated token ends the generation: the EOS token, and the
// ends of a turn and of a document by Qwen's names, <|im_end|> and <|endoftext|>,
// of which only one can be the EOS token.
func (t *Tokenizer) IsEnd(id int32) bool { return slices.Contains(t.ends, id) }
