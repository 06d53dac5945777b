package testmodel

import (
	"fmt"

	"bankai/internal/gguf"
)

// metadata makes the keys of a real Qwen3 file, with a small vocabulary: the 256
// bytes, the products of a few merges, unused tokens up to Vocab-2, and the two
// special tokens <|endoftext|> (padding and beginning) and <|im_end|> (end).
func metadata(s Shape) []gguf.KV {
	tokens, types, merges := vocabulary(s.Vocab)
	u32 := func(n int) gguf.Value { return gguf.Uint32(uint32(n)) }
	arch, pre, layers := "qwen3", "qwen2", s.Layers
	if s.Hybrid != nil {
		arch, pre, layers = "qwen35", "qwen35", s.Layers+s.Hybrid.Ahead
	}
	kvs := []gguf.KV{
		{Key: "general.architecture", Value: gguf.String(arch)},
		{Key: "general.name", Value: gguf.String("test-1bit")},
		{Key: "general.file_type", Value: gguf.Uint32(40)},
		{Key: arch + ".block_count", Value: u32(layers)},
		{Key: arch + ".context_length", Value: gguf.Uint32(512)},
		{Key: arch + ".embedding_length", Value: u32(s.Hidden)},
		{Key: arch + ".feed_forward_length", Value: u32(s.FFN)},
		{Key: arch + ".attention.head_count", Value: u32(s.Heads)},
		{Key: arch + ".attention.head_count_kv", Value: u32(s.KVHeads)},
		{Key: arch + ".attention.key_length", Value: u32(s.HeadDim)},
		{Key: arch + ".attention.value_length", Value: u32(s.HeadDim)},
		{Key: arch + ".attention.layer_norm_rms_epsilon", Value: gguf.Float32(1e-6)},
		{Key: arch + ".rope.freq_base", Value: gguf.Float32(1e6)},
	}
	if h := s.Hybrid; h != nil {
		kvs = append(kvs, h.metadata()...)
	}
	return append(kvs, []gguf.KV{
		{Key: "tokenizer.ggml.model", Value: gguf.String("gpt2")},
		{Key: "tokenizer.ggml.pre", Value: gguf.String(pre)},
		{Key: "tokenizer.ggml.tokens", Value: gguf.Strings(tokens)},
		{Key: "tokenizer.ggml.token_type", Value: gguf.Int32s(types)},
		{Key: "tokenizer.ggml.merges", Value: gguf.Strings(merges)},
		{Key: "tokenizer.ggml.eos_token_id", Value: u32(s.Vocab - 1)},
		{Key: "tokenizer.ggml.padding_token_id", Value: u32(s.Vocab - 2)},
		{Key: "tokenizer.ggml.bos_token_id", Value: u32(s.Vocab - 2)},
		{Key: "tokenizer.ggml.add_bos_token", Value: gguf.Bool(false)},
	}...)
}

// metadata is that of the delta-nets and of the gated attention.
func (h *Hybrid) metadata() []gguf.KV {
	u32 := func(n int) gguf.Value { return gguf.Uint32(uint32(n)) }
	pairs := int32(h.Rotary / 2)
	return []gguf.KV{
		{Key: "qwen35.rope.dimension_count", Value: u32(h.Rotary)},
		{Key: "qwen35.rope.dimension_sections", Value: gguf.Int32s([]int32{(pairs + 2) / 3, (pairs + 1) / 3, pairs / 3, 0})},
		{Key: "qwen35.ssm.conv_kernel", Value: u32(taps)},
		{Key: "qwen35.ssm.state_size", Value: u32(h.State)},
		{Key: "qwen35.ssm.group_count", Value: u32(h.KeyHeads)},
		{Key: "qwen35.ssm.time_step_rank", Value: u32(h.ValueHeads)},
		{Key: "qwen35.ssm.inner_size", Value: u32(h.ValueHeads * h.State)},
		{Key: "qwen35.full_attention_interval", Value: u32(interval)},
		{Key: "qwen35.nextn_predict_layers", Value: u32(h.Ahead)},
	}
}

// GGUF's token types.
const (
	normalToken  = 1
	controlToken = 3
	unusedToken  = 5
)

func vocabulary(n int) (tokens []string, types []int32, merges []string) {
	for _, r := range byteRunes() {
		tokens = append(tokens, string(r))
	}
	for _, pair := range mergePairs {
		tokens = append(tokens, pair[0]+pair[1])
		merges = append(merges, pair[0]+" "+pair[1])
	}
	for range tokens {
		types = append(types, normalToken)
	}
	for len(tokens) < n-2 {
		tokens = append(tokens, fmt.Sprintf("[PAD%d]", len(tokens)))
		types = append(types, unusedToken)
	}
	return append(tokens, "<|endoftext|>", "<|im_end|>"), append(types, controlToken, controlToken), merges
}

// byteRunes returns the characters that stand for single bytes in a byte-level
// vocabulary, in the order of their token ids: first the bytes that Latin-1 can
// show, as themselves, then the others as U+0100 and up.
func byteRunes() []rune {
	var shown, hidden []rune
	for b := range 256 {
		if r := byteRune(byte(b)); r < 256 {
			shown = append(shown, r)
		} else {
			hidden = append(hidden, r)
		}
	}
	return append(shown, hidden...)
}

// byteRune returns the character that stands for a byte.
func byteRune(b byte) rune {
	shown := func(r rune) bool { return r >= '!' && r <= '~' || r >= '¡' && r <= '¬' || r >= '®' }
	if shown(rune(b)) {
		return rune(b)
	}
	hidden := rune(256)
	for r := range rune(b) {
		if !shown(r) {
			hidden++
		}
	}
	return hidden
}

// mergePairs build some English and one two-byte letter; Ġ stands for a space.
var mergePairs = [][2]string{
	{"h", "e"},
	{"Ġ", "t"},
	{"Ġt", "he"},
	{"i", "n"},
	{"e", "r"},
	{"a", "n"},
	{"Ġ", "a"},
	{"o", "n"},
	{"r", "e"},
	{"Ġ", "i"},
	{"Ġi", "s"},
	{"Ġ", "="},
	{"Ġ", "+"},
	{"l", "l"},
	{"ll", "o"},
	{"he", "llo"},
	{"Ã", "©"},
}
