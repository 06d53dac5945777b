package weights

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
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

// splits are the rules by which text is split before merging, and GGUF's names for them:
// that of Qwen3.5 takes marks for letters.
var splits = map[string]string{
	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`:             "qwen2",
	`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`: "qwen35",
}

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

// check refuses every tokenizer but those of Qwen3 and Qwen3.5, which would split text into
// other tokens.
func (t *tokenizerJSON) check() error {
	switch {
	case t.Model.Type != "" && t.Model.Type != "BPE":
		return fmt.Errorf("model type %q is not supported, only BPE is", t.Model.Type)
	case t.Normalizer.Type != "NFC":
		return fmt.Errorf("normalizer type is %q, but that of Qwen3 is \"NFC\"", t.Normalizer.Type)
	case t.pre() == "":
		return errors.New("the pre_tokenizer does not split text as that of Qwen3 does")
	}
	return nil
}

// pre is GGUF's name for the rule by which text is split, "" for one that is not known.
func (t *tokenizerJSON) pre() (name string) {
	for _, r := range append(t.PreTokenizer.List, t.PreTokenizer.splitJSON) {
		name = cmp.Or(name, splits[r.Pattern.Regex])
	}
	return name
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
		{Key: "tokenizer.ggml.pre", Value: gguf.String(t.pre())},
		{Key: "tokenizer.ggml.tokens", Value: gguf.Strings(tokens)},
		{Key: "tokenizer.ggml.token_type", Value: gguf.Int32s(types)},
		{Key: "tokenizer.ggml.merges", Value: gguf.Strings(merges)},
	}
	special, err := mlxSpecial(dir, config, tokens)
	return append(kvs, special...), err
}
