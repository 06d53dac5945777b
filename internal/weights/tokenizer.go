package weights

import (
	"errors"
	"fmt"
	"strings"

	"bankai/internal/bpe"
	"bankai/internal/gguf"
)

// TokenizerData is the vocabulary of a model, as its file has it.
type TokenizerData struct {
	Model  string   // "gpt2" for byte-level BPE
	Pre    string   // how text is split first: "qwen2" for Qwen3, "qwen35" for Qwen3.5
	Tokens []string // by token id
	Types  []int32  // by token id: 1 normal, 3 control, 4 user-defined, 5 unused
	Merges []string // "left right", best first
	// EOS, BOS and Pad are token ids, -1 where the file names none.
	EOS, BOS, Pad int32
	AddBOS        bool   // BOS goes before every text
	ChatTemplate  string // Jinja; empty if there is none
}

// readTokenizer reads the vocabulary and checks that its parts fit together.
func readTokenizer(file *gguf.File) (TokenizerData, error) {
	const prefix = "tokenizer.ggml."
	k := &keys{file: file}
	t := TokenizerData{
		Model:        k.text(prefix + "model"),
		Pre:          k.text(prefix + "pre"),
		AddBOS:       k.flag(prefix + "add_bos_token"),
		ChatTemplate: k.text("tokenizer.chat_template"),
	}
	var ok bool
	tokens, _ := file.Value(prefix + "tokens")
	if t.Tokens, ok = tokens.Strings(); !ok || len(t.Tokens) == 0 || len(t.Tokens) > maxSize {
		return t, errors.New("metadata key " + prefix + "tokens holds no vocabulary: the file is not a complete model")
	}
	if v, there := file.Value(prefix + "token_type"); there {
		if t.Types, ok = v.Int32s(); !ok || len(t.Types) != len(t.Tokens) {
			return t, fmt.Errorf("metadata key %stoken_type does not hold one number for each of the %d tokens", prefix, len(t.Tokens))
		}
	}
	if v, there := file.Value(prefix + "merges"); there {
		if t.Merges, ok = v.Strings(); !ok {
			return t, errors.New("metadata key " + prefix + "merges is not a list of strings")
		}
	}
	t.EOS = k.token(prefix+"eos_token_id", len(t.Tokens))
	t.BOS = k.token(prefix+"bos_token_id", len(t.Tokens))
	t.Pad = k.token(prefix+"padding_token_id", len(t.Tokens))
	if t.Types == nil {
		t.Types = t.guessTypes()
	}
	if t.Model != "gpt2" {
		k.fail("%smodel is %.40q, but only \"gpt2\" (byte-level BPE) is supported: use a Qwen3 model", prefix, t.Model)
	}
	return t, k.err
}

// guessTypes returns the types of tokens for a file that does not say: those that
// look special, and those that begin, end or fill up a text, are control tokens, and
// all others ordinary, as in llama.cpp.
func (t *TokenizerData) guessTypes() []int32 {
	types := make([]int32, len(t.Tokens))
	for id, text := range t.Tokens {
		types[id] = normalToken
		if looksSpecial(text) {
			types[id] = controlToken
		}
	}
	for _, id := range []int32{t.EOS, t.BOS, t.Pad} {
		if id >= 0 {
			types[id] = controlToken
		}
	}
	return types
}

// looksSpecial recognises tokens such as <|im_end|>.
func looksSpecial(token string) bool {
	return strings.HasPrefix(token, "<|") && strings.HasSuffix(token, "|>")
}

// build makes the tokenizer, whatever a command needs of the model: a file whose
// vocabulary is damaged is refused by all of them.
func (t *TokenizerData) build() (*bpe.Tokenizer, error) {
	return bpe.New(bpe.Config{
		Tokens: t.Tokens, Types: t.Types, Merges: t.Merges,
		EOS: t.EOS, BOS: t.BOS, Pad: t.Pad, AddBOS: t.AddBOS, Pre: t.Pre,
	})
}

// token reads a token id, -1 where there is none.
func (k *keys) token(key string, vocab int) int32 {
	v, ok := k.file.Value(key)
	if !ok {
		return -1
	}
	id, ok := v.Uint()
	if !ok || id >= uint64(vocab) {
		k.fail("%s is not the id of one of the %d tokens", key, vocab)
		return -1
	}
	return int32(id)
}
