package weights

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bankai/internal/gguf"
)

// GGUF's types of tokens.
const (
	normalToken      = 1
	controlToken     = 3 // special, not part of any text
	userDefinedToken = 4 // special, part of the text
	unusedToken      = 5 // fills up the vocabulary
)

// qwen2Split is the rule by which the tokenizer that GGUF calls "qwen2" splits
// text before merging.
const qwen2Split = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

// tokenizerJSON is the part of tokenizer.json that matters here.
type tokenizerJSON struct {
	Normalizer struct {
		Type string `json:"type"`
	} `json:"normalizer"`
	PreTokenizer struct {
		splitJSON
		List []splitJSON `json:"pretokenizers"`
	} `json:"pre_tokenizer"`
	Model struct {
		Type   string           `json:"type"`
		Vocab  map[string]int64 `json:"vocab"`
		Merges []mergeJSON      `json:"merges"`
	} `json:"model"`
	Added []struct {
		ID      int64  `json:"id"`
		Content string `json:"content"`
		Special bool   `json:"special"`
	} `json:"added_tokens"`
}

type splitJSON struct {
	Pattern struct {
		Regex string `json:"Regex"`
	} `json:"pattern"`
}

// mergeJSON is a merge: "left right", or in newer files ["left", "right"].
type mergeJSON string

func (m *mergeJSON) UnmarshalJSON(b []byte) error {
	if b[0] != '[' {
		return json.Unmarshal(b, (*string)(m))
	}
	var pair []string
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	*m = mergeJSON(strings.Join(pair, " "))
	return nil
}

// check refuses every tokenizer but that of Qwen3, which would split text into
// other tokens.
func (t *tokenizerJSON) check() error {
	rules := append(t.PreTokenizer.List, t.PreTokenizer.splitJSON)
	switch {
	case t.Model.Type != "" && t.Model.Type != "BPE":
		return fmt.Errorf("model type %q is not supported, only BPE is", t.Model.Type)
	case t.Normalizer.Type != "NFC":
		return fmt.Errorf("normalizer type is %q, but that of Qwen3 is \"NFC\"", t.Normalizer.Type)
	case !slices.ContainsFunc(rules, func(r splitJSON) bool { return r.Pattern.Regex == qwen2Split }):
		return errors.New("the pre_tokenizer does not split text as that of Qwen3 does")
	}
	return nil
}

// vocabulary lists the tokens by id and their types, as converters to GGUF do:
// ids without a token get the text [PADid], and tokens of the form <|...|> are
// control tokens whether or not they are said to be special.
func (t *tokenizerJSON) vocabulary(size int) (tokens []string, types []int32, err error) {
	if err := t.check(); err != nil {
		return nil, nil, err
	}
	tokens, types = make([]string, size), make([]int32, size)
	set := func(id int64, text string, typ int32) {
		if id < 0 || id >= int64(size) || types[id] != 0 && tokens[id] != text {
			err = fmt.Errorf("the ids of the tokens are not different numbers below vocab_size, %d", size)
			return
		}
		tokens[id], types[id] = text, typ
	}
	for text, id := range t.Model.Vocab {
		set(id, text, normalToken)
	}
	for _, a := range t.Added {
		typ := int32(userDefinedToken)
		if a.Special || looksSpecial(a.Content) {
			typ = controlToken
		}
		set(a.ID, a.Content, typ)
	}
	for id := range tokens {
		if types[id] == 0 {
			tokens[id], types[id] = fmt.Sprintf("[PAD%d]", id), unusedToken
		}
	}
	return tokens, types, err
}

// mlxTokenizer translates tokenizer.json, tokenizer_config.json and the chat
// template of a folder into GGUF's metadata. config is config.json.
func mlxTokenizer(dir string, config *object, vocab int) ([]gguf.KV, error) {
	var t tokenizerJSON
	there, err := readJSON(dir, "tokenizer.json", &t)
	if err == nil && !there {
		err = errors.New("the folder has no tokenizer.json")
	}
	if err != nil {
		return nil, err
	}
	tokens, types, err := t.vocabulary(vocab)
	if err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	merges := make([]string, len(t.Model.Merges))
	for i, m := range t.Model.Merges {
		merges[i] = string(m)
	}
	kvs := []gguf.KV{
		{Key: "tokenizer.ggml.model", Value: gguf.String("gpt2")},
		{Key: "tokenizer.ggml.pre", Value: gguf.String("qwen2")},
		{Key: "tokenizer.ggml.tokens", Value: gguf.Strings(tokens)},
		{Key: "tokenizer.ggml.token_type", Value: gguf.Int32s(types)},
		{Key: "tokenizer.ggml.merges", Value: gguf.Strings(merges)},
	}
	special, err := mlxSpecial(dir, config, tokens)
	return append(kvs, special...), err
}
