package bpe

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Types of tokens as GGUF numbers them.
const (
	typeNormal      = 1 // bytes in the alphabet
	typeUnknown     = 2
	typeControl     = 3 // special, not part of any text
	typeUserDefined = 4 // special, part of the text
	typeUnused      = 5 // fills up the vocabulary
	typeByte        = 6
)

// maxTokens bounds a vocabulary. The largest in use have about 2^18 tokens.
const maxTokens = 1 << 24

// damaged is what to do about a vocabulary that cannot be right.
const damaged = "the file is damaged or made by a broken converter: get it again"

// check refuses what can be seen without looking anything up.
func (c *Config) check() error {
	if _, known := splitters[c.Pre]; !known {
		return fmt.Errorf("tokenizer: rules of splitting (tokenizer.ggml.pre) are %s, but only \"qwen2\" and \"qwen35\" are supported: use a Qwen3 or Qwen3.5 model", quote(c.Pre))
	}
	n := len(c.Tokens)
	if n == 0 || n > maxTokens {
		return fmt.Errorf("tokenizer: %d tokens, want 1 to %d; %s", n, maxTokens, damaged)
	}
	if len(c.Types) != n {
		return fmt.Errorf("tokenizer: %d token types for %d tokens; %s", len(c.Types), n, damaged)
	}
	if len(c.Merges) > maxTokens {
		return fmt.Errorf("tokenizer: %d merges, want at most %d; %s", len(c.Merges), maxTokens, damaged)
	}
	for id, kind := range c.Types {
		if kind < typeNormal || kind > typeByte {
			return fmt.Errorf("tokenizer: token %d is of unknown type %d; %s", id, kind, damaged)
		}
	}
	return c.checkNamed()
}

// checkNamed refuses ids outside the vocabulary.
func (c *Config) checkNamed() error {
	for _, named := range []struct {
		name string
		id   int32
	}{{"EOS", c.EOS}, {"BOS", c.BOS}, {"padding", c.Pad}} {
		if named.id < -1 || int(named.id) >= len(c.Tokens) {
			return fmt.Errorf("tokenizer: the %s token is %d, but there are %d tokens; %s", named.name, named.id, len(c.Tokens), damaged)
		}
	}
	if c.AddBOS && c.BOS < 0 {
		return fmt.Errorf("tokenizer: every text is to begin with the BOS token, but there is none; %s", damaged)
	}
	return nil
}

// index maps each token's text to its id.
func (c *Config) index() (map[string]int32, error) {
	ids := make(map[string]int32, len(c.Tokens))
	for id, text := range c.Tokens {
		if !utf8.ValidString(text) {
			return nil, fmt.Errorf("tokenizer: token %d is not UTF-8; %s", id, damaged)
		}
		ids[text] = int32(id)
		if len(ids) != id+1 {
			return nil, fmt.Errorf("tokenizer: token %d repeats the text %s of another; %s", id, quote(text), damaged)
		}
	}
	return ids, nil
}

// byteTokens finds the token of each single byte. All are needed: without one, some
// text could not be encoded.
func (c *Config) byteTokens(ids map[string]int32) (tokens [256]int32, err error) {
	for b := range tokens {
		id, ok := ids[string(alphabet.runes[b])]
		if !ok {
			return tokens, fmt.Errorf("tokenizer: no token for byte 0x%02X (%q); is this a byte-level vocabulary (tokenizer.ggml.model gpt2)?",
				b, alphabet.runes[b])
		}
		tokens[b] = id
	}
	return tokens, nil
}

// ranks looks up the tokens that the merges name.
func (c *Config) ranks(ids map[string]int32) (rank map[pairKey]int32, whole []int32, err error) {
	rank = make(map[pairKey]int32, len(c.Merges))
	whole = make([]int32, len(c.Merges))
	var joined []byte
	for i, merge := range c.Merges {
		left, right, _ := strings.Cut(merge, " ")
		l, lok := ids[left]
		r, rok := ids[right]
		joined = append(append(joined[:0], left...), right...)
		w, wok := ids[string(joined)]
		if left == "" || right == "" || !lok || !rok || !wok {
			return nil, nil, fmt.Errorf("tokenizer: merge %d (%s) names a token that the vocabulary lacks; %s", i, quote(merge), damaged)
		}
		rank[keyOf(l, r)] = int32(i)
		if len(rank) != i+1 {
			return nil, nil, fmt.Errorf("tokenizer: merge %d (%s) repeats another; %s", i, quote(merge), damaged)
		}
		whole[i] = w
	}
	return rank, whole, nil
}

// specials lists the tokens that are recognised in a text.
func (c *Config) specials() (list []special) {
	for id, kind := range c.Types {
		if (kind == typeControl || kind == typeUserDefined) && c.Tokens[id] != "" {
			list = append(list, special{c.Tokens[id], int32(id)})
		}
	}
	return list
}

// ends lists the tokens that end a generation.
func (c *Config) ends(ids map[string]int32) (list []int32) {
	if c.EOS >= 0 {
		list = append(list, c.EOS)
	}
	for _, name := range []string{"<|im_end|>", "<|endoftext|>"} {
		if id, ok := ids[name]; ok && c.Types[id] == typeControl {
			list = append(list, id)
		}
	}
	return list
}

// quote shows text from a file in one line of bounded length.
func quote(s string) string {
	const limit = 40
	if len(s) > limit {
		return fmt.Sprintf("%q…", s[:limit])
	}
	return fmt.Sprintf("%q", s)
}
